package encode

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// letters is a tokenizer double: a letter is a token, its code point the id.
type letters struct{ template Template }

func (letters) Encode(text string) ([]int32, error) { return []int32([]rune(text)), nil }
func (l letters) Template() Template                { return l.template }

func bert() letters {
	return letters{Template{Prefix: []int32{101}, Between: []int32{102}, Suffix: []int32{102}, PairType: 1}}
}

// session is a model double that notes what it is fed.
type session struct {
	mu   sync.Mutex
	fed  []Batch
	give func(ctx context.Context, b *Batch) (Output, error)
}

func (s *session) Run(ctx context.Context, b *Batch, read func(Output) error) error {
	s.mu.Lock()
	s.fed = append(s.fed, Batch{IDs: slices.Clone(b.IDs), TypeIDs: slices.Clone(b.TypeIDs), Mask: slices.Clone(b.Mask), Rows: b.Rows, Width: b.Width})
	s.mu.Unlock()
	out, err := s.give(ctx, b)
	if err != nil {
		return err
	}
	err = read(out)
	clear(out.Data) // it is the session's own: what reads it must not keep it
	return err
}

// single and pair fill a new batch.
func single(t Template, ids []int32, most int) *Batch {
	b := new(Batch)
	t.single(b, ids, most)
	return b
}

func pair(t Template, query, passage []int32, most int) *Batch {
	b := &Batch{IDs: make([]int64, 0, 2), TypeIDs: make([]int64, 0, 2), Mask: make([]int64, 0, 2)}
	t.pair(b, query, passage, most)
	return b
}

func TestTemplates(t *testing.T) {
	a, b := []int32{1, 2}, []int32{3, 4, 5}
	roberta := Template{Prefix: []int32{0}, Between: []int32{9, 9}, Suffix: []int32{9}}
	tests := []struct {
		name       string
		got        *Batch
		ids, types []int64
	}{
		{"single", single(bert().template, b, 512), []int64{101, 3, 4, 5, 102}, []int64{0, 0, 0, 0, 0}},
		{"single cut keeps its end", single(bert().template, b, 4), []int64{101, 3, 4, 102}, []int64{0, 0, 0, 0}},
		{"single empty", single(bert().template, nil, 512), []int64{101, 102}, []int64{0, 0}},
		{"pair", pair(bert().template, a, b, 512), []int64{101, 1, 2, 102, 3, 4, 5, 102}, []int64{0, 0, 0, 0, 1, 1, 1, 1}},
		{"pair cut", pair(bert().template, a, b, 7), []int64{101, 1, 2, 102, 3, 4, 102}, []int64{0, 0, 0, 0, 1, 1, 1}},
		{"pair of nothing", pair(bert().template, nil, nil, 512), []int64{101, 102, 102}, []int64{0, 0, 1}},
		{"pair without types", pair(roberta, a, b, 512), []int64{0, 1, 2, 9, 9, 3, 4, 5, 9}, make([]int64, 9)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.ids, test.got.IDs); diff != "" {
				t.Error("ids", diff)
			}
			if diff := cmp.Diff(test.types, test.got.TypeIDs); diff != "" {
				t.Error("types", diff)
			}
			if test.got.Width != len(test.ids) || len(test.got.Mask) != len(test.ids) || slices.Contains(test.got.Mask, 0) {
				t.Errorf("width %d, mask %v", test.got.Width, test.got.Mask)
			}
		})
	}
}

// The wanted numbers are what the Python package tokenizers keeps with strategy longest_first.
func TestLongestFirst(t *testing.T) {
	tests := []struct{ a, b, room, wantA, wantB int }{
		{3, 4, 10, 3, 4}, {3, 40, 10, 3, 7}, {40, 3, 10, 7, 3}, {40, 50, 10, 5, 5}, {40, 50, 11, 5, 6}, {50, 40, 11, 6, 5},
		{5, 50, 10, 5, 5}, {6, 50, 10, 5, 5}, {0, 50, 10, 0, 10}, {4, 4, 0, 0, 0},
	}
	for _, test := range tests {
		if a, b := longestFirst(test.a, test.b, test.room); a != test.wantA || b != test.wantB {
			t.Errorf("%d and %d in %d: got %d and %d, want %d and %d", test.a, test.b, test.room, a, b, test.wantA, test.wantB)
		}
	}
}

