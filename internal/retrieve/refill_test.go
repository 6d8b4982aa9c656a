package retrieve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// then answers the first call by one search and the others by another.
func then(first, later func(context.Context, int) ([]rag.Candidate, error)) func(context.Context, int) ([]rag.Candidate, error) {
	calls := 0
	return func(ctx context.Context, limit int) ([]rag.Candidate, error) {
		if calls++; calls == 1 {
			return first(ctx, limit)
		}
		return later(ctx, limit)
	}
}

// TestRefillThatFails has dead rows take places, so that each side is asked for more, and lets that fail or be late: it
// is as if the side had failed at the first look.
func TestRefillThatFails(t *testing.T) {
	down, invalid := rag.Unavailable("milvus", errors.New("connection refused")), rag.Invalid("/filter/key", "no such field")
	dense, terms := found(1, 2, 3, 4, 5, 6, 7, 8), found(8, 7, 6, 5, 4, 3, 2, 1)
	dead := map[rag.ChunkID]bool{1: true, 2: true, 7: true, 8: true}
	for _, test := range []struct {
		name         string
		mode         rag.Mode
		dense, terms func(context.Context, int) ([]rag.Candidate, error)
		want         []int
		rankedBy     string
		degraded     []string
		err          error
	}{
		{"none", rag.ModeHybrid, dense, terms, []int{3, 6, 4, 5}, rag.RankedByFused, nil, nil},
		{"terms fail", rag.ModeHybrid, dense, then(terms, fails(down)), []int{3, 4, 5, 6}, rag.RankedByDense, []string{DegradedLexicalFailed}, nil},
		{"vectors fail", rag.ModeHybrid, then(dense, fails(down)), terms, []int{6, 5, 4, 3}, rag.RankedByLexical, []string{DegradedDenseFailed}, nil},
		{"terms are late", rag.ModeHybrid, dense, then(terms, late), []int{3, 4, 5, 6}, rag.RankedByDense, []string{DegradedLexicalDeadline}, nil},
		{"vectors are late", rag.ModeHybrid, then(dense, late), terms, []int{6, 5, 4, 3}, rag.RankedByLexical, []string{DegradedDenseDeadline}, nil},
		{"terms fail, and were asked for alone", rag.ModeLexical, dense, then(terms, fails(down)), []int{3, 4, 5, 6}, rag.RankedByDense, []string{DegradedLexicalFailed}, nil},
		{"terms fail at once, vectors later", rag.ModeHybrid, then(dense, fails(down)), fails(down), nil, "", nil, rag.ErrUnavailable},
		{"vectors fail at once, terms later", rag.ModeHybrid, fails(down), then(terms, fails(down)), nil, "", nil, rag.ErrUnavailable},
		{"both fail", rag.ModeHybrid, then(dense, fails(down)), then(terms, fails(down)), nil, "", nil, rag.ErrUnavailable},
		{"vectors fail, and were asked for alone", rag.ModeDense, then(dense, fails(down)), terms, nil, "", nil, rag.ErrUnavailable},
		{"both are late", rag.ModeHybrid, then(dense, late), then(terms, late), nil, "", nil, context.DeadlineExceeded},
		{"the request is at fault", rag.ModeHybrid, dense, then(terms, fails(invalid)), nil, "", nil, rag.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &library{dense: test.dense, terms: test.terms}
			l.dead = dead
			r := l.retriever(t)
			synctest.Test(t, func(t *testing.T) {
				got, err := r.Search(t.Context(), Query{Text: "kites", Mode: test.mode, Fusion: rag.Fusion{Method: rag.FusionRRF, Dense: 1, Lexical: 1}, TopK: 4, Candidates: 4, Deadline: time.Minute})
				if test.err != nil {
					if !errors.Is(err, test.err) {
						t.Errorf("got %v, %v, want %v", order(got.Hits), err, test.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, order(got.Hits)); diff != "" || got.RankedBy != test.rankedBy || !cmp.Equal(test.degraded, got.Degraded) {
					t.Errorf("%s\n%s, degraded %v", diff, got.RankedBy, got.Degraded)
				}
			})
		})
	}
}
