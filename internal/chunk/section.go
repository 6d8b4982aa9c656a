package chunk

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// section is a run of blocks on one page that may share chunks.
type section struct {
	headings []string // the path of all its blocks, or what their paths have in common
	page     int
	blocks   []block
	mixed    bool // it holds several sections of the document; their headings are part of its text
}

// block is a rag.Block by its place in the document's text, in bytes.
type block struct {
	kind       rag.BlockKind
	headings   []string
	start, end int
	header     [2]int // of a table: where its first row is; else empty
}

// sections cuts a document where its heading path or its page changes. A heading with sections below it is left to
// their paths.
func sections(p rag.Parsed) []section {
	all := runs(p, func(last section, b rag.Block) bool {
		return last.page == b.Page && slices.Equal(last.headings, b.Headings)
	})
	kept := all[:0]
	for i, s := range all {
		switch {
		case i+1 == len(all) || !s.onlyHeading() || !s.contains(all[i+1]):
			kept = append(kept, s)
		case s.page == all[i+1].page:
			all[i+1].blocks = slices.Concat(s.blocks, all[i+1].blocks) // for where it is merged, and the path gets shorter
		}
	}
	return kept
}

// pages cuts a document where its page changes.
func pages(p rag.Parsed) []section {
	all := runs(p, func(last section, b rag.Block) bool { return last.page == b.Page })
	for i := range all {
		all[i].mixed = true
		for _, b := range all[i].blocks {
			all[i].headings = common(all[i].headings, b.headings)
		}
	}
	return all
}

// runs puts blocks together as long as same says so.
func runs(p rag.Parsed, same func(last section, b rag.Block) bool) []section {
	var out []section
	at := cursor{text: p.Text}
	for _, b := range p.Blocks {
		if n := len(out); n == 0 || !same(out[n-1], b) {
			out = append(out, section{headings: b.Headings, page: b.Page})
		}
		start := at.byteAt(b.Span.Start)
		made := block{kind: b.Kind, headings: b.Headings, start: start, end: start + len(b.Text)}
		if row := strings.IndexByte(b.Text, '\n'); b.Kind == rag.BlockTable && row >= 0 {
			made.header = [2]int{start, start + row + 1}
		}
		last := &out[len(out)-1]
		last.blocks = append(last.blocks, made)
	}
	return out
}

func (s section) onlyHeading() bool {
	return !slices.ContainsFunc(s.blocks, func(b block) bool { return b.kind != rag.BlockHeading })
}

// contains reports whether other is the same section on a later page, or one below it.
func (s section) contains(other section) bool {
	return len(other.headings) >= len(s.headings) && slices.Equal(other.headings[:len(s.headings)], s.headings)
}

// text gives the blocks that chunks are made of: not the headings that the path tells, unless there is nothing else.
func (s section) text() []block {
	if !s.mixed {
		bare := s.onlyHeading()
		return slices.DeleteFunc(slices.Clone(s.blocks), func(b block) bool {
			return b.kind == rag.BlockHeading && !(bare && len(b.headings) == len(s.headings))
		})
	}
	first := slices.IndexFunc(s.blocks, func(b block) bool { return b.kind != rag.BlockHeading || len(b.headings) > len(s.headings) })
	return s.blocks[max(0, first):]
}

// path is the heading path of what stands in [from, to).
func (s section) path(from, to int) []string {
	if !s.mixed {
		return s.headings
	}
	first, _ := slices.BinarySearchFunc(s.blocks, from, func(b block, at int) int {
		if b.end <= at {
			return -1
		}
		return 1
	})
	var path []string
	for i := first; i < len(s.blocks) && s.blocks[i].start < to; i++ {
		if i == first {
			path = s.blocks[i].headings
		}
		path = common(path, s.blocks[i].headings)
	}
	return path
}

func common(a, b []string) []string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// merged puts sections of fewer than least tokens together with the one after them, and where that can't be with the one
// before: under the same top heading, on the same page, and only where both fit into one chunk.
func (s *splitter) merged(all []section, least int) []section {
	var out []section
	open := 0 // tokens of the last section of out
	for _, next := range all {
		size := s.size(next)
		if n := len(out); n > 0 && open < least {
			if both, ok := s.join(out[n-1], next); ok {
				out[n-1], open = both, s.size(both)
				continue
			}
			if n > 1 {
				if both, ok := s.join(out[n-2], out[n-1]); ok {
					out = append(out[:n-2], both)
				}
			}
		}
		out, open = append(out, next), size
	}
	if n := len(out); n > 1 && open < least {
		if both, ok := s.join(out[n-2], out[n-1]); ok {
			out = append(out[:n-2], both)
		}
	}
	return out
}

// join makes one section of two neighbours, if they may be one and then fit into a chunk.
func (s *splitter) join(a, b section) (section, bool) {
	path := common(a.headings, b.headings)
	if len(path) == 0 || a.page != b.page {
		return section{}, false
	}
	both := section{headings: path, page: a.page, mixed: true, blocks: slices.Concat(a.blocks, b.blocks)}
	return both, s.size(both) <= s.most
}

// size counts the tokens that a section's text has.
func (s *splitter) size(sec section) int {
	text := sec.text()
	if len(text) == 0 {
		return 0
	}
	return s.tokens(text[0].start, text[len(text)-1].end)
}

// cursor turns places in runes into places in bytes and back, quickly when they lie near the last one asked for.
type cursor struct {
	text        string
	bytes, rune int
}

func (c *cursor) byteAt(runes int) int {
	for c.rune < runes && c.bytes < len(c.text) {
		_, size := utf8.DecodeRuneInString(c.text[c.bytes:])
		c.bytes += size
		c.rune++
	}
	for c.rune > runes {
		_, size := utf8.DecodeLastRuneInString(c.text[:c.bytes])
		c.bytes -= size
		c.rune--
	}
	return c.bytes
}

func (c *cursor) runeAt(bytes int) int {
	if bytes >= c.bytes {
		c.rune += utf8.RuneCountInString(c.text[c.bytes:bytes])
	} else {
		c.rune -= utf8.RuneCountInString(c.text[bytes:c.bytes])
	}
	c.bytes = bytes
	return c.rune
}
