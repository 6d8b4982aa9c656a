package retrieve

import (
	"math"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

const (
	leastScored  = 10   // candidates scored before a guess about the rest is made
	recentScored = 10   // logits from which the next ones are guessed
	leastSpread  = 0.25 // of the recent logits, as a part of the deviation of all: a run of equal ones proves little
)

// enough gives the rule that ends reranking: the candidates that are left are expected to take fewer than tolerance of
// the first topK places. It guesses that a candidate's logit comes from a normal distribution with the mean and the
// deviation of the last few logits (candidates come in the bi-encoder's order, so those are its nearest), and asks how
// likely it lies above what its dense score leaves it to need. models/build/avoid.py repeats the rule; its choice and
// its cost on labelled sets stand in docs/encoders.md. A tolerance of 0 or less scores all.
func enough(hits []rag.Hit, topK int, tolerance float64) func(logits []float32) bool {
	if tolerance <= 0 {
		return nil
	}
	dense := make([]float64, len(hits))
	for i, h := range hits {
		dense[i] = *h.Scores.Dense
	}
	return func(logits []float32) bool {
		n := len(logits)
		if n < max(leastScored, topK) || n >= len(dense) {
			return false
		}
		cross := make([]float64, n)
		for i, x := range logits {
			cross[i] = float64(x)
		}
		return placesLeft(cross, dense, topK) < tolerance
	}
}

// placesLeft is how many of the first topK places the candidates from len(cross) on are expected to take.
func placesLeft(cross, dense []float64, topK int) float64 {
	n := len(cross)
	crossMean, crossDeviation := meanAndDeviation(cross)
	denseMean, denseDeviation := meanAndDeviation(dense[:n])
	if crossDeviation < 1e-12 {
		return math.Inf(1)
	}
	crossZ, denseZ := standardiser(cross), standardiser(dense[:n])
	mixed := make([]float64, n)
	for i := range mixed {
		mixed[i] = crossWeight*crossZ(cross[i]) + (1-crossWeight)*denseZ(dense[i])
	}
	slices.Sort(mixed)
	bar := mixed[n-topK]
	mean, deviation := meanAndDeviation(cross[max(0, n-recentScored):])
	deviation = max(deviation, leastSpread*crossDeviation)
	expected := 0.0
	for _, d := range dense[n:] {
		z := (d - denseMean) / max(denseDeviation, 1e-12)
		needed := crossMean + crossDeviation*(bar-(1-crossWeight)*z)/crossWeight
		expected += 0.5 * math.Erfc((needed-mean)/deviation/math.Sqrt2)
	}
	return expected
}

func meanAndDeviation(xs []float64) (mean, deviation float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	for _, x := range xs {
		deviation += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(xs)))
}
