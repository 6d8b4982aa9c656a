package retrieve

import (
	"cmp"
	"math"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// crossWeight is the cross-encoder's share of the blend. It was fixed on development queries, not on the test sets
// (models/redkite-reranker-small-en/README.md): alone, that cross-encoder orders scientific claims worse than the
// bi-encoder does; blended half and half it was better than either on every set tried.
const crossWeight = 0.5

// blend orders hits by the weighted mean of the z-scored logit and the z-scored score of the first stage. Hits without a
// logit follow in the first stage's order: they are what was least promising. Ties keep the first stage's order.
func blend(hits []rag.Hit, logits []float32, scored []bool) []rag.Hit {
	var cross, dense []float64
	for i, h := range hits {
		if scored[i] {
			cross = append(cross, float64(logits[i]))
			dense = append(dense, firstScore(h))
		}
	}
	mix := mixer{cross: spreadOf(cross), dense: spreadOf(dense)}
	ranked := make([]rag.Hit, 0, len(cross))
	var rest []rag.Hit
	for i, h := range hits {
		if !scored[i] {
			rest = append(rest, h)
			continue
		}
		logit := float64(logits[i])
		mixed := mix.score(logit, firstScore(h))
		relevance := 1 / (1 + math.Exp(-logit))
		h.Scores.RerankLogit, h.Scores.Blend, h.Scores.Relevance = &logit, &mixed, &relevance
		h.RankedBy = rag.RankedByBlend
		ranked = append(ranked, h)
	}
	slices.SortStableFunc(ranked, func(a, b rag.Hit) int { return cmp.Compare(*b.Scores.Blend, *a.Scores.Blend) })
	return append(ranked, rest...)
}

// mixer blends logits and dense scores, each standardised over what was scored.
type mixer struct{ cross, dense spread }

func (m mixer) score(logit, dense float64) float64 {
	return crossWeight*m.cross.z(logit) + (1-crossWeight)*m.dense.z(dense)
}

// logitFor is the logit with which a passage of that dense score reaches a blend of mixed.
func (m mixer) logitFor(mixed, dense float64) float64 {
	return m.cross.mean + m.cross.deviation*(mixed-(1-crossWeight)*m.dense.z(dense))/crossWeight
}

// spread is a mean and a standard deviation.
type spread struct{ mean, deviation float64 }

func spreadOf(xs []float64) spread {
	var s spread
	for _, x := range xs {
		s.mean += x
	}
	s.mean /= float64(len(xs))
	for _, x := range xs {
		s.deviation += (x - s.mean) * (x - s.mean)
	}
	s.deviation = math.Sqrt(s.deviation / float64(len(xs)))
	return s
}

// flat says that the values do not differ.
func (s spread) flat() bool { return s.deviation < 1e-12 }

// z is (x - mean) / deviation; 0 where the values do not differ.
func (s spread) z(x float64) float64 {
	if s.flat() {
		return 0
	}
	return (x - s.mean) / s.deviation
}
