package encode

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScoreEndsWhenItIsEnough(t *testing.T) {
	var told [][]float32
	e, s := scorer(width)
	got, err := e.Score(t.Context(), Pairs{Query: "q", Passages: []string{"a", "bb", "ccc", "dddd", "eeeee"}, Enough: func(logits []float32) bool {
		told = append(told, append([]float32(nil), logits...))
		return len(logits) == 3
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := Scores{Logits: []float32{5, 6, 7, 0, 0}, Scored: []bool{true, true, true, false, false}, Count: 3, Enough: true}
	if diff := cmp.Diff(want, got); diff != "" || len(s.fed) != 3 {
		t.Errorf("%d runs: %s", len(s.fed), diff)
	}
	if diff := cmp.Diff([][]float32{{5}, {5, 6}, {5, 6, 7}}, told); diff != "" {
		t.Error(diff)
	}
}

// TestScoreGivesWay has ingestion wait for the one slot while pairs are read: what is sure is read, the rest is not.
func TestScoreGivesWay(t *testing.T) {
	passages := []string{"a", "bb", "ccc", "dddd"}
	tests := []struct {
		name    string
		sure    int
		waiting bool
		want    Scores
	}{
		{"no one waits", 2, false, Scores{Logits: []float32{5, 6, 7, 8}, Scored: []bool{true, true, true, true}, Count: 4}},
		{"ingestion waits", 2, true, Scores{Logits: []float32{5, 6, 0, 0}, Scored: []bool{true, true, false, false}, Count: 2, Busy: true}},
		{"all are sure", 0, true, Scores{Logits: []float32{5, 6, 7, 8}, Scored: []bool{true, true, true, true}, Count: 4}},
		{"as many as there are", 4, true, Scores{Logits: []float32{5, 6, 7, 8}, Scored: []bool{true, true, true, true}, Count: 4}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lanes := NewLanes(1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := sync.OnceFunc(func() {
					for range 2 { // so that one waits while the other runs
						if !test.waiting {
							return
						}
						go func() {
							for lanes.Do(ctx, BatchLane, hold(time.Millisecond)) == nil {
							}
						}()
						synctest.Wait()
					}
				})
				s := &session{give: func(ctx context.Context, b *Batch) (Output, error) { start(); return width(ctx, b) }}
				e := NewCrossEncoder(s, bert(), CrossSpec{MaxTokens: 10}, lanes)
				got, err := e.Score(t.Context(), Pairs{Query: "q", Passages: passages, Sure: test.sure})
				if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
					t.Errorf("%v %s", err, diff)
				}
			})
		})
	}
}

func TestScoreKeepsLogitsAndTokens(t *testing.T) {
	s := &session{give: width}
	counted := &countingTokenizer{letters: bert()}
	e := NewCrossEncoder(s, counted, CrossSpec{MaxTokens: 10, KeptPassages: 4, KeptScores: 4}, NewLanes(1))
	ask := func(query string, passages ...string) Scores {
		t.Helper()
		got, err := e.Score(t.Context(), Pairs{Query: query, Passages: passages})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ask("q", "a", "bb")
	if got := ask("q", "bb", "a", "bb"); got.Kept != 3 || !cmp.Equal(got.Logits, []float32{6, 5, 6}) || len(s.fed) != 2 {
		t.Errorf("asked again: %+v after %d runs", got, len(s.fed))
	}
	before := counted.calls
	if got := ask("other", "a"); got.Kept != 0 || len(s.fed) != 3 || counted.calls != before+1 {
		t.Errorf("another query: %+v, %d runs, tokenised %d texts, want only the query", got, len(s.fed), counted.calls-before)
	}
	before = counted.calls
	for range 2 { // longer than the model reads: cut by the query's length, so not kept
		ask("qq", "cccccccccccccccccccc")
	}
	if counted.calls != before+3 {
		t.Errorf("tokenised %d texts, want the queries and, once, the passage", counted.calls-before)
	}
}

// countingTokenizer counts encodings.
type countingTokenizer struct {
	letters
	calls int
}

func (c *countingTokenizer) Encode(text string) ([]int32, error) {
	c.calls++
	return c.letters.Encode(text)
}

func TestOutputsThatAreNotFiniteAreRefused(t *testing.T) {
	for name, x := range map[string]float32{"NaN": float32(math.NaN()), "infinite": float32(math.Inf(1)), "zero": 0} {
		give := func(context.Context, *Batch) (Output, error) {
			return Output{Data: []float32{x, 0}, Shape: []int64{1, 2}}, nil
		}
		e := NewBiEncoder(&session{give: give}, bert(), BiSpec{MaxTokens: 8, Dimension: 2}, NewLanes(1))
		if _, err := e.EmbedPassages(t.Context(), []string{"a"}); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%s embedding: got %v", name, err)
		}
		c, _ := scorer(func(context.Context, *Batch) (Output, error) {
			return Output{Data: []float32{x}, Shape: []int64{1, 1}}, nil
		})
		if got, err := c.Score(t.Context(), Pairs{Query: "q", Passages: []string{"p"}}); x != 0 && (!errors.Is(err, ErrNotFinite) || got.Count != 0) {
			t.Errorf("%s logit: got %+v, %v", name, got, err)
		}
	}
}

func TestBestWindow(t *testing.T) {
	query := []int32{1, 2, 3}
	tests := []struct {
		name    string
		passage []int32
		width   int
		want    []int32
	}{
		{"short passage", []int32{9, 8}, 3, []int32{9, 8}},
		{"most of the query", []int32{1, 9, 9, 9, 2, 3, 9}, 3, []int32{9, 2, 3}},
		{"rare decides", []int32{1, 1, 1, 9, 9, 2, 9}, 2, []int32{9, 2}},
		{"nothing of the query", []int32{9, 8, 7, 6}, 2, []int32{9, 8}},
		{"the first of equals", []int32{9, 1, 9, 9, 1, 9}, 2, []int32{9, 1}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, bestWindow(query, test.passage, test.width)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestCascade(t *testing.T) {
	small, _ := scorer(width) // likes long passages
	large, s := scorer(func(_ context.Context, b *Batch) (Output, error) {
		return Output{Data: []float32{-float32(b.Width)}, Shape: []int64{1, 1}}, nil
	})
	got, err := Cascade{Small: small, Large: large, Keep: 2}.Score(t.Context(), Pairs{Query: "q", Passages: []string{"bb", "a", "cccc", "ddd"}})
	want := Scores{Logits: []float32{0, 0, -8, -7}, Scored: []bool{false, false, true, true}, Count: 2}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || len(s.fed) != 2 {
		t.Errorf("%v, %d runs of the large one: %s", err, len(s.fed), diff)
	}
}
