package evaluate

import (
	"context"
	"errors"
	"fmt"
)

// Tuning fills a Table: a measure of every query under every combination of a grid.
type Tuning struct {
	Set      Dataset
	Grid     Grid
	Measure  Measure
	Searcher Searcher
	Told     func(line string)     // told what is left out and how it goes; nil for nobody
	Asked    func(done, total int) // requests so far; nil for nobody
}

// checked is for how many queries what was recombined is compared with what the server gives.
const checked = 6

// Table asks the server. Combinations that differ only in reranking's depth and weight are worked out from one request
// that has every candidate scored, where the server's own answers to the first queries show that this gives its order; else
// each is asked for.
func (t Tuning) Table(ctx context.Context) (Table, error) {
	grid, err := t.accepted(ctx)
	if err != nil {
		return Table{}, err
	}
	table := Table{Candidates: grid.Configurations()}
	table.Values = make([][]float64, len(table.Candidates))
	groups := map[string][]int{} // of candidates with one exhaustive request, by its text
	var order []string
	for i, c := range table.Candidates {
		table.Values[i] = make([]float64, len(t.Set.Queries))
		key := exhaustive(c.Request).Text()
		if i == 0 || !recombined(c.Request) { // what is in use is whatever the server does
			key = fmt.Sprint("alone ", i)
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	total, done := len(order)*len(t.Set.Queries), 0
	tell := func(by int) {
		if done += by; t.Asked != nil {
			t.Asked(done, total)
		}
	}
	for _, key := range order {
		group := groups[key]
		if len(group) > 1 {
			before := done
			same, err := t.recombine(ctx, table, group, tell)
			if err != nil {
				return Table{}, err
			}
			if same {
				continue
			}
			total += (len(group)-1)*len(t.Set.Queries) + done - before
			t.tell("the server's order is not the one worked out from its scores: each of %d combinations is asked for", len(group))
		}
		for _, i := range group {
			if err := t.ask(ctx, table, i, tell); err != nil {
				return Table{}, err
			}
		}
	}
	return table, nil
}

// accepted leaves out of the grid what the server refuses.
func (t Tuning) accepted(ctx context.Context) (Grid, error) {
	grid := t.Grid
	for _, m := range t.Grid {
		request := Request{m.Name: m.Values[0]}
		_, err := t.Searcher.Search(ctx, request.With(t.Set.Queries[0].Text))
		switch {
		case errors.Is(err, ErrRefused):
			t.tell("%s is left out: %v", m.Name, err)
			grid = grid.Without(m.Name)
		case err != nil:
			return nil, err
		}
	}
	if len(grid) == 0 {
		return nil, fault("grid", 0, "the server refuses every member: %s", t.Grid)
	}
	return grid, nil
}

func (t Tuning) tell(format string, args ...any) {
	if t.Told != nil {
		t.Told(fmt.Sprintf(format, args...))
	}
}

// recombine fills a group of candidates from one request a query; same is false where the server's own order is another.
func (t Tuning) recombine(ctx context.Context, table Table, group []int, tell func(int)) (same bool, err error) {
	all := exhaustive(table.Candidates[group[0]].Request)
	for n, q := range t.Set.Queries {
		answer, err := t.Searcher.Search(ctx, all.With(q.Text))
		if err != nil {
			return false, fmt.Errorf("query %s: %w", q.ID, err)
		}
		scores, ok := Recombine(answer)
		if !ok && len(answer.Hits) > 0 {
			return false, nil
		}
		if n < checked { // another candidate of the group for each of these queries
			c := table.Candidates[group[(n*(len(group)-1))/max(1, checked-1)]]
			own, err := t.Searcher.Search(ctx, patient(c.Request).With(q.Text))
			if err != nil {
				return false, fmt.Errorf("query %s: %w", q.ID, err)
			}
			if !sameOrder(own.Hits, scores.Hits(c.Request)) {
				return false, nil
			}
		}
		for _, i := range group {
			table.Values[i][n] = t.value(q.ID, scores.Hits(table.Candidates[i].Request))
		}
		tell(1)
	}
	return true, nil
}

// ask fills a candidate by a request a query.
func (t Tuning) ask(ctx context.Context, table Table, candidate int, tell func(int)) error {
	request := patient(table.Candidates[candidate].Request)
	for n, q := range t.Set.Queries {
		answer, err := t.Searcher.Search(ctx, request.With(q.Text))
		if err != nil {
			return fmt.Errorf("query %s: %w", q.ID, err)
		}
		table.Values[candidate][n] = t.value(q.ID, answer.Hits)
		tell(1)
	}
	return nil
}

// patient is a request with time for all that it asks for: candidates are compared by what they find, not by what the
// machine has time for today.
func patient(r Request) Request {
	out := Request{}
	for member, raw := range r {
		out[member] = raw
	}
	if string(out[memberRerank]) == "false" {
		return out
	}
	if _, limited := out["deadline_ms"]; !limited {
		out["exhaustive"], out["deadline_ms"] = []byte("true"), []byte("60000")
	}
	return out
}

func (t Tuning) value(query string, hits []Hit) float64 {
	return t.Measure.Of(t.Set.Items(query, hits), t.Set.Relevant[query])
}
