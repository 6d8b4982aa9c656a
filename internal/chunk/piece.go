package chunk

import (
	"fmt"
	"sort"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// piece is a stretch of text that is not cut: a sentence, a line, or a part of one that is too big.
type piece struct {
	start, end int
	repeatable bool // it may be repeated at the head of the next chunk
	alone      bool // it shares its chunk with nothing
	header     int  // tokens that the table's first row takes where a chunk begins with this piece
}

// whole gives a block's pieces in groups that stay together: all of a block that fits, else each piece alone.
func (s *splitter) whole(b block) ([][]piece, error) {
	pieces, err := s.pieces(b)
	if err != nil || len(pieces) == 0 {
		return nil, err
	}
	if pieces[0].header+s.tokens(b.start, b.end) <= s.most {
		return [][]piece{pieces}, nil
	}
	return singles(pieces), nil
}

// singly gives each piece of a block in a group of its own.
func (s *splitter) singly(b block) ([][]piece, error) {
	pieces, err := s.pieces(b)
	return singles(pieces), err
}

// rows has each row of a table stand alone, the first one with the header above it, and leaves other blocks whole.
func (s *splitter) rows(b block) ([][]piece, error) {
	if b.kind != rag.BlockTable {
		return s.whole(b)
	}
	pieces, err := s.pieces(b)
	if err != nil {
		return nil, err
	}
	for i := range pieces {
		pieces[i].alone = true
	}
	if len(pieces) > 1 && pieces[0].start < b.header[1] && s.tokens(pieces[0].start, pieces[1].end) <= s.most {
		pieces[1].start = pieces[0].start
		pieces[1].header = 0
		pieces = pieces[1:]
	}
	return singles(pieces), nil
}

func singles(pieces []piece) [][]piece {
	out := make([][]piece, len(pieces))
	for i, p := range pieces {
		out[i] = []piece{p}
	}
	return out
}

// pieces cuts a block into sentences, or lines where lines mean something, and those that are too big between tokens.
func (s *splitter) pieces(b block) ([]piece, error) {
	text := s.text[b.start:b.end]
	prose := b.kind == rag.BlockParagraph || b.kind == rag.BlockHeading || b.kind == rag.BlockCaption
	ends := lineEnds
	if prose {
		ends = sentenceEnds
	}
	head, err := s.headerOf(b)
	if err != nil {
		return nil, err
	}
	var out []piece
	from := b.start
	add := func(to int, repeatable bool) {
		p := piece{start: from, end: to, repeatable: repeatable}
		if from >= b.header[1] {
			p.header = head.tokens
		}
		from = to
		if strings.TrimSpace(s.text[p.start:p.end]) != "" {
			out = append(out, p)
		}
	}
	for _, end := range ends(text) {
		to := b.start + end
		for {
			most := s.most
			if from >= b.header[1] {
				most -= head.tokens
			}
			if s.tokens(from, to) <= most {
				break
			}
			add(s.cut(from, most, "\n"), false)
		}
		add(to, prose)
	}
	return out, nil
}

// header gives the first row of the table that a chunk which begins at from goes on with, if there is one.
func (s *splitter) header(sec section, from int) (header, error) {
	i := sort.Search(len(sec.blocks), func(i int) bool { return sec.blocks[i].end > from })
	if i == len(sec.blocks) || from < sec.blocks[i].header[1] || from < sec.blocks[i].start {
		return header{}, nil
	}
	return s.headerOf(sec.blocks[i])
}

// headerOf makes the header that a table's chunks repeat. What is longer than half a chunk is cut off.
func (s *splitter) headerOf(b block) (header, error) {
	if !s.headers || b.header[0] == b.header[1] {
		return header{}, nil
	}
	if s.last.start == b.header[0] {
		return s.last, nil
	}
	made := header{start: b.header[0], text: strings.Trim(s.text[b.header[0]:b.header[1]], blanks)}
	for {
		offsets, err := s.tokenizer.Offsets(made.text)
		if err != nil {
			return header{}, fmt.Errorf("count tokens: %w", err)
		}
		if made.tokens = len(offsets); made.tokens <= s.most/2 {
			break
		}
		made.text = strings.TrimRight(made.text[:runeStart(made.text, offsets[s.most/2][0])], blanks)
	}
	s.last = made
	return made, nil
}

// within gives the parts of blocks in [from, to).
func within(blocks []block, from, to int) []block {
	var parts []block
	for _, b := range blocks[sort.Search(len(blocks), func(i int) bool { return blocks[i].end > from }):] {
		if b.start >= to {
			break
		}
		b.start, b.end = max(b.start, from), min(b.end, to)
		parts = append(parts, b)
	}
	return parts
}
