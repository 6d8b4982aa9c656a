package retrieve

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func hits(dense ...float64) []rag.Hit {
	out := make([]rag.Hit, len(dense))
	for i, score := range dense {
		out[i] = rag.Hit{Chunk: rag.Chunk{ID: rag.ChunkID(i + 1)}, DenseRank: i + 1, RankedBy: rag.RankedByDense, Scores: rag.Scores{Dense: &score}}
	}
	return out
}

func order(hits []rag.Hit) []int {
	out := make([]int, len(hits))
	for i, h := range hits {
		out[i] = int(h.Chunk.ID)
	}
	return out
}

func TestBlend(t *testing.T) {
	tests := []struct {
		name   string
		dense  []float64
		logits []float32
		scored []bool
		want   []int
	}{
		{"both agree", []float64{0.9, 0.8, 0.7}, []float32{3, 1, -2}, []bool{true, true, true}, []int{1, 2, 3}},
		{"a strong logit lifts", []float64{0.8, 0.8, 0.8, 0.2}, []float32{-5, -5, 6, -5}, []bool{true, true, true, true}, []int{3, 1, 2, 4}},
		{"equal logits leave the dense order", []float64{0.9, 0.8}, []float32{1, 1}, []bool{true, true}, []int{1, 2}},
		{"equal in both keeps the order", []float64{0.5, 0.5, 0.5}, []float32{1, 1, 1}, []bool{true, true, true}, []int{1, 2, 3}},
		{"what was not scored follows", []float64{0.9, 0.8, 0.7, 0.6}, []float32{-1, 4, 0, 0}, []bool{true, true, false, false}, []int{1, 2, 3, 4}},
		{"one scored", []float64{0.9, 0.8}, []float32{-9, 0}, []bool{true, false}, []int{1, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := blend(hits(test.dense...), test.logits, test.scored, Blending{}.settled())
			calibrate(got, nil)
			if diff := cmp.Diff(test.want, order(got)); diff != "" {
				t.Error(diff)
			}
			for _, h := range got {
				scored := test.scored[h.Chunk.ID-1]
				if (h.Scores.RerankLogit != nil) != scored || (h.Scores.Relevance != nil) != scored || (h.RankedBy == rag.RankedByBlend) != scored {
					t.Errorf("chunk %d: scored %v, got %+v ranked by %s", h.Chunk.ID, scored, h.Scores, h.RankedBy)
				}
			}
		})
	}
}
