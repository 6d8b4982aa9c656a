package retrieve

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// Sentences is a bi-encoder's side for short texts that a query waits for.
type Sentences interface {
	// EmbedSentences embeds texts as passages. When ctx ends it gives what it has, nil for the others, with an error.
	EmbedSentences(ctx context.Context, texts []string) ([]rag.Embedding, error)
}

const (
	// mostSentences is how many sentences of all hits of a search are scored, the best hits' first.
	mostSentences = 96
	// highlightTime bounds the scoring, beside the search's deadline.
	highlightTime = 400 * time.Millisecond
	// leastSentence is the shortest sentence that is told, in characters; a shorter one says little alone.
	leastSentence = 12
	// MostHighlights bounds Shape.Highlight.
	MostHighlights = 5
)

// Highlight is a sentence of a hit.
type Highlight struct {
	Span  rag.Span // in the document's normalised text
	Text  string
	Score float64 // cosine similarity of query and sentence, -1 to 1
}

// sentence is one that waits for its score.
type sentence struct {
	hit  int
	span rag.Span
	text string
}

// highlight gives the best sentences of each hit's own text, in the order of the text, by hit. Hits of which none was scored
// in time have none, said in Result.Degraded.
func (r *Retriever) highlight(ctx context.Context, q Query, hits []rag.Hit, res *Result) [][]Highlight {
	if q.Shape.Highlight <= 0 || len(hits) == 0 {
		return nil
	}
	began := time.Now()
	defer func() { res.Timings.Highlight = time.Since(began) }()
	ctx, cancel := context.WithTimeout(ctx, highlightTime)
	defer cancel()
	all, more := sentencesOf(hits)
	vector, embeddings, err := r.embedSentences(ctx, q, all)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		r.Log.ErrorContext(ctx, "highlight", "error", err, "sentences", len(all))
	}
	if err != nil || more {
		res.Degraded = append(res.Degraded, DegradedHighlight)
	}
	out := make([][]Highlight, len(hits))
	for i, s := range all {
		if i < len(embeddings) && embeddings[i] != nil {
			out[s.hit] = append(out[s.hit], Highlight{s.span, s.text, dot(vector, embeddings[i])})
		}
	}
	for i := range out {
		out[i] = best(out[i], min(q.Shape.Highlight, MostHighlights))
	}
	return out
}

func (r *Retriever) embedSentences(ctx context.Context, q Query, all []sentence) (rag.Embedding, []rag.Embedding, error) {
	embedder, err := r.Embedder(ctx, q.Collection.BiEncoder)
	if err != nil {
		return nil, nil, err
	}
	passages, ok := embedder.(Sentences)
	if !ok {
		return nil, nil, errors.New("this bi-encoder embeds no sentences")
	}
	vector, err := embedder.EmbedQuery(ctx, q.Text)
	if err != nil {
		return nil, nil, err
	}
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = s.text
	}
	embeddings, err := passages.EmbedSentences(ctx, texts)
	return vector, embeddings, err
}

// sentencesOf lists the sentences of hits, best hit first, up to mostSentences; more says that some are left out. A hit that
// is one sentence has it told as it is.
func sentencesOf(hits []rag.Hit) (all []sentence, more bool) {
	for i, h := range hits {
		for _, at := range chunk.Sentences(h.Chunk.Text) {
			text := h.Chunk.Text[at[0]:at[1]]
			length := utf8.RuneCountInString(text)
			if length < leastSentence {
				continue
			}
			if len(all) == mostSentences {
				return all, true
			}
			start := h.Chunk.Span.Start + utf8.RuneCountInString(h.Chunk.Text[:at[0]])
			all = append(all, sentence{i, rag.Span{Start: start, End: start + length}, text})
		}
	}
	return all, false
}

// best keeps the n highlights of the highest scores, in the order of the text.
func best(all []Highlight, n int) []Highlight {
	slices.SortStableFunc(all, func(a, b Highlight) int { return cmp.Compare(b.Score, a.Score) })
	all = all[:min(n, len(all))]
	slices.SortFunc(all, func(a, b Highlight) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
	return all
}
