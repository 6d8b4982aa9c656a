package evaluate

import (
	"math/rand/v2"
	"testing"
)

func TestBootstrap(t *testing.T) {
	same := Bootstrap([][]float64{{0.5, 0.5, 0.5}}, 1)[0]
	if same != (Interval{0.5, 0.5, 0.5}) {
		t.Errorf("of equal values: %+v", same)
	}
	a, b := []float64{0, 0.2, 0.9, 0.4}, []float64{0.1, 0.3, 1, 0.5}
	if got := Paired(a, b, 1); got.Low < 0.0999 || got.High > 0.1001 || !got.Excludes(0) {
		t.Errorf("a difference that every query has: %+v", got)
	}
	if Bootstrap([][]float64{a}, 3)[0] != Bootstrap([][]float64{a}, 3)[0] {
		t.Error("the same seed gives another interval")
	}
	if got := Bootstrap([][]float64{{}}, 1)[0]; got != (Interval{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// TestBootstrapCovers draws samples of a known mean: about 95 of 100 intervals must hold it.
func TestBootstrapCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	const trials = 300
	held := 0
	for trial := range trials {
		values := make([]float64, 60)
		for i := range values {
			if random.Float64() < 0.3 { // as a measure of a query: often 0
				values[i] = random.Float64()
			}
		}
		if got := Bootstrap([][]float64{values}, uint64(trial))[0]; got.Low <= 0.15 && 0.15 <= got.High {
			held++
		}
	}
	if share := float64(held) / trials; share < 0.90 || share > 0.98 {
		t.Errorf("%.3f of the intervals hold the mean", share)
	}
}
