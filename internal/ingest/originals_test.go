package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// attic is a store of originals with the times they were written, and what the catalog names of them.
type attic struct {
	written map[string]time.Time
	needed  []string
	asked   int // keys looked up
}

func (a *attic) List(_ context.Context, before time.Time, visit func(string) error) error {
	for _, key := range slices.Sorted(maps.Keys(a.written)) {
		if a.written[key].Before(before) {
			if err := visit(key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *attic) Delete(_ context.Context, key string) error {
	delete(a.written, key)
	return nil
}

func (a *attic) NeededBlobs(_ context.Context, keys []string) ([]string, error) {
	a.asked += len(keys)
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !slices.Contains(a.needed, key) }), nil
}

// TestSweepOriginals fills a store with originals that are needed, left behind, and too young to tell.
func TestSweepOriginals(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		needed, left, young int
		dryRun              bool
		removed             int
		refused             bool
	}{
		"nothing":           {},
		"all needed":        {needed: 1200},
		"some left":         {needed: 1200, left: 700, young: 10, removed: 700},
		"a dry run":         {needed: 3, left: 5, dryRun: true},
		"few, none needed":  {left: 100, removed: 100},
		"many, most others": {needed: 100, left: 101, young: 3, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &attic{written: map[string]time.Time{}}
			add := func(kind string, n int, age time.Duration) {
				for i := range n {
					a.written[fmt.Sprintf("%s %d", kind, i)] = now.Add(-age)
				}
			}
			add("needed", test.needed, 48*time.Hour)
			add("left", test.left, originalAge+time.Second)
			add("young", test.young, originalAge-time.Second)
			for i := range test.needed {
				a.needed = append(a.needed, fmt.Sprintf("needed %d", i))
			}
			r := &reconciling{Reconciler: &Reconciler{Originals: a, Needs: a, Now: func() time.Time { return now }}, repair: !test.dryRun}
			err := r.sweepOriginals(t.Context())
			var p *rag.Problem
			if refused := errors.As(err, &p) && p.Code == "originals_of_others"; refused != test.refused || !refused && err != nil {
				t.Fatal(err)
			}
			want := rag.Reconciliation{Originals: test.left, OriginalsRemoved: test.removed}
			if diff := cmp.Diff(want, r.found); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if left := test.needed + test.left + test.young - test.removed; len(a.written) != left || a.asked != test.needed+test.left {
				t.Errorf("%d originals are there, want %d; %d were looked up", len(a.written), left, a.asked)
			}
		})
	}
}
