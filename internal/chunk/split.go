package chunk

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// splitter cuts one document. Places are byte offsets into text.
type splitter struct {
	text      string
	most      int   // tokens in a chunk, its header included
	overlap   int   // tokens repeated from the chunk before
	starts    []int // where each token of text starts
	at        cursor
	tokenizer Tokenizer
	headers   bool        // a chunk that begins inside a table gets the table's first row
	last      header      // the header that was made last
	parent    *rag.Parent // of the chunks being made
	chunks    []rag.Chunk
}

// header is the first row of a table, cut to half of a chunk at most.
type header struct {
	start  int
	text   string
	tokens int
}

func newSplitter(text string, o rag.Chunking, t Tokenizer) (*splitter, error) {
	offsets, err := t.Offsets(text)
	if err != nil {
		return nil, fmt.Errorf("count tokens: %w", err)
	}
	starts := make([]int, len(offsets))
	for i, o := range offsets {
		starts[i] = o[0]
	}
	return &splitter{
		text: text, most: max(1, o.MaxTokens), overlap: min(max(0, o.Overlap), o.MaxTokens/2), starts: starts,
		at: cursor{text: text}, tokenizer: t, headers: o.Strategy != rag.StrategyTokens, last: header{start: -1},
	}, nil
}

// tokens counts those that start in [from, to).
func (s *splitter) tokens(from, to int) int {
	return sort.SearchInts(s.starts, to) - sort.SearchInts(s.starts, from)
}

// split makes the chunks of a section.
func (s *splitter) split(sec section, o rag.Chunking) error {
	blocks := sec.text()
	emit := func(from, to int) error { return s.emit(sec, from, to) }
	switch o.Strategy {
	case rag.StrategyTokens:
		return s.windows(sec, blocks)
	case rag.StrategySentences:
		return s.pack(blocks, s.singly, emit)
	case rag.StrategyRow:
		return s.pack(blocks, s.rows, emit)
	case rag.StrategyParentChild:
		return s.children(sec, blocks, o.ParentTokens)
	}
	return s.pack(blocks, s.whole, emit)
}

// pack fills chunks with the pieces of blocks, in groups that are not torn apart, and hands over each chunk's place.
func (s *splitter) pack(blocks []block, grouped func(block) ([][]piece, error), put func(from, to int) error) error {
	var open []piece // the pieces of the chunk being filled
	fresh := 0       // pieces in open that no chunk holds yet
	flush := func() error {
		err := put(open[0].start, open[len(open)-1].end)
		open, fresh = s.repeated(open), 0
		return err
	}
	fits := func(group []piece) bool {
		return open[0].header+s.tokens(open[0].start, group[len(group)-1].end) <= s.most
	}
	for _, b := range blocks {
		groups, err := grouped(b)
		if err != nil {
			return err
		}
		for _, group := range groups {
			if fresh > 0 && (group[0].alone || open[len(open)-1].alone || !fits(group)) {
				if err := flush(); err != nil {
					return err
				}
			}
			if group[0].alone {
				open = nil
			}
			for len(open) > 0 && fresh == 0 && !fits(group) {
				open = open[1:] // less is repeated
			}
			open = append(open, group...)
			fresh += len(group)
		}
	}
	if fresh == 0 {
		return nil
	}
	return flush()
}

// repeated gives the last pieces of a chunk that the next one repeats: as many whole ones as fit into overlap.
func (s *splitter) repeated(pieces []piece) []piece {
	end := pieces[len(pieces)-1].end
	first := len(pieces)
	for first > 1 && pieces[first-1].repeatable && s.tokens(pieces[first-1].start, end) <= s.overlap {
		first--
	}
	return slices.Clone(pieces[first:])
}

// windows cuts a page into windows of as many tokens as a chunk may have, between words where it can.
func (s *splitter) windows(sec section, blocks []block) error {
	from, end := blocks[0].start, blocks[len(blocks)-1].end
	for s.tokens(from, end) > s.most {
		to := s.cut(from, s.most, blanks)
		if err := s.emit(sec, from, to); err != nil {
			return err
		}
		from = s.back(from, to)
	}
	return s.emit(sec, from, end)
}

