// Package answer turns hits into what an LLM reads and what it says into what a client may see: numbered passages within
// a token budget, prompts that fence retrieved text as data, and answers whose citations point to passages that were
// shown.
package answer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Context is prompt-ready text and the sources that its numbers point to.
type Context struct {
	Text      string // the passages as the prompt shows them
	Passages  []rag.Passage
	Tokens    int    // of Text
	CountedBy string // what counted them
	Truncated bool   // hits were left out or cut to stay inside the budget
}

// Counter counts tokens as an LLM would.
type Counter interface {
	Count(text string) (int, error)
	// Name says what counts, such as "o200k_base".
	Name() string
}

// Order says where the best evidence stands.
type Order string

// The orders. In both, passages of one document stand together, in the document's own order.
const (
	BestFirst Order = "best_first"
	BestLast  Order = "best_last" // nearest to the question, where that follows the passages
)

// Packing says how hits are packed.
type Packing struct {
	MaxTokens int
	Counter   Counter
	Order     Order
	// Show writes one passage as the prompt shows it.
	Show func(p rag.Passage) (string, error)
}

const (
	// cutMark stands where a passage begins or ends inside a sentence, and ends one that was cut to fit.
	cutMark = "[...]"
	// leastPassage is the smallest budget, in tokens, that a cut passage is worth.
	leastPassage = 24
	// separator stands between passages.
	separator = "\n\n"
)

// Pack takes hits, best first, with their parents in their place, until the budget is used up; joins those that are
// neighbours in one document; and puts them in order, numbered from 1 as they stand. The first hit that does not fit whole
// is cut where a sentence ends, or in a long one where a word does, and marked; with it the packing ends.
func Pack(hits []rag.Hit, o Packing) (Context, error) {
	c := Context{CountedBy: o.Counter.Name()}
	taken, truncated, err := take(hits, o)
	if err != nil {
		return Context{}, err
	}
	for c.Truncated = truncated; ; c.Truncated = true {
		c.Passages = arrange(join(slices.Clone(taken)), o.Order)
		if c.Text, err = showAll(c.Passages, o.Show); err != nil {
			return Context{}, err
		}
		if c.Tokens, err = o.Counter.Count(c.Text); err != nil {
			return Context{}, fmt.Errorf("count tokens: %w", err)
		}
		if c.Tokens <= o.MaxTokens || len(taken) == 0 {
			return c, nil
		}
		taken = taken[:len(taken)-1] // the parts were counted one by one, and tokens can differ where they meet
	}
}

// take chooses passages, best first, while they fit.
func take(hits []rag.Hit, o Packing) (taken []rag.Passage, truncated bool, err error) {
	left := o.MaxTokens
	for _, hit := range hits {
		p := passageOf(hit)
		if same := holding(taken, p); same != nil {
			same.Chunks = append(same.Chunks, p.Chunks...)
			continue
		}
		p.Number = len(taken) + 1
		cost, err := o.cost(p)
		if err != nil {
			return nil, false, err
		}
		if cost <= left {
			left -= cost
			taken = append(taken, p)
			continue
		}
		if p, err = cut(p, left, o); err != nil {
			return nil, false, err
		}
		if p.Text != "" {
			taken = append(taken, p)
		}
		return taken, true, nil
	}
	return taken, false, nil
}

// cost counts a passage as it is shown.
func (o Packing) cost(p rag.Passage) (int, error) {
	shown, err := o.Show(p)
	if err != nil {
		return 0, err
	}
	n, err := o.Counter.Count(shown + separator)
	if err != nil {
		return 0, fmt.Errorf("count tokens: %w", err)
	}
	return n, nil
}

func showAll(passages []rag.Passage, show func(rag.Passage) (string, error)) (string, error) {
	shown := make([]string, len(passages))
	for i, p := range passages {
		var err error
		if shown[i], err = show(p); err != nil {
			return "", err
		}
	}
	return strings.Join(shown, separator), nil
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

// arrange puts documents in the order of their best passage, or the other way round, the passages of each in its own
// order, and numbers them.
func arrange(passages []rag.Passage, order Order) []rag.Passage {
	place := map[rag.DocumentID]int{}
	for _, p := range passages {
		if _, seen := place[p.Document]; !seen {
			place[p.Document] = len(place)
		}
	}
	if order == BestLast {
		for d := range place {
			place[d] = -place[d]
		}
	}
	slices.SortStableFunc(passages, func(a, b rag.Passage) int {
		if a.Document != b.Document {
			return place[a.Document] - place[b.Document]
		}
		return a.Span.Start - b.Span.Start
	})
	for i := range passages {
		passages[i].Number = i + 1
	}
	return passages
}
