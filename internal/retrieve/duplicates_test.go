package retrieve

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// passagesOfWords makes n hits of so many words each, all different.
func passagesOfWords(n, words int) []rag.Hit {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]rag.Hit, n)
	for i := range out {
		var b strings.Builder
		for range words {
			fmt.Fprintf(&b, "w%d ", random.IntN(5000))
		}
		out[i].Chunk = rag.Chunk{ID: rag.ChunkID(i + 1), Text: b.String()}
	}
	return out
}

func TestDistinctKeepsWhatDiffers(t *testing.T) {
	hits := passagesOfWords(50, 60)
	if got := distinct(hits, rag.DuplicatesNear, nil); len(got) != len(hits) {
		t.Errorf("%d of %d unlike passages were kept", len(got), len(hits))
	}
}

// TestDistinctByLikeness changes more and more words of a passage of 60.
func TestDistinctByLikeness(t *testing.T) {
	words := strings.Fields(passagesOfWords(1, 60)[0].Chunk.Text)
	for changed, dropped := range map[int]bool{0: true, 1: true, 2: true, 6: false, 20: false} {
		other := append([]string(nil), words...)
		for i := range changed {
			other[5+i*9%55] = "x"
		}
		hits := []rag.Hit{{Chunk: rag.Chunk{ID: 1, Text: strings.Join(words, " ")}}, {Chunk: rag.Chunk{ID: 2, Text: strings.Join(other, " ")}}}
		if got := distinct(hits, rag.DuplicatesNear, nil); (len(got) == 1) != dropped {
			t.Errorf("%d words changed: %d hits are left", changed, len(got))
		}
	}
}

// BenchmarkDistinct compares as many passages as a search can have.
func BenchmarkDistinct(b *testing.B) {
	hits := passagesOfWords(200, 180)
	for b.Loop() {
		distinct(hits, rag.DuplicatesNear, nil)
	}
}

// BenchmarkMarginal orders as many hits as a search can have.
func BenchmarkMarginal(b *testing.B) {
	hits := passagesOfWords(200, 20)
	vectors := map[rag.ChunkID]rag.Embedding{}
	for _, h := range hits {
		v := make(rag.Embedding, 384)
		copy(v, embedWords(h.Chunk.Text))
		vectors[h.Chunk.ID] = v
	}
	for b.Loop() {
		marginal(hits, vectors, 0.5)
	}
}