// back gives where the window after [from, to) begins: at the first word of the last overlap tokens.
func (s *splitter) back(from, to int) int {
	if s.overlap == 0 {
		return to
	}
	at := runeStart(s.text, s.starts[max(0, sort.SearchInts(s.starts, to)-s.overlap)])
	if at > 0 && !strings.ContainsRune(blanks, rune(s.text[at-1])) {
		if word := strings.IndexAny(s.text[at:to], blanks); word >= 0 {
			at += word + 1
		}
	}
	if at <= from {
		return to
	}
	return at
}

// children cuts a section into parents, and each of them into the chunks that are searched.
func (s *splitter) children(sec section, blocks []block, parentTokens int) error {
	outer := *s
	outer.most, outer.overlap, outer.last = max(parentTokens, s.most), 0, header{start: -1}
	return outer.pack(blocks, outer.whole, func(from, to int) error {
		start, text := trimmed(s.text, from, to)
		head, err := outer.header(sec, start)
		if err != nil || text == "" {
			return err
		}
		s.parent = &rag.Parent{
			Span: rag.Span{Start: s.at.runeAt(start), End: s.at.runeAt(start + len(text))}, Header: head.text, Text: text,
		}
		first := len(s.chunks)
		err = s.pack(within(blocks, from, to), s.whole, func(from, to int) error { return s.emit(sec, from, to) })
		if made := s.chunks[first:]; len(made) == 1 && made[0].Span == s.parent.Span {
			made[0].Parent = nil
		}
		s.parent = nil
		return err
	})
}

// cut gives where a text that begins at from has to end to have most tokens: at one of ends in the second half of what
// would fit, else at a blank there, else between two tokens. Some tokenizers cut characters in pieces; a character stays
// whole even if it alone is too big.
func (s *splitter) cut(from, most int, ends string) int {
	next := sort.SearchInts(s.starts, from) + most
	cut, half := s.starts[next], s.starts[next-most/2]
	for _, ends := range []string{ends, blanks} {
		if at := strings.LastIndexAny(s.text[half:cut], ends); at >= 0 {
			return half + at + 1
		}
	}
	cut = runeStart(s.text, cut)
	if cut <= from {
		_, size := utf8.DecodeRuneInString(s.text[from:])
		cut = from + size
	}
	return cut
}

// runeStart gives the place at or before at where a character begins.
func runeStart(text string, at int) int {
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

const blanks = " \t\r\n"

// trimmed gives what stands in [from, to) less the blanks around it, and its place.
func trimmed(text string, from, to int) (int, string) {
	text = text[from:to]
	bare := strings.TrimLeftFunc(text, unicode.IsSpace)
	return from + len(text) - len(bare), strings.TrimRightFunc(bare, unicode.IsSpace)
}

// emit makes the chunk [from, to), less the blanks around it. One that is over the budget when it is tokenised alone,
// as can happen where it begins inside a word, is cut once more.
func (s *splitter) emit(sec section, from, to int) error {
	from, text := trimmed(s.text, from, to)
	if text == "" {
		return nil
	}
	head, err := s.header(sec, from)
	if err != nil {
		return err
	}
	offsets, err := s.tokenizer.Offsets(text)
	if err != nil {
		return fmt.Errorf("count tokens: %w", err)
	}
	if most := s.most - head.tokens; len(offsets) > most {
		if cut := runeStart(text, offsets[most][0]); cut > 0 && cut < len(text) {
			if err := s.emit(sec, from, from+cut); err != nil {
				return err
			}
			return s.emit(sec, from+cut, from+len(text))
		}
	}
	s.chunks = append(s.chunks, rag.Chunk{
		Ordinal: len(s.chunks), Header: head.text, Text: text, Headings: sec.path(from, from+len(text)),
		PageStart: sec.page, PageEnd: sec.page, Parent: s.parent,
		Span: rag.Span{Start: s.at.runeAt(from), End: s.at.runeAt(from + len(text))}, Tokens: len(offsets),
	})
	return nil
}
