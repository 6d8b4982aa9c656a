package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Asked is what one configuration gave for one query.
type Asked struct {
	Items    []string           `json:"items"`  // what the first hits stand for, each once, best first, at most ten
	Chunks   []int64            `json:"chunks"` // of the first hits, at most ten
	Measures map[string]float64 `json:"measures"`
	Reranked int                `json:"reranked"`
	Ended    string             `json:"rerank_ended,omitempty"`
	Degraded []string           `json:"degraded,omitempty"`
	Late     bool               `json:"late,omitempty"` // there was no answer within the deadline
	Millis   map[string]float64 `json:"ms"`             // by stage, and "request" as the client saw it
}

// Result is what one configuration gave.
type Result struct {
	Configuration
	Summary
	Queries []Asked `json:"queries"` // in the set's order
}

// Summary sums a result up.
type Summary struct {
	Measures    map[string]Interval  `json:"measures"`
	Differences map[string]Interval  `json:"differences,omitempty"` // to the first configuration, of the same queries
	Latency     map[string]Quantiles `json:"latency_ms"`
	Reranked    float64              `json:"reranked"` // candidates that the cross-encoder read, a query
	Degraded    int                  `json:"degraded"` // queries that were answered with something missing
	Late        int                  `json:"late"`     // queries that had no answer within the deadline
}

// Passage is a text that a hit showed.
type Passage struct {
	DocumentID string `json:"document_id"`
	Title      string `json:"title,omitempty"`
	Text       string `json:"text"`
}

// keptHits is how many hits of a query a run keeps.
const keptHits = 10

// keptText is how much of a passage a run keeps, in characters.
const keptText = 600

// defaultHits is how many hits a request gets that does not say.
const defaultHits = 10

// Survey asks queries under several configurations.
type Survey struct {
	Set            Dataset
	Configurations []Configuration
	Measures       []Measure
	Searcher       Searcher
	Seed           uint64
	SkipRefused    bool            // leave out a configuration that the server refuses, and tell of it
	Asked          func(ids int)   // told after each query; nil for nobody
	Refused        func(err error) // told of a configuration that is left out
}

// Run asks every query under every configuration, one request at a time, and sums up. The configurations take turns
// within each query, and who begins changes from query to query: what else the machine does, and what the server keeps
// from one request to the next, then falls on all of them alike.
func (s Survey) Run(ctx context.Context) ([]Result, map[int64]Passage, error) {
	accepted, err := s.accepted(ctx)
	if err != nil {
		return nil, nil, err
	}
	results := make([]Result, len(accepted))
	for i, c := range accepted {
		results[i] = Result{Configuration: c, Queries: make([]Asked, len(s.Set.Queries))}
	}
	passages := map[int64]Passage{}
	for n, q := range s.Set.Queries {
		for turn := range results {
			r := &results[(n+turn)%len(results)]
			answer, err := s.Searcher.Search(ctx, r.Request.With(q.Text))
			late := errors.Is(err, ErrLate)
			if err != nil && !late {
				return nil, nil, fmt.Errorf("query %s, configuration %s: %w", q.ID, r.Name, err)
			}
			r.Queries[n] = s.judge(q.ID, r.Request, answer)
			r.Queries[n].Late = late
			keep(passages, answer)
		}
		if s.Asked != nil {
			s.Asked(n + 1)
		}
	}
	Summarise(results, s.Seed)
	return results, passages, nil
}

// accepted gives the configurations that the server takes, having asked the first query under each: which warms the
// server up, too.
func (s Survey) accepted(ctx context.Context) ([]Configuration, error) {
	if err := DistinctNames(s.Configurations); err != nil {
		return nil, err
	}
	var out []Configuration
	for _, c := range s.Configurations {
		_, err := s.Searcher.Search(ctx, c.Request.With(s.Set.Queries[0].Text))
		switch {
		case err == nil, errors.Is(err, ErrLate):
			out = append(out, c)
		case !errors.Is(err, ErrRefused):
			return nil, fmt.Errorf("configuration %s: %w", c.Name, err)
		case !s.SkipRefused:
			return nil, fault("configuration "+c.Name, 0, "%v", err)
		case s.Refused != nil:
			s.Refused(fmt.Errorf("configuration %s is left out: %w", c.Name, err))
		}
	}
	if len(out) == 0 {
		return nil, fault("configurations", 0, "the server refuses all of them")
	}
	return out, nil
}

