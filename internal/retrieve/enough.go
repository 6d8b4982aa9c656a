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
func enough(hits []rag.Hit, topK int, tolerance float64, how Blending) func(logits []float32) bool {
	if tolerance <= 0 || how.Weight <= 0 {
		return nil
	}
	dense := make([]float64, len(hits))
	for i, h := range hits {
		dense[i] = firstScore(h)
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
		return placesLeft(cross, dense, topK, how) < tolerance
	}
}

// placesLeft is how many of the first topK places the candidates from len(cross) on are expected to take.
func placesLeft(cross, dense []float64, topK int, how Blending) float64 {
	n := len(cross)
	mix := how.mixer(cross, dense[:n])
	if mix.cross.flat() {
		return math.Inf(1)
	}
	mixed := make([]float64, n)
	for i := range mixed {
		mixed[i] = mix.score(cross[i], dense[i])
	}
	slices.Sort(mixed)
	bar := mixed[n-topK]
	recent := spreadOf(cross[max(0, n-recentScored):])
	deviation := max(recent.deviation, leastSpread*spreadOf(cross).deviation)
	expected := 0.0
	for _, d := range dense[n:] {
		expected += 0.5 * math.Erfc((mix.logitFor(bar, d)-recent.mean)/deviation/math.Sqrt2)
	}
	return expected
}
