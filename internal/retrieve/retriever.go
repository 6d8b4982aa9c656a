package retrieve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redkite/redkite/internal/encode"
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
	Embedder func(ctx context.Context, biEncoder string) (Embedder, error) // opens a collection's bi-encoder
	Index    Index
	Live     Live
	Scorer   Scorer
	Log      *slog.Logger
}

const (
	// answerReserve is the part of a query's deadline kept for what follows reranking.
	answerReserve = 10 * time.Millisecond
	// maxFetch bounds how many candidates one search asks the index for, dead ones included.
	maxFetch = 1000
)

// Search finds the hits for q, best first. It fails only where there is nothing to give: a reranker that fails or runs
// out of time leaves the bi-encoder's order, said in Result.Degraded.
func (r *Retriever) Search(ctx context.Context, q Query) (Result, error) {
	start := time.Now()
	deadline := start.Add(q.Deadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()

	var res Result
	if q.Collection.Rebuilding {
		res.Degraded = append(res.Degraded, DegradedRebuilding)
	}
	embedder, err := r.Embedder(ctx, q.Collection.BiEncoder)
	if err != nil {
		return Result{}, fmt.Errorf("open bi-encoder: %w", err)
	}
	vector, err := embedder.EmbedQuery(ctx, q.Text)
	if err != nil {
		return Result{}, fmt.Errorf("embed query: %w", err)
	}
	res.Timings.Embed = time.Since(start)

	hits, err := r.candidates(ctx, q, vector, &res.Timings)
	if err != nil {
		return Result{}, err
	}
	res.Candidates, res.RankedBy = len(hits), rag.RankedByDense
	if q.Rerank && len(hits) > 0 {
		began := time.Now()
		hits = r.rerank(ctx, q, hits, deadline, &res)
		res.Timings.Rerank = time.Since(began)
	}
	res.Hits = hits[:min(q.TopK, len(hits))]
	res.Timings.Total = time.Since(start)
	return res, nil
}

// candidates searches the index and keeps what the catalog says is live. Where dead rows took places (a replaced or
// deleted document whose rows are not yet removed) it asks for more; where documents changed meanwhile, once more.
func (r *Retriever) candidates(ctx context.Context, q Query, vector rag.Embedding, t *Timings) ([]rag.Hit, error) {
	want := max(q.Candidates, q.TopK)
	limit := want
	var before liveness
	for looks := 1; ; looks++ {
		began := time.Now()
		found, err := r.Index.Search(ctx, q.Collection, vector, limit, q.Filter)
		if err != nil {
			return nil, fmt.Errorf("search collection %s: %w", q.Collection.Name, err)
		}
		searched := time.Now()
		t.Search += searched.Sub(began)

		hits, ids, alive, err := r.live(ctx, q.Collection.ID, found)
		if err != nil {
			return nil, err
		}
		t.Live += time.Since(searched)

		dead := len(found) - len(hits)
		switch {
		case dead > 0 && len(hits) < want && len(found) >= limit && limit < maxFetch:
			limit = min(maxFetch, 2*(limit+dead))
		case looks >= maxLooks || before.settled(began, alive, ids):
			return hits[:min(want, len(hits))], nil
		}
		before = look(alive, ids)
	}
}

// live turns candidates into hits in the same order, leaving out what the catalog does not vouch for.
func (r *Retriever) live(ctx context.Context, c rag.CollectionID, found []rag.Candidate) (hits []rag.Hit, ids []rag.ChunkID, alive map[rag.ChunkID]rag.Hit, err error) {
	if len(found) == 0 {
		return nil, nil, nil, nil
	}
	ids = make([]rag.ChunkID, len(found))
	for i, f := range found {
		ids[i] = f.Chunk
	}
	if alive, err = r.Live.LiveHits(ctx, c, ids); err != nil {
		return nil, nil, nil, fmt.Errorf("read %d candidates: %w", len(ids), err)
	}
	hits = make([]rag.Hit, 0, len(found))
	for _, f := range found {
		hit, ok := alive[f.Chunk]
		if !ok {
			continue
		}
		score := float64(f.Score)
		hit.Scores.Dense = &score
		hit.DenseRank, hit.RankedBy = len(hits)+1, rag.RankedByDense
		hits = append(hits, hit)
	}
	return hits, ids, alive, nil
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
