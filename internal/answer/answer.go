// Package answer packs hits into numbered passages within a token budget, ready for an LLM's prompt.
package answer

import (
	"fmt"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Context is prompt-ready text and the sources that its numbers point to.
type Context struct {
	Text      string // the passages, each under its number
	Passages  []rag.Passage
	Tokens    int  // of Text, counted by the collection's bi-encoder's tokenizer
	Truncated bool // hits were left out or cut to stay inside the budget
}

// Tokenizer gives the byte offsets of every token of a text, without special tokens.
type Tokenizer interface {
	Offsets(text string) ([][2]int, error)
}

const (
	// cutMark ends a passage that was cut to fit.
	cutMark = " [...]"
	// leastPassage is the smallest budget, in tokens, that a cut passage is worth.
	leastPassage = 24
	// separator stands between passages.
	separator = "\n\n"
)

// Pack takes hits, best first, with their parents in their place, until maxTokens is used up, joins those that are neighbours in one document, and numbers
// the passages from 1 in the order of their best hit. The first hit that does not fit whole is cut where a word ends
// and marked; with it the packing ends.
func Pack(hits []rag.Hit, maxTokens int, t Tokenizer) (Context, error) {
	var c Context
	left := maxTokens
	for i, hit := range hits {
		p := passageOf(hit)
		if same := holding(c.Passages, p); same != nil {
			same.Chunks = append(same.Chunks, p.Chunks...)
			continue
		}
		p.Number = i + 1
		cost, err := count(t, render(p)+separator)
		if err != nil {
			return Context{}, err
		}
		if cost > left {
			c.Truncated = true
			if p, err = cut(p, left, t); err != nil {
				return Context{}, err
			}
			if p.Text != "" {
				c.Passages = append(c.Passages, p)
			}
			break
		}
		left -= cost
		c.Passages = append(c.Passages, p)
	}
	c.Passages = join(c.Passages)
	rendered := make([]string, len(c.Passages))
	for i := range c.Passages {
		c.Passages[i].Number = i + 1
		rendered[i] = render(c.Passages[i])
	}
	c.Text = strings.Join(rendered, separator)
	var err error
	c.Tokens, err = count(t, c.Text)
	return c, err
}

// holding gives the passage that is the same stretch of a document: chunks of one parent bring it once.
func holding(passages []rag.Passage, p rag.Passage) *rag.Passage {
	for i := range passages {
		if passages[i].Document == p.Document && passages[i].Span == p.Span {
			return &passages[i]
		}
	}
	return nil
}

// passageOf shows a hit, or its parent in its place.
func passageOf(h rag.Hit) rag.Passage {
	p := rag.Passage{
		ExternalID: h.ExternalID, Document: h.Document, Chunks: []rag.ChunkID{h.Chunk.ID},
		Title: h.Title, Filename: h.Filename, Headings: h.Chunk.Headings,
		PageStart: h.Chunk.PageStart, PageEnd: h.Chunk.PageEnd, Span: h.Chunk.Span,
		Header: h.Chunk.Header, Text: h.Chunk.Text, Metadata: h.Metadata,
	}
	if parent := h.Chunk.Parent; parent != nil {
		p.Span, p.Header, p.Text = parent.Span, parent.Header, parent.Text
		if parent.PageStart > 0 {
			p.PageStart, p.PageEnd = parent.PageStart, parent.PageEnd
		}
	}
	return p
}

// render writes a passage as the prompt shows it: a line with number, title, pages and section, then the text.
func render(p rag.Passage) string {
	head := fmt.Sprintf("[%d]", p.Number)
	name := p.Title
	if name == "" {
		name = p.Filename
	}
	if name == "" {
		name = p.ExternalID
	}
	head += " " + name
	switch {
	case p.PageStart > 0 && p.PageEnd > p.PageStart:
		head += fmt.Sprintf(", pages %d-%d", p.PageStart, p.PageEnd)
	case p.PageStart > 0:
		head += fmt.Sprintf(", page %d", p.PageStart)
	}
	if len(p.Headings) > 0 {
		head += " (" + strings.Join(p.Headings, " > ") + ")"
	}
	return head + "\n" + strings.TrimSpace(p.Shown())
}

// cut shortens a passage to a budget of tokens; its text is empty when nothing worthwhile fits.
func cut(p rag.Passage, budget int, t Tokenizer) (rag.Passage, error) {
	bare := p
	bare.Text = cutMark
	overhead, err := count(t, render(bare)+separator)
	if err != nil {
		return p, err
	}
	offsets, err := t.Offsets(p.Text)
	if err != nil {
		return p, fmt.Errorf("count tokens: %w", err)
	}
	room := min(budget-overhead, len(offsets)-1)
	if room < leastPassage {
		p.Text = ""
		return p, nil
	}
	end := strings.LastIndexAny(p.Text[:offsets[room][0]], " \n\t")
	if end <= 0 {
		end = offsets[room][0]
	}
	kept := strings.TrimRight(p.Text[:end], " \n\t")
	p.Span.End = p.Span.Start + len([]rune(kept))
	p.Text, p.Truncated = kept+cutMark, true
	return p, nil
}

func count(t Tokenizer, text string) (int, error) {
	offsets, err := t.Offsets(text)
	if err != nil {
		return 0, fmt.Errorf("count tokens: %w", err)
	}
	return len(offsets), nil
}
