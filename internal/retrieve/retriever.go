package retrieve

import (
	"context"
	"errors"
	"fmt"
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
	TermIndex  TermIndex // for modes lexical and hybrid, as Vocabulary and Lexical
	Vocabulary Vocabulary
	Lexical    *lexical.Analyzer
	Live       Live
	Scorer     Scorer
	Vectors    Vectors      // for Shape.Diversity
	Around     Surroundings // for Shape.Neighbours and Shape.Section
	Texts      Texts        // for them, too; nil joins chunks
	Rewriter   Rewriter     // an LLM; nil where none is configured
	// Clips reports whether a bi-encoder does not read a query to its end; nil never asks.
	Clips func(ctx context.Context, biEncoder, text string) (bool, error)
	// Calibration is Scorer's; nil where none is known, and relevance is then no probability.
	Calibration *rag.Calibration
	Log         *slog.Logger
}

const (
	// answerReserve is the part of a query's deadline kept for what follows reranking.
	answerReserve = 10 * time.Millisecond
	// maxFetch bounds how many candidates one search asks the index for, dead ones included.
	maxFetch = 1000
	// leastClipped is the shortest query, in bytes, whose tokens are counted: no encoder reads fewer.
	leastClipped = 256
)

// Search finds the hits for q, best first. It fails only where there is nothing to give: a reranker that fails or runs
// out of time leaves the first stage's order, said in Result.Degraded.
func (r *Retriever) Search(ctx context.Context, q Query) (Result, error) {
	start := time.Now()
	deadline := start.Add(q.Deadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()

	res := Result{Calibrated: r.Calibration != nil}
	q.Blending = q.Blending.settled()
	if q.Collection.Rebuilding {
		res.Degraded = append(res.Degraded, DegradedRebuilding)
	}
	if q.Cursor != "" {
		if err := r.resume(ctx, q, &res); err != nil {
			return Result{}, err
		}
		res.Timings.Total = time.Since(start)
		return res, nil
	}
	all, err := r.wordings(ctx, &q, &res)
	if err != nil {
		return Result{}, err
	}
	hits, reads, err := r.pool(ctx, q, all, &res)
	if err != nil {
		return Result{}, err
	}
	r.clipped(ctx, q, all, &res)
	res.Candidates, res.RankedBy = len(hits), rankedBy(q.Mode, hits)
	if q.Rerank && len(hits) > 0 {
		began := time.Now()
		hits = r.rerank(ctx, q, hits, reads, deadline, &res)
		calibrate(hits, r.Calibration)
		res.Timings.Rerank = time.Since(began)
	}
	r.shape(ctx, q, hits, reads, &res)
	res.Timings.Total = time.Since(start)
	return res, nil
}

// embed gives the vector of q.Text.
func (r *Retriever) embed(ctx context.Context, q Query) (rag.Embedding, error) {
	embedder, err := r.Embedder(ctx, q.Collection.BiEncoder)
	if err != nil {
		return nil, fmt.Errorf("open bi-encoder: %w", err)
	}
	if passages, ok := embedder.(Sentences); ok && q.passage {
		vectors, err := passages.EmbedSentences(ctx, []string{q.Text})
		if err != nil {
			return nil, fmt.Errorf("embed hypothesis: %w", err)
		}
		return vectors[0], nil
	}
	vector, err := embedder.EmbedQuery(ctx, q.Text)
	if err != nil {
		return nil, fmt.Errorf("embed query: %w", err)
	}
	return vector, nil
}

// clipped says in the result that the bi-encoder has not read a query to its end.
func (r *Retriever) clipped(ctx context.Context, q Query, all []wording, res *Result) {
	if r.Clips == nil {
		return
	}
	for _, w := range all {
		if len(w.search) < leastClipped {
			continue
		}
		if over, err := r.Clips(ctx, q.Collection.BiEncoder, w.search); err == nil && over {
			res.Degraded = append(res.Degraded, DegradedClipped)
			return
		}
	}
}

// rerank scores hits with the cross-encoder in the time left, most promising first, and orders them by the blend.
func (r *Retriever) rerank(ctx context.Context, q Query, hits []rag.Hit, reads map[rag.ChunkID]string, deadline time.Time, res *Result) []rag.Hit {
	deadline = deadline.Add(-reserved(q))
	if own := time.Now().Add(q.RerankTime); q.RerankTime > 0 && own.Before(deadline) {
		deadline = own
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	scores, err := r.score(ctx, q, hits, reads)
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
	return blend(hits, scores.Logits, scores.Scored, q.Blending)
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
