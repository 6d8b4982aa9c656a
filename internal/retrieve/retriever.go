package retrieve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// Embedder is a bi-encoder's query side.
type Embedder interface {
	EmbedQuery(ctx context.Context, text string) (rag.Embedding, error)
}

// Index finds the chunks nearest to a vector, best first. A collection with nothing indexed has none.
type Index interface {
	Search(ctx context.Context, c rag.Collection, vector rag.Embedding, limit int, f *rag.Filter) ([]rag.Candidate, error)
}

// Scorer is a cross-encoder. Score reads passages in the order given; out of time it gives what it has, with an error.
type Scorer interface {
	Score(ctx context.Context, p encode.Pairs) (encode.Scores, error)
}

// Live reads chunks from the catalog, only those whose version search may return, as hits without scores.
type Live interface {
	LiveHits(ctx context.Context, c rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error)
}

// Retriever answers queries.
type Retriever struct {
	Embedder   func(ctx context.Context, biEncoder string) (Embedder, error) // opens a collection's bi-encoder
	Index      Index
	TermIndex  TermIndex
	Vocabulary Vocabulary
	Lexical    *lexical.Analyzer
	Live       Live
	Scorer     Scorer
	Log        *slog.Logger
}

const (
	// answerReserve is the part of a query's deadline kept for what follows reranking.
	answerReserve = 10 * time.Millisecond
	// maxFetch bounds how many candidates one search asks the index for, dead ones included.
	maxFetch = 1000
)

// Search finds the hits for q, best first. It fails only where there is nothing to give: a reranker that fails or runs
// out of time leaves the first stage's order, said in Result.Degraded.
func (r *Retriever) Search(ctx context.Context, q Query) (Result, error) {
	start := time.Now()
	deadline := start.Add(q.Deadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()

	var res Result
	if q.Collection.Rebuilding {
		res.Degraded = append(res.Degraded, DegradedRebuilding)
	}
	hits, err := r.firstStage(ctx, q, &res)
	if err != nil {
		return Result{}, err
	}
	res.Candidates, res.RankedBy = len(hits), rankedBy(q.Mode, hits)
	if q.Rerank && len(hits) > 0 {
		began := time.Now()
		hits = r.rerank(ctx, q, hits, deadline, &res)
		res.Timings.Rerank = time.Since(began)
	}
	res.Hits = hits[:min(q.TopK, len(hits))]
	res.Timings.Total = time.Since(start)
	return res, nil
}

// rerank scores hits with the cross-encoder in the time left, most promising first, and orders them by the blend.
func (r *Retriever) rerank(ctx context.Context, q Query, hits []rag.Hit, deadline time.Time, res *Result) []rag.Hit {
	deadline = deadline.Add(-answerReserve)
	if own := time.Now().Add(q.RerankTime); q.RerankTime > 0 && own.Before(deadline) {
		deadline = own
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	passages := make([]string, len(hits))
	for i, h := range hits {
		passages[i] = h.Chunk.Shown()
	}
	scores, err := r.Scorer.Score(ctx, encode.Pairs{Query: q.Text, Passages: passages, Sure: q.Sure, Enough: enough(hits, q.TopK, q.Tolerance)})
	res.Reranked = scores.Count
	switch {
	case err == nil:
		res.Ended = endedBy(scores)
	case errors.Is(err, context.DeadlineExceeded):
		res.Ended = EndedDeadline
		if scores.Count < min(q.TopK, len(hits)) {
			res.Degraded = append(res.Degraded, DegradedRerankDeadline)
		}
	case errors.Is(err, context.Canceled):
		return hits // the client is gone
	default:
		r.Log.ErrorContext(ctx, "rerank", "error", err, "candidates", len(hits))
		res.Degraded = append(res.Degraded, DegradedRerankFailed)
		return hits
	}
	if scores.Count == 0 {
		return hits
	}
	res.RankedBy = rag.RankedByBlend
	return blend(hits, scores.Logits, scores.Scored)
}

// endedBy says why reranking that did not fail ended.
func endedBy(s encode.Scores) string {
	switch {
	case s.Enough:
		return EndedEnough
	case s.Busy:
		return EndedBusy
	}
	return EndedAll
}
