package retrieve

import (
	"context"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Vectors gives the embeddings of chunks as the index holds them; those that it has not are left out.
type Vectors interface {
	Embeddings(ctx context.Context, c rag.Collection, ids []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error)
}

const (
	// mostDiversified is how many of the first hits are reordered; each choice looks at all of them.
	mostDiversified = 200
	// diversityTime bounds the reading of their embeddings.
	diversityTime = 500 * time.Millisecond
)

// diversify orders hits by maximal marginal relevance (Carbonell and Goldstein 1998): each place goes to the hit with the
// greatest lambda*relevance - (1-lambda)*likeness to the most alike hit before it. Relevance is the place in the ranked
// list, from 1 for the first to 0 for the last: it is there for every hit, whatever has ranked it. Without embeddings the
// order stays, said in Result.Degraded.
func (r *Retriever) diversify(ctx context.Context, q Query, hits []rag.Hit, res *Result) []rag.Hit {
	if q.Shape.Diversity == nil || len(hits) < 3 {
		return hits
	}
	first := hits[:min(mostDiversified, len(hits))]
	ids := make([]rag.ChunkID, len(first))
	for i, h := range first {
		ids[i] = h.Chunk.ID
	}
	limited, cancel := context.WithTimeout(ctx, diversityTime)
	defer cancel()
	vectors, err := r.vectors(limited, q.Collection, ids)
	if err != nil {
		if ctx.Err() == nil {
			r.Log.WarnContext(ctx, "diversify", "error", err, "hits", len(ids))
		}
		res.Degraded = append(res.Degraded, DegradedDiversity)
		return hits
	}
	out := make([]rag.Hit, 0, len(hits))
	for _, i := range marginal(first, vectors, *q.Shape.Diversity) {
		out = append(out, first[i])
	}
	return append(out, hits[len(first):]...)
}

func (r *Retriever) vectors(ctx context.Context, c rag.Collection, ids []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error) {
	if r.Vectors == nil {
		return nil, fmt.Errorf("read %d embeddings: there is no index of vectors", len(ids))
	}
	vectors, err := r.Vectors.Embeddings(ctx, c, ids)
	if err == nil && len(vectors) == 0 {
		err = fmt.Errorf("read %d embeddings: none is there", len(ids))
	}
	return vectors, err
}

// marginal gives the order of hits by maximal marginal relevance. One without an embedding is like no other.
func marginal(hits []rag.Hit, vectors map[rag.ChunkID]rag.Embedding, lambda float64) []int {
	n := len(hits)
	order := make([]int, 0, n)
	likeness := make([]float64, n) // to the most alike hit that has a place; 0 before there is one
	taken := make([]bool, n)
	for len(order) < n {
		best, most := -1, 0.0
		for i := range hits {
			if taken[i] {
				continue
			}
			relevance := 1 - float64(i)/float64(max(1, n-1))
			if value := lambda*relevance - (1-lambda)*likeness[i]; best < 0 || value > most {
				best, most = i, value
			}
		}
		taken[best] = true
		order = append(order, best)
		for i := range hits {
			if !taken[i] {
				likeness[i] = max(likeness[i], dot(vectors[hits[i].Chunk.ID], vectors[hits[best].Chunk.ID]))
			}
		}
	}
	return order
}

// dot is the cosine of two unit vectors; 0 where one is missing.
func dot(a, b rag.Embedding) float64 {
	if len(a) != len(b) {
		return 0
	}
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
