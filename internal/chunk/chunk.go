// Package chunk cuts parsed documents into the texts that get one embedding each. It is pure: no I/O, no clock.
//
// Structure comes first. A chunk never crosses a page, and with the default strategy no section: blocks stay whole where
// they fit, a block that is too big is cut between sentences (between lines for tables, lists and code), and only a
// sentence that is too big is cut between tokens. Each chunk's text is exactly the slice of the document's text that its
// span names; the header of a table that goes on stands beside it.
package chunk

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// Tokenizer gives the byte offsets of every token of a text, without special tokens.
type Tokenizer interface {
	Offsets(text string) ([][2]int, error)
}

// Split cuts a parsed document. Headings are carried as each chunk's path; they stand in its text only where it holds
// more than one section. A document without any text is a rag.Problem of code "empty".
func Split(p rag.Parsed, o rag.Chunking, t Tokenizer) ([]rag.Chunk, error) {
	s, err := newSplitter(p.Text, o, t)
	if err != nil {
		return nil, err
	}
	var all []section
	switch o.Strategy {
	case rag.StrategyTokens, rag.StrategySentences, rag.StrategyPage:
		all = pages(p)
	default:
		all = s.merged(sections(p), o.MinTokens)
	}
	for _, sec := range all {
		if err := s.split(sec, o); err != nil {
			return nil, err
		}
	}
	if len(s.chunks) == 0 {
		return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "the document holds no text to search"}
	}
	return s.chunks, nil
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
		tokens, err := count(t, g.Text)
		if err != nil {
			return nil, err
		}
		if tokens > most {
			return nil, rag.Invalid(pointer, "chunk %d has %d tokens, and the bi-encoder reads at most %d; cut it smaller", i, tokens, most)
		}
		runes := utf8.RuneCountInString(g.Text)
		chunks = append(chunks, rag.Chunk{
			Ordinal: i, Text: g.Text, Headings: g.Headings, PageStart: g.Page, PageEnd: g.Page,
			Span: rag.Span{Start: at, End: at + runes}, Tokens: tokens,
		})
		at += runes + len(Separator)
	}
	if len(chunks) == 0 {
		return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "the document holds no chunk"}
	}
	return chunks, nil
}

func count(t Tokenizer, text string) (int, error) {
	offsets, err := t.Offsets(text)
	if err != nil {
		return 0, fmt.Errorf("count tokens: %w", err)
	}
	return len(offsets), nil
}
