// Package chunk cuts parsed documents into the texts that get one embedding each. It is pure: no I/O, no clock.
//
// Structure comes first. A chunk never crosses a section or a page, blocks stay whole where they fit, a block that is
// too big is cut between sentences (between lines for tables, lists and code), and only a sentence that is too big is
// cut between tokens. Each chunk's text is exactly the slice of the document's text that its span names.
package chunk

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// Tokenizer gives the byte offsets of every token of a text, without special tokens.
type Tokenizer interface {
	Offsets(text string) ([][2]int, error)
}

// Split cuts a parsed document. Headings are carried as each chunk's path, not repeated in its text; only a heading
// with nothing below it becomes a chunk of its own. A document without any text is a rag.Problem of code "empty".
func Split(p rag.Parsed, o rag.Chunking, t Tokenizer) ([]rag.Chunk, error) {
	s, err := newSplitter(p.Text, o, t)
	if err != nil {
		return nil, err
	}
	sections := sections(p)
	for i, section := range sections {
		if section.onlyHeading() && i+1 < len(sections) && section.contains(sections[i+1]) {
			continue // the sections below it carry the heading in their path
		}
		if err := s.section(section); err != nil {
			return nil, err
		}
	}
	if len(s.chunks) == 0 {
		return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "the document holds no text to search"}
	}
	return s.chunks, nil
}

// section is a run of blocks under one heading path on one page.
type section struct {
	headings []string
	page     int
	blocks   []block
}

// block is a rag.Block by its place in the document's text, in bytes.
type block struct {
	kind       rag.BlockKind
	start, end int
}

func (s section) onlyHeading() bool {
	return !slices.ContainsFunc(s.blocks, func(b block) bool { return b.kind != rag.BlockHeading })
}

// contains reports whether other is the same section on a later page, or one below it.
func (s section) contains(other section) bool {
	return len(other.headings) >= len(s.headings) && slices.Equal(other.headings[:len(s.headings)], s.headings)
}

func sections(p rag.Parsed) []section {
	var out []section
	at := cursor{text: p.Text}
	for _, b := range p.Blocks {
		if n := len(out); n == 0 || out[n-1].page != b.Page || !slices.Equal(out[n-1].headings, b.Headings) {
			out = append(out, section{headings: b.Headings, page: b.Page})
		}
		start := at.byteAt(b.Span.Start)
		last := &out[len(out)-1]
		last.blocks = append(last.blocks, block{kind: b.Kind, start: start, end: start + len(b.Text)})
	}
	return out
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

const (
	// prefixRunes bounds what EmbeddingText puts before a chunk: about 60 tokens of English.
	prefixRunes = 240
	// readTokens is what a BERT-like encoder reads, less its two special tokens. It cuts off the end of what is longer.
	readTokens = 510
)

// EmbeddingText is what is embedded for a chunk: the document's title, the heading path, and the text, so that a chunk
// is found by what it is about even where its own words don't say it. The prefix has at most a character for each token
// that the text leaves free, so that it never pushes the text's end out of what the encoder reads.
func EmbeddingText(title string, c rag.Chunk) string {
	headings := c.Headings
	if len(headings) > 0 && headings[0] == title {
		headings = headings[1:]
	}
	prefix := strings.TrimSpace(title)
	if len(headings) > 0 {
		prefix = strings.TrimSpace(prefix + "\n" + strings.Join(headings, " > "))
	}
	if prefix == "" {
		return c.Text
	}
	if most := max(0, min(prefixRunes, readTokens-c.Tokens)); utf8.RuneCountInString(prefix) > most {
		prefix = string([]rune(prefix)[:most])
	}
	if prefix == "" {
		return c.Text
	}
	return prefix + "\n" + c.Text
}

// Separator stands between the chunks that a client gives, where a document's text is made of them.
const Separator = "\n\n"

// Given is a chunk that the client cut.
type Given struct {
	Text     string
	Headings []string
	Page     int
}

// FromGiven takes a client's own chunks as they are. One with more tokens than most, which the encoder would cut off, is
// refused with a pointer to it.
func FromGiven(given []Given, most int, t Tokenizer) ([]rag.Chunk, error) {
	chunks := make([]rag.Chunk, 0, len(given))
	at := 0
	for i, g := range given {
		pointer := fmt.Sprintf("/chunks/%d", i)
		if strings.TrimSpace(g.Text) == "" {
			return nil, rag.Invalid(pointer, "chunk %d is empty", i)
		}
		offsets, err := t.Offsets(g.Text)
		if err != nil {
			return nil, fmt.Errorf("count tokens: %w", err)
		}
		if len(offsets) > most {
			return nil, rag.Invalid(pointer, "chunk %d has %d tokens, and the bi-encoder reads at most %d; cut it smaller", i, len(offsets), most)
		}
		runes := utf8.RuneCountInString(g.Text)
		chunks = append(chunks, rag.Chunk{
			Ordinal: i, Text: g.Text, Headings: g.Headings, PageStart: g.Page, PageEnd: g.Page,
			Span: rag.Span{Start: at, End: at + runes}, Tokens: len(offsets),
		})
		at += runes + len(Separator)
	}
	if len(chunks) == 0 {
		return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "the document holds no chunk"}
	}
	return chunks, nil
}