func TestPooling(t *testing.T) {
	tokens := func(_ context.Context, b *Batch) (Output, error) { // token i has the vector (i, 2)
		var data []float32
		for i := range b.Width {
			data = append(data, float32(i), 2)
		}
		return Output{Data: data, Shape: []int64{1, int64(b.Width), 2}}, nil
	}
	pooled := func(context.Context, *Batch) (Output, error) {
		return Output{Data: []float32{3, 4}, Shape: []int64{1, 2}}, nil
	}
	tests := []struct {
		name string
		spec BiSpec
		give func(context.Context, *Batch) (Output, error)
		want rag.Embedding
	}{
		{"cls", BiSpec{Pooling: PoolCLS}, tokens, rag.Embedding{0, 2}},
		{"mean", BiSpec{Pooling: PoolMean}, tokens, rag.Embedding{1.5, 2}},
		{"unit length", BiSpec{Pooling: PoolCLS, Normalize: true}, tokens, rag.Embedding{0, 1}},
		{"pooled in the graph", BiSpec{Normalize: true}, pooled, rag.Embedding{0.6, 0.8}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.spec.MaxTokens, test.spec.Dimension = 512, 2
			e := NewBiEncoder(&session{give: test.give}, bert(), test.spec, NewLanes(2))
			got, err := e.EmbedQuery(t.Context(), "ab")
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if math.Abs(float64(got[i]-test.want[i])) > 1e-6 {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
	wrong := NewBiEncoder(&session{give: pooled}, bert(), BiSpec{MaxTokens: 512, Dimension: 3}, NewLanes(1))
	if _, err := wrong.EmbedQuery(t.Context(), "ab"); err == nil || !strings.Contains(err.Error(), "[1 2]") {
		t.Errorf("a model of another dimension: got %v", err)
	}
}

func TestPrefixes(t *testing.T) {
	s := &session{give: func(context.Context, *Batch) (Output, error) {
		return Output{Data: []float32{1}, Shape: []int64{1, 1}}, nil
	}}
	e := NewBiEncoder(s, bert(), BiSpec{MaxTokens: 512, Dimension: 1, QueryPrefix: "q:", PassagePrefix: "p:"}, NewLanes(1))
	if _, err := e.EmbedQuery(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.EmbedPassages(t.Context(), []string{"y"}); err != nil {
		t.Fatal(err)
	}
	if s.fed[0].IDs[1] != 'q' || s.fed[1].IDs[1] != 'p' {
		t.Errorf("fed %v", s.fed)
	}
}

// scorer gives the length of a pair as its logit.
func scorer(give func(context.Context, *Batch) (Output, error)) (*CrossEncoder, *session) {
	s := &session{give: give}
	return NewCrossEncoder(s, bert(), CrossSpec{MaxTokens: 512}, NewLanes(1)), s
}

func width(_ context.Context, b *Batch) (Output, error) {
	return Output{Data: []float32{float32(b.Width)}, Shape: []int64{1, 1}}, nil
}

func TestScoreReadsEqualPassagesOnce(t *testing.T) {
	e, s := scorer(width)
	got, err := e.Score(t.Context(), Pairs{Query: "q", Passages: []string{"aa", "b", "aa", ""}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Scores{Logits: []float32{6, 5, 6, 4}, Scored: []bool{true, true, true, true}, Count: 4}, got); diff != "" {
		t.Error(diff)
	}
	if len(s.fed) != 3 {
		t.Errorf("%d runs, want 3", len(s.fed))
	}
}

func TestScoreGivesWhatTheDeadlineLeft(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	runs := 0
	e, _ := scorer(func(ctx context.Context, b *Batch) (Output, error) {
		if runs++; runs == 3 {
			cancel(context.DeadlineExceeded)
			return Output{}, ctx.Err()
		}
		return width(ctx, b)
	})
	got, err := e.Score(ctx, Pairs{Query: "q", Passages: []string{"a", "bb", "ccc", "dddd"}})
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(Scores{Logits: []float32{5, 6, 0, 0}, Scored: []bool{true, true, false, false}, Count: 2}, got); diff != "" {
		t.Error(diff)
	}
}

func TestScoreFails(t *testing.T) {
	broken := errors.New("bad graph")
	e, _ := scorer(func(context.Context, *Batch) (Output, error) { return Output{}, broken })
	if _, err := e.Score(t.Context(), Pairs{Query: "q", Passages: []string{"a"}}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	e, _ = scorer(func(context.Context, *Batch) (Output, error) {
		return Output{Data: []float32{1, 2}, Shape: []int64{1, 2}}, nil
	})
	if _, err := e.Score(t.Context(), Pairs{Query: "q", Passages: []string{"a"}}); err == nil {
		t.Error("two numbers were taken for a logit")
	}
}
