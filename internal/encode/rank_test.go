package encode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRankCutsLongDocuments with a model of 100 tokens: 3 of them special, 1 the query's.
func TestRankCutsLongDocuments(t *testing.T) {
	const width = 96
	document := func(n, marked int) string { // n letters, of which one is marked
		text := strings.Repeat("a", n)
		return text[:marked] + "z" + text[marked+1:]
	}
	run := func(r Ranking) (got Ranked, fed []int, err error) {
		s := &session{give: func(_ context.Context, b *Batch) (Output, error) {
			logit := float32(0)
			for _, id := range b.IDs {
				if id == int64('z') {
					logit = 9
				}
			}
			return Output{Data: []float32{logit}, Shape: []int64{1, 1}}, nil
		}}
		got, err = NewCrossEncoder(s, bert(), CrossSpec{MaxTokens: 100}, NewLanes(1)).Rank(t.Context(), r)
		for _, b := range s.fed {
			fed = append(fed, b.Width)
		}
		return got, fed, err
	}
	for _, test := range []struct {
		name    string
		ranking Ranking
		logits  []float32
		fed     []int
	}{
		{"short ones", Ranking{Documents: []string{"az", "aa"}}, []float32{9, 0}, []int{6, 6}},
		{"a long one in parts", Ranking{Documents: []string{document(200, 190)}, Parts: 9}, []float32{9}, []int{100, 100, 76}},
		{"as many parts as are asked for", Ranking{Documents: []string{document(200, 190)}, Parts: 2}, []float32{0}, []int{100, 100}},
		{"on a cut", Ranking{Documents: []string{document(150, width-1)}, Parts: 9}, []float32{9}, []int{100, 90}},
		{"as many tokens as are asked for", Ranking{Documents: []string{document(200, 190)}, Parts: 9, DocumentTokens: 100}, []float32{0}, []int{100, 40}},
		{"cut", Ranking{Documents: []string{document(200, 190)}, Parts: 1}, []float32{0}, []int{100}},
		{"cut at the start", Ranking{Documents: []string{document(200, 190)}, Parts: 1, FromEnd: true}, []float32{9}, []int{100}},
		{"none", Ranking{}, []float32{}, nil},
	} {
		test.ranking.Query = "q"
		got, fed, err := run(test.ranking)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		tokens := 0
		for _, n := range fed {
			tokens += n
		}
		if diff := cmp.Diff(Ranked{Logits: test.logits, Tokens: tokens, Runs: len(fed)}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(test.fed, fed); diff != "" {
			t.Errorf("%s: runs (-want +got):\n%s", test.name, diff)
		}
	}
	_, _, err := run(Ranking{Query: "q", Documents: []string{"a", strings.Repeat("a", width+1)}, Whole: true})
	var long *TooLongError
	if !errors.As(err, &long) || *long != (TooLongError{Index: 1, Tokens: 101, Max: 100}) {
		t.Errorf("too long: %v", err)
	}
	if _, _, err := run(Ranking{Query: "q", Documents: []string{strings.Repeat("a", width)}, Whole: true}); err != nil {
		t.Errorf("one that just fits: %v", err)
	}
}

// TestRankReadsAll also where other work waits, and gives the logits that Score gives.
func TestRankReadsAll(t *testing.T) {
	e, _ := scorer(width)
	passages := []string{"a", "bb", "ccc", "dddd", "a"}
	want, err := e.Score(t.Context(), Pairs{Query: "q", Passages: passages})
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Rank(t.Context(), Ranking{Query: "q", Documents: passages, Parts: 3})
	if diff := cmp.Diff(want.Logits, got.Logits); err != nil || diff != "" || got.Runs != 5 {
		t.Errorf("%v, %d runs: %s", err, got.Runs, diff)
	}
	failing := errors.New("failing")
	s := &session{give: func(context.Context, *Batch) (Output, error) { return Output{}, failing }}
	if _, err := NewCrossEncoder(s, bert(), CrossSpec{MaxTokens: 10}, NewLanes(1)).Rank(t.Context(), Ranking{Query: "q", Documents: passages}); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
}

func TestEmbedTokens(t *testing.T) {
	var runs atomic.Int64
	s := &session{give: func(_ context.Context, b *Batch) (Output, error) {
		runs.Add(1)
		return Output{Data: []float32{float32(b.Width), float32(b.IDs[1])}, Shape: []int64{1, 2}}, nil
	}}
	e := NewBiEncoder(s, bert(), BiSpec{MaxTokens: 6, Dimension: 2, QueryPrefix: "q", PassagePrefix: "pp", Normalize: true}, NewLanes(2))
	if e.Room() != 4 {
		t.Errorf("room for %d", e.Room())
	}
	for role, want := range map[Role]string{RawRole: "[2 4]", QueryRole: "[3 5]", PassageRole: "[4 6]"} {
		lists, err := e.Tokens(t.Context(), InteractiveLane, role, []string{"ab", "abcd"})
		if err != nil || fmt.Sprint([]int{len(lists[0]), len(lists[1])}) != want {
			t.Errorf("role %d: %v %v, want %s tokens", role, err, lists, want)
		}
	}
	lists, err := e.Tokens(t.Context(), InteractiveLane, RawRole, []string{"ab", "cdefgh"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.EmbedTokens(t.Context(), BatchLane, lists, true)
	if err != nil || got[0][0] != 4 || got[1][0] != 6 || runs.Load() != 2 {
		t.Errorf("raw: %v %v, %d runs", err, got, runs.Load())
	}
	unit, err := e.EmbedTokens(t.Context(), InteractiveLane, lists[:1], false)
	one, wrong := e.EmbedPassages(t.Context(), []string{"x"})
	if err != nil || wrong != nil || len(one) != 1 {
		t.Fatal(err, wrong)
	}
	if square := unit[0][0]*unit[0][0] + unit[0][1]*unit[0][1]; square < 0.999 || square > 1.001 {
		t.Errorf("not of unit length: %v", unit)
	}
}
