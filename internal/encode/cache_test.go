package encode

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector gives every text the same two numbers.
func vector(context.Context, *Batch) (Output, error) {
	return Output{Data: []float32{3, 4}, Shape: []int64{1, 2}}, nil
}

// TestEmbeddingsAreKept: a text that was embedded is not run again, a query is not taken for a passage of the same words, and
// what a caller does to an embedding stays its own.
func TestEmbeddingsAreKept(t *testing.T) {
	s := &session{give: vector}
	spec := BiSpec{MaxTokens: 16, Dimension: 2, QueryPrefix: "q: ", KeptBytes: 1 << 20}
	e := NewBiEncoder(s, bert(), spec, NewLanes(1))
	first, err := e.EmbedQuery(t.Context(), "kite")
	if err != nil {
		t.Fatal(err)
	}
	want := append([]float32(nil), first...)
	first[0] = 99
	again, err := e.EmbedQuery(t.Context(), "kite")
	if diff := cmp.Diff(want, []float32(again)); err != nil || diff != "" || len(s.fed) != 1 {
		t.Errorf("%v, %d runs: %s", err, len(s.fed), diff)
	}
	sentences, err := e.EmbedSentences(t.Context(), []string{"kite", "kite", "robin"})
	if err != nil || len(sentences) != 3 || len(s.fed) != 3 {
		t.Errorf("%v: %d runs for a query and two sentences", err, len(s.fed))
	}
	if got := e.Cache(); got.Hits != 2 || got.Misses != 3 || got.Entries != 3 {
		t.Errorf("got %+v", got)
	}
	spec.KeptBytes = 2 * (4*2 + keptVectorBytes)
	e = NewBiEncoder(&session{give: vector}, bert(), spec, NewLanes(1))
	for _, text := range []string{"a", "b", "c", "d"} {
		if _, err := e.EmbedQuery(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.Cache().Entries; got != 2 {
		t.Errorf("%d embeddings are kept in the room of 2", got)
	}
}

func TestClips(t *testing.T) {
	e := NewBiEncoder(&session{give: vector}, bert(), BiSpec{MaxTokens: 6, Dimension: 2}, NewLanes(1))
	for text, want := range map[string]bool{"abcd": false, "abcde": true} {
		if got, err := e.Clips(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
