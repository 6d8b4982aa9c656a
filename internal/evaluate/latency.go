package evaluate

import (
	"math"
	"slices"
)

// Quantiles are what 50, 95 and 99 of 100 measurements stay under, and the largest, in the measurements' unit.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// QuantilesOf sorts the measurements and takes each quantile by the nearest rank: a value that was measured. None gives
// zeros.
func QuantilesOf(measured []float64) Quantiles {
	if len(measured) == 0 {
		return Quantiles{}
	}
	slices.Sort(measured)
	at := func(share float64) float64 {
		return measured[max(0, int(math.Ceil(share*float64(len(measured))))-1)]
	}
	return Quantiles{P50: at(0.50), P95: at(0.95), P99: at(0.99), Max: at(1)}
}
