package encode

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Cascade scores in two steps: a small cross-encoder reads every passage, and a large one those that it likes best.
type Cascade struct {
	Small, Large *CrossEncoder
	Keep         int // passages left to Large
}

// Score gives Large's logits of the Keep passages that Small likes best; the others are not Scored. Where time runs out
// in the first step, what Small has not read keeps its order behind what it has.
func (c Cascade) Score(ctx context.Context, p Pairs) (Scores, error) {
	first, err := c.Small.Score(ctx, Pairs{Query: p.Query, Passages: p.Passages})
	if err != nil && ctx.Err() == nil {
		return first.none(), err
	}
	order := make([]int, len(p.Passages))
	for i := range order {
		order[i] = i
	}
	promise := func(place int) float64 {
		if !first.Scored[place] {
			return math.Inf(-1)
		}
		return float64(first.Logits[place])
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(promise(b), promise(a)) })
	order = order[:min(c.Keep, len(order))]
	passages := make([]string, len(order))
	for i, place := range order {
		passages[i] = p.Passages[place]
	}
	second, err := c.Large.Score(ctx, Pairs{Query: p.Query, Passages: passages, Sure: p.Sure})
	out := first.none()
	for i, place := range order {
		out.Logits[place], out.Scored[place] = second.Logits[i], second.Scored[i]
	}
	out.Count, out.Kept, out.Busy = second.Count, second.Kept, second.Busy
	return out, err
}

// none is s without any logit.
func (s Scores) none() Scores {
	return Scores{Logits: make([]float32, len(s.Logits)), Scored: make([]bool, len(s.Scored))}
}