// judge measures one answer. A measure that looks deeper than the hits that were asked for says nothing and is left out.
func (s Survey) judge(query string, r Request, a Answer) Asked {
	items := s.Set.Items(query, a.Hits)
	asked := Asked{
		Items: items[:min(keptHits, len(items))], Measures: map[string]float64{}, Reranked: a.Reranked, Ended: a.Ended, Degraded: a.Degraded,
		Millis: map[string]float64{"request": a.Took},
	}
	for stage, ms := range a.Timings {
		asked.Millis[stage] = ms
	}
	for _, h := range a.Hits[:min(keptHits, len(a.Hits))] {
		asked.Chunks = append(asked.Chunks, h.ChunkID)
	}
	for _, m := range s.Measures {
		if m.Depth <= int(r.Number("top_k", defaultHits)) {
			asked.Measures[m.Name] = m.Of(items, s.Set.Relevant[query])
		}
	}
	return asked
}

// keep notes the texts of the first hits.
func keep(passages map[int64]Passage, a Answer) {
	for _, h := range a.Hits[:min(keptHits, len(a.Hits))] {
		if _, known := passages[h.ChunkID]; !known {
			text := []rune(h.Text)
			passages[h.ChunkID] = Passage{DocumentID: h.DocumentID, Title: h.Title, Text: string(text[:min(keptText, len(text))])}
		}
	}
}

// Summarise computes the sums of results of the same queries; the first is what the others are compared with.
func Summarise(results []Result, seed uint64) {
	for i := range results {
		r := &results[i]
		r.Summary = Summary{Measures: map[string]Interval{}, Latency: map[string]Quantiles{}}
		var names []string
		var series [][]float64
		for _, name := range measuresOf(*r) {
			names = append(names, name)
			series = append(series, r.Series(name))
		}
		own := len(names)
		for _, name := range names[:own] {
			if i > 0 && slices.Contains(measuresOf(results[0]), name) {
				names = append(names, name)
				series = append(series, minus(r.Series(name), results[0].Series(name)))
			}
		}
		intervals := Bootstrap(series, seed)
		if i > 0 {
			r.Differences = map[string]Interval{}
		}
		for n, name := range names {
			if n < own {
				r.Summary.Measures[name] = intervals[n]
			} else {
				r.Differences[name] = intervals[n]
			}
		}
		r.sumUp()
	}
}

// sumUp computes what is not a measure.
func (r *Result) sumUp() {
	times := map[string][]float64{}
	reranked := 0
	for _, q := range r.Queries {
		for stage, ms := range q.Millis {
			times[stage] = append(times[stage], ms)
		}
		reranked += q.Reranked
		if len(q.Degraded) > 0 {
			r.Degraded++
		}
		if q.Late {
			r.Late++
		}
	}
	for stage, all := range times {
		r.Latency[stage] = QuantilesOf(all)
	}
	if len(r.Queries) > 0 {
		r.Reranked = float64(reranked) / float64(len(r.Queries))
	}
}

// Series gives a measure of each query.
func (r Result) Series(measure string) []float64 {
	out := make([]float64, len(r.Queries))
	for i, q := range r.Queries {
		out[i] = q.Measures[measure]
	}
	return out
}

// measuresOf names the measures of a result, in order.
func measuresOf(r Result) []string {
	if len(r.Queries) == 0 {
		return nil
	}
	names := make([]string, 0, len(r.Queries[0].Measures))
	for name := range r.Queries[0].Measures {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func minus(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}
