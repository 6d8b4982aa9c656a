package answer

import (
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// join merges passages that touch or overlap in one section of one document. A merged passage stands where the better
// of its parts stood, so the order stays that of the best hits.
func join(passages []rag.Passage) []rag.Passage {
	joined := make([]rag.Passage, 0, len(passages))
	for _, p := range passages {
		at := len(joined)
		for i := 0; i < len(joined); i++ {
			if !adjacent(joined[i], p) {
				continue
			}
			p, at = merge(joined[i], p), min(at, i)
			joined = slices.Delete(joined, i, i+1)
			i = -1 // the longer passage may touch one that its parts did not
		}
		joined = slices.Insert(joined, at, p)
	}
	return joined
}

// adjacent reports whether two passages are of one section of one document with nothing but a paragraph break between.
func adjacent(a, b rag.Passage) bool {
	if a.Document != b.Document || a.Truncated || b.Truncated || !slices.Equal(a.Headings, b.Headings) {
		return false
	}
	if a.Span.Start > b.Span.Start {
		a, b = b, a
	}
	return b.Span.Start <= a.Span.End+len(separator)
}

// merge joins two adjacent passages in document order.
func merge(a, b rag.Passage) rag.Passage {
	if a.Span.Start > b.Span.Start {
		a, b = b, a
	}
	text := []rune(b.Text)
	switch overlap := a.Span.End - b.Span.Start; {
	case overlap >= len(text):
		text = nil
	case overlap > 0:
		text = text[overlap:]
	case overlap < 0:
		text = append([]rune(separator[:min(-overlap, len(separator))]), text...) // as long as what stands between
	}
	a.Text += string(text)
	a.Chunks = append(slices.Clone(a.Chunks), b.Chunks...)
	a.Span.End = max(a.Span.End, b.Span.End)
	a.PageEnd = max(a.PageEnd, b.PageEnd)
	return a
}
