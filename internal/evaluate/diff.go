package evaluate

import (
	"cmp"
	"fmt"
	"slices"
)

// Side is one of two results that are compared, with the passages that its run kept.
type Side struct {
	Run      Run
	Result   Result
	Passages map[int64]Passage
}

// Comparison is two results, query by query.
type Comparison struct {
	A          string   `json:"a"`
	B          string   `json:"b"`
	Measure    string   `json:"measure"`
	Unlike     []string `json:"unlike"`     // what else differs, so that the difference may not be the configurations'
	Queries    int      `json:"queries"`    // that both were asked
	Difference Interval `json:"difference"` // B less A
	Better     []Change `json:"better"`     // with B, most first
	Worse      []Change `json:"worse"`
	Same       int      `json:"same"`
}

// Change is a query that two configurations answer with different success.
type Change struct {
	Question
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	A      []Shown `json:"a"`
	B      []Shown `json:"b"`
}

// Shown is a hit as a comparison shows it.
type Shown struct {
	Rank     int  `json:"rank"`
	Relevant bool `json:"relevant"`
	Passage
}

// Compare tells which queries B answers better and worse than A by a measure, each with the first shown hits of both.
// It is an ErrFault where they have no query or measure in common.
func Compare(a, b Side, measure string, shown int) (Comparison, error) {
	c := Comparison{
		A: a.Run.ID + ":" + a.Result.Name, B: b.Run.ID + ":" + b.Result.Name, Measure: measure, Unlike: []string{},
		Better: []Change{}, Worse: []Change{},
	}
	if a.Run.ID != b.Run.ID {
		c.Unlike = append(c.Unlike, Unlike(a.Run, b.Run)...)
	}
	places := map[string]int{}
	for i, q := range a.Run.Questions {
		places[q.ID] = i
	}
	var before, after []float64
	for i, q := range b.Run.Questions {
		at, ok := places[q.ID]
		if !ok || a.Run.Questions[at].Text != q.Text {
			continue
		}
		x, inA := a.Result.Queries[at].Measures[measure]
		y, inB := b.Result.Queries[i].Measures[measure]
		if !inA || !inB {
			return c, fault("measure "+measure, 0, "is not in both results; %s has %v, %s has %v", c.A, measuresOf(a.Result), c.B, measuresOf(b.Result))
		}
		before, after = append(before, x), append(after, y)
		change := Change{Question: q, Before: x, After: y, A: a.shown(at, q, shown), B: b.shown(i, q, shown)}
		switch {
		case y > x:
			c.Better = append(c.Better, change)
		case y < x:
			c.Worse = append(c.Worse, change)
		default:
			c.Same++
		}
	}
	if c.Queries = len(before); c.Queries == 0 {
		return c, fault("runs "+a.Run.ID+" and "+b.Run.ID, 0, "have no question in common")
	}
	c.Difference = Paired(before, after, a.Run.Seed)
	most := func(a, b Change) int {
		return cmp.Or(-cmp.Compare(abs(a.After-a.Before), abs(b.After-b.Before)), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(c.Better, most)
	slices.SortFunc(c.Worse, most)
	return c, nil
}

// shown gives the first hits of a query.
func (s Side) shown(query int, q Question, n int) []Shown {
	asked := s.Result.Queries[query]
	var out []Shown
	for i, chunk := range asked.Chunks[:min(n, len(asked.Chunks))] {
		p, ok := s.Passages[chunk]
		if !ok {
			p = Passage{DocumentID: fmt.Sprint("chunk ", chunk)}
		}
		out = append(out, Shown{Rank: i + 1, Relevant: q.Relevant[p.DocumentID] > 0 || shows(asked, q, i), Passage: p})
	}
	return out
}

// shows says that the hit at a place stands for a text that is expected. Only where every hit is an item of its own are
// the places of hits and items the same.
func shows(asked Asked, q Question, place int) bool {
	return len(asked.Items) == len(asked.Chunks) && place < len(asked.Items) && q.Relevant[asked.Items[place]] > 0
}

func abs(x float64) float64 { return max(x, -x) }
