package rag_test

import (
	"math/rand/v2"
	"testing"

	"github.com/redkite/redkite/internal/rag/filtertest"
)

// TestMatchesMeansWhatItSays holds Matches to the plain words, on filters and documents made at random.
func TestMatchesMeansWhatItSays(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	documents := filtertest.Documents(random, 200)
	yes := 0
	for _, f := range filtertest.Filters(random, 3000, 4) {
		for _, m := range documents {
			want := filtertest.Means(f, m)
			if want {
				yes++
			}
			if got := f.Matches(m); got != want {
				t.Fatalf("%+v of %v: %v, want %v", f, m, got, want)
			}
		}
	}
	if share := float64(yes) / (3000 * 200); share < 0.2 || share > 0.8 {
		t.Errorf("%.2f of the answers are yes: the filters ask too little", share)
	}
}
