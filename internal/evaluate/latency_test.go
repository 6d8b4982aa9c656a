package evaluate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuantilesOf(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[99-i] = float64(i + 1)
	}
	tests := []struct {
		name     string
		measured []float64
		want     Quantiles
	}{
		{"none", nil, Quantiles{}},
		{"one", []float64{7}, Quantiles{7, 7, 7, 7}},
		{"two", []float64{2, 1}, Quantiles{1, 2, 2, 2}},
		{"a hundred, unsorted", hundred, Quantiles{50, 95, 99, 100}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, QuantilesOf(test.measured)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
