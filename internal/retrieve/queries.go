package retrieve

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// wording is one text that a search looks for, and the question that the cross-encoder reads what it finds with.
type wording struct {
	search  string
	read    string
	passage bool // search is written as a passage, not as a question
}

// wordings makes of a query all texts that are searched, and settles q.Text: of a conversation, of several queries the first
// one. An LLM that fails leaves the texts that need none, said in Result.Degraded.
func (r *Retriever) wordings(ctx context.Context, q *Query, res *Result) ([]wording, error) {
	if err := r.needsLLM(*q); err != nil {
		return nil, err
	}
	began := time.Now()
	if len(q.Turns) > 0 {
		text, err := r.standalone(ctx, *q, res)
		if err != nil {
			return nil, err
		}
		q.Text, res.QueryUsed = text, text
	}
	if len(q.Queries) > 0 {
		q.Text = q.Queries[0]
	}
	all := []wording{{search: q.Text, read: q.Text}}
	for _, text := range q.Queries[min(1, len(q.Queries)):] {
		if !slices.ContainsFunc(all, func(w wording) bool { return w.search == text }) {
			all = append(all, wording{search: text, read: text})
		}
	}
	for _, task := range []struct {
		wanted bool
		Rewriting
	}{
		{q.Hypothesis, Rewriting{Task: TaskHypothesis, Query: q.Text, Count: 1}},
		{q.Variants > 0, Rewriting{Task: TaskVariants, Query: q.Text, Count: q.Variants}},
	} {
		if !task.wanted {
			continue
		}
		texts, err := r.rewritten(ctx, task.Rewriting)
		if err != nil {
			r.Log.WarnContext(ctx, "rewrite", "error", err, "task", task.Task)
			res.Degraded = append(res.Degraded, DegradedRewrite)
		}
		for _, text := range texts {
			all = append(all, wording{search: text, read: q.Text, passage: task.Task == TaskHypothesis})
		}
	}
	if r.Rewriter != nil {
		res.Timings.Rewrite = time.Since(began)
	}
	for _, w := range all[1:] {
		res.Queries = append(res.Queries, w.search)
	}
	return all, nil
}

// pool searches every wording at once and fuses what they find by rank: reciprocal rank fusion, as of
// the sides of a hybrid search. A candidate keeps the scores of the wording that ranks it best, the earlier one of two, and is read with
// that wording's question: reads gives it where there are several.
func (r *Retriever) pool(ctx context.Context, q Query, all []wording, res *Result) (hits []rag.Hit, reads map[rag.ChunkID]string, err error) {
	if len(all) == 1 {
		hits, err = r.firstStage(ctx, q, res)
		return hits, nil, err
	}
	lists := make([][]rag.Hit, len(all))
	results := make([]Result, len(all))
	failures := make([]error, len(all))
	var wg sync.WaitGroup
	for i, w := range all {
		own := q
		own.Text, own.passage = w.search, w.passage
		wg.Go(func() { lists[i], failures[i] = r.firstStage(ctx, own, &results[i]) })
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		if ctx.Err() != nil || !slices.Contains(failures, nil) {
			return nil, nil, err
		}
		r.Log.ErrorContext(ctx, "search several queries", "error", err, "queries", len(all))
		res.Degraded = append(res.Degraded, DegradedQueryFailed)
	}
	for _, one := range results {
		t := one.Timings
		res.Timings.Embed, res.Timings.Search, res.Timings.Live = max(res.Timings.Embed, t.Embed), max(res.Timings.Search, t.Search), max(res.Timings.Live, t.Live)
		res.Timings.Lexical = max(res.Timings.Lexical, t.Lexical)
		for _, reason := range one.Degraded {
			if !slices.Contains(res.Degraded, reason) {
				res.Degraded = append(res.Degraded, reason)
			}
		}
	}
	hits, reads = fused(lists, all)
	return hits[:min(len(hits), max(q.Candidates, q.TopK))], reads, nil
}

// fused merges lists, best first; equal sums keep the order of the first list that has them.
func fused(lists [][]rag.Hit, all []wording) ([]rag.Hit, map[rag.ChunkID]string) {
	sums := map[rag.ChunkID]float64{}
	bestRank := map[rag.ChunkID]int{}
	at := map[rag.ChunkID]int{}
	reads := map[rag.ChunkID]string{}
	var hits []rag.Hit
	for n, list := range lists {
		for i, h := range list {
			id := h.Chunk.ID
			sums[id] += 1 / float64(rrfK+i+1)
			place, seen := at[id]
			switch {
			case !seen:
				at[id], bestRank[id], reads[id] = len(hits), i, all[n].read
				hits = append(hits, h)
			case i < bestRank[id]:
				bestRank[id], reads[id], hits[place] = i, all[n].read, h
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b rag.Hit) int { return cmp.Compare(sums[b.Chunk.ID], sums[a.Chunk.ID]) })
	return hits, reads
}

// score has the cross-encoder read every hit, each with its own question where there are several. The questions share the
// encoder; together they read in the order of the hits.
func (r *Retriever) score(ctx context.Context, q Query, hits []rag.Hit, reads map[rag.ChunkID]string) (encode.Scores, error) {
	questions := []string{q.Text}
	places := map[string][]int{}
	for i, h := range hits {
		question := q.Text
		if read, ok := reads[h.Chunk.ID]; ok {
			question = read
		}
		if !slices.Contains(questions, question) {
			questions = append(questions, question)
		}
		places[question] = append(places[question], i)
	}
	if len(places[q.Text]) == len(hits) {
		passages := passagesOf(hits, places[q.Text])
		return r.Scorer.Score(ctx, encode.Pairs{Query: q.Text, Passages: passages, Sure: q.Sure, Enough: enough(hits, q.TopK, q.Tolerance, q.Blending)})
	}
	all := encode.Scores{Logits: make([]float32, len(hits)), Scored: make([]bool, len(hits))}
	parts := make([]encode.Scores, len(questions))
	failures := make([]error, len(questions))
	var wg sync.WaitGroup
	for n, question := range questions {
		if own := places[question]; len(own) > 0 {
			sure := 0
			if q.Sure > 0 { // its share of the first ones
				sure = max(1, slices.IndexFunc(append(own, len(hits)), func(i int) bool { return i >= q.Sure || i == len(hits) }))
			}
			wg.Go(func() {
				parts[n], failures[n] = r.Scorer.Score(ctx, encode.Pairs{Query: question, Passages: passagesOf(hits, own), Sure: sure})
			})
		}
	}
	wg.Wait()
	for n, question := range questions {
		for i, place := range places[question] {
			if i < len(parts[n].Scored) && parts[n].Scored[i] {
				all.Logits[place], all.Scored[place] = parts[n].Logits[i], true
			}
		}
		all.Count += parts[n].Count
		all.Kept += parts[n].Kept
		all.Busy = all.Busy || parts[n].Busy
	}
	return all, errors.Join(failures...)
}

func passagesOf(hits []rag.Hit, places []int) []string {
	passages := make([]string, len(places))
	for i, place := range places {
		passages[i] = hits[place].Chunk.Shown()
	}
	return passages
}
