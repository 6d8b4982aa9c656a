package retrieve

import (
	"cmp"
	"math"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// Blending says how cross-encoder and first stage make the final score. The zero value is rag.DefaultRetrieval's.
type Blending struct {
	Weight        float64 // of the cross-encoder, 0 to 1
	Normalisation rag.Normalisation
}

// settled puts the defaults in where nothing is said.
func (b Blending) settled() Blending {
	if b.Normalisation == "" {
		d := rag.DefaultRetrieval()
		return Blending{Weight: d.CrossWeight, Normalisation: d.Normalisation}
	}
	return b
}

// mixer makes what blends logits and dense scores that were read together.
func (b Blending) mixer(cross, dense []float64) mixer {
	if b.Normalisation == rag.NormaliseMinMax {
		return mixer{cross: rangeOf(cross), dense: rangeOf(dense), weight: b.Weight}
	}
	return mixer{cross: spreadOf(cross), dense: spreadOf(dense), weight: b.Weight}
}

// blend orders hits by the weighted mean of the normalised logit and the normalised score of the first stage. Hits without
// a logit follow in the first stage's order: they are what was least promising. Ties keep it, too.
func blend(hits []rag.Hit, logits []float32, scored []bool, how Blending) []rag.Hit {
	var cross, dense []float64
	for i, h := range hits {
		if scored[i] {
			cross = append(cross, float64(logits[i]))
			dense = append(dense, firstScore(h))
		}
	}
	mix := how.mixer(cross, dense)
	ranked := make([]rag.Hit, 0, len(cross))
	var rest []rag.Hit
	for i, h := range hits {
		if !scored[i] {
			rest = append(rest, h)
			continue
		}
		logit := float64(logits[i])
		mixed := mix.score(logit, firstScore(h))
		h.Scores.RerankLogit, h.Scores.Blend = &logit, &mixed
		h.RankedBy = rag.RankedByBlend
		ranked = append(ranked, h)
	}
	slices.SortStableFunc(ranked, func(a, b rag.Hit) int { return cmp.Compare(*b.Scores.Blend, *a.Scores.Blend) })
	return append(ranked, rest...)
}

// mixer blends logits and dense scores, each normalised over what was scored.
type mixer struct {
	cross, dense spread
	weight       float64 // of cross
}

func (m mixer) score(logit, dense float64) float64 {
	return m.weight*m.cross.z(logit) + (1-m.weight)*m.dense.z(dense)
}

// logitFor is the logit with which a passage of that dense score reaches a blend of mixed.
func (m mixer) logitFor(mixed, dense float64) float64 {
	return m.cross.mean + m.cross.deviation*(mixed-(1-m.weight)*m.dense.z(dense))/m.weight
}

// spread is a mean and a standard deviation, or the least and the range.
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

// rangeOf gives the least and the range: with it z is from 0 to 1.
func rangeOf(xs []float64) spread {
	if len(xs) == 0 {
		return spread{}
	}
	least := slices.Min(xs)
	return spread{mean: least, deviation: slices.Max(xs) - least}
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
