package chunk

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"

	"github.com/redkite/redkite/internal/rag"
)

// splitter cuts one document. Places are byte offsets into text.
type splitter struct {
	text      string
	most      int   // tokens in a chunk
	overlap   int   // tokens repeated from the chunk before
	starts    []int // where each token of text starts
	at        cursor
	tokenizer Tokenizer
	chunks    []rag.Chunk
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
		at: cursor{text: text}, tokenizer: t,
	}, nil
}

// tokens counts those that start in [from, to).
func (s *splitter) tokens(from, to int) int {
	return sort.SearchInts(s.starts, to) - sort.SearchInts(s.starts, from)
}

// piece is a stretch of text that is not cut: a block that fits, a sentence, a line, or a part of a sentence.
type piece struct {
	start, end int
	repeatable bool // it may be repeated at the head of the next chunk
}

// section packs the blocks of a section into chunks.
func (s *splitter) section(sec section) error {
	heading := sec.onlyHeading()
	var open []piece // the pieces of the chunk being filled
	flush := func() error {
		if len(open) == 0 {
			return nil
		}
		err := s.emit(sec, open[0].start, open[len(open)-1].end)
		open = s.repeated(open)
		return err
	}
	fresh := 0 // pieces in open that no chunk holds yet
	for _, b := range sec.blocks {
		if b.kind == rag.BlockHeading && !heading {
			continue
		}
		for _, group := range s.groups(b) {
			for fresh > 0 && s.tokens(open[0].start, group[len(group)-1].end) > s.most {
				if err := flush(); err != nil {
					return err
				}
				fresh = 0
			}
			for len(open) > 0 && fresh == 0 && s.tokens(open[0].start, group[len(group)-1].end) > s.most {
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

// groups gives a block's pieces in groups that stay together: all of a block that fits, else each piece alone.
func (s *splitter) groups(b block) [][]piece {
	pieces := s.pieces(b)
	if len(pieces) == 0 {
		return nil
	}
	if s.tokens(b.start, b.end) <= s.most {
		return [][]piece{pieces}
	}
	out := make([][]piece, len(pieces))
	for i, p := range pieces {
		out[i] = []piece{p}
	}
	return out
}

// repeated gives the last pieces of a chunk that the next one repeats: as many whole ones as fit into overlap.
func (s *splitter) repeated(pieces []piece) []piece {
	end := pieces[len(pieces)-1].end
	first := len(pieces)
	for first > 1 && pieces[first-1].repeatable && s.tokens(pieces[first-1].start, end) <= s.overlap {
		first--
	}
	return append([]piece(nil), pieces[first:]...)
}

// pieces cuts a block into sentences, or lines where lines mean something, and those that are too big between tokens.
func (s *splitter) pieces(b block) []piece {
	text := s.text[b.start:b.end]
	var ends []int
	prose := b.kind == rag.BlockParagraph || b.kind == rag.BlockHeading
	if prose {
		ends = sentenceEnds(text)
	} else {
		ends = lineEnds(text)
	}
	var out []piece
	from := b.start
	for _, end := range ends {
		to := b.start + end
		for s.tokens(from, to) > s.most {
			cut := s.cut(from)
			out = append(out, piece{start: from, end: cut})
			from = cut
		}
		if strings.TrimSpace(s.text[from:to]) != "" {
			out = append(out, piece{start: from, end: to, repeatable: prose})
		}
		from = to
	}
	return out
}

// cut gives where a text that begins at from has to end to fit: at a blank in the second half of what would fit, else
// between two tokens. Some tokenizers cut characters in pieces; a character stays whole even if it alone is too big.
func (s *splitter) cut(from int) int {
	next := sort.SearchInts(s.starts, from) + s.most
	cut, half := s.starts[next], s.starts[next-s.most/2]
	if at := strings.LastIndexAny(s.text[half:cut], blanks); at >= 0 {
		return half + at + 1
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

// emit makes the chunk [from, to), less the blanks around it. One that is over the budget when it is tokenised alone,
// as can happen where it begins inside a word, is cut once more.
func (s *splitter) emit(sec section, from, to int) error {
	text := s.text[from:to]
	from += len(text) - len(strings.TrimLeft(text, blanks))
	text = strings.Trim(text, blanks)
	if text == "" {
		return nil
	}
	offsets, err := s.tokenizer.Offsets(text)
	if err != nil {
		return fmt.Errorf("count tokens: %w", err)
	}
	if cut := 0; len(offsets) > s.most {
		if cut = runeStart(text, offsets[s.most][0]); cut > 0 && cut < len(text) {
			if err := s.emit(sec, from, from+cut); err != nil {
				return err
			}
			return s.emit(sec, from+cut, from+len(text))
		}
	}
	s.chunks = append(s.chunks, rag.Chunk{
		Ordinal: len(s.chunks), Text: text, Headings: sec.headings, PageStart: sec.page, PageEnd: sec.page,
		Span: rag.Span{Start: s.at.runeAt(from), End: s.at.runeAt(from + len(text))}, Tokens: len(offsets),
	})
	return nil
}

const blanks = " \t\r\n"

// abbreviations end in a full stop that ends no sentence. UAX #29, which finds sentences by their punctuation, can't
// know them.
const abbreviations = " dr. mr. mrs. ms. prof. st. vs. e.g. i.e. cf. al. fig. figs. eq. sec. no. vol. pp. ed. approx. inc. ltd. co. jr. sr. "

// sentenceEnds gives where each sentence of text ends, the last at its end.
func sentenceEnds(text string) []int {
	var ends []int
	at := 0
	found := sentences.FromString(text)
	for found.Next() {
		sentence := found.Value()
		at += len(sentence)
		words := strings.Fields(sentence)
		if len(words) > 0 && at < len(text) && strings.Contains(abbreviations, " "+strings.ToLower(strings.TrimLeft(words[len(words)-1], "([\"'"))+" ") {
			continue
		}
		ends = append(ends, at)
	}
	if len(ends) == 0 || ends[len(ends)-1] < len(text) {
		ends = append(ends, len(text))
	}
	return ends
}

// lineEnds gives where each line of text ends, the last at its end.
func lineEnds(text string) []int {
	var ends []int
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] < len(text) {
		ends = append(ends, len(text))
	}
	return ends
}
