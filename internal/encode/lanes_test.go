package encode

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// TestLanesOrder fills the one slot, lines up waiters on both lanes, and watches in which order they get it.
func TestLanesOrder(t *testing.T) {
	tests := []struct {
		name    string
		waiting []Lane
		want    []Lane
	}{
		{"queries go first", []Lane{BatchLane, InteractiveLane, InteractiveLane}, []Lane{InteractiveLane, InteractiveLane, BatchLane}},
		{"ingestion gets one of four", []Lane{BatchLane, BatchLane, InteractiveLane, InteractiveLane, InteractiveLane, InteractiveLane, InteractiveLane, InteractiveLane, InteractiveLane},
			[]Lane{InteractiveLane, InteractiveLane, InteractiveLane, BatchLane, InteractiveLane, InteractiveLane, InteractiveLane, BatchLane, InteractiveLane}},
		{"ingestion alone", []Lane{BatchLane, BatchLane}, []Lane{BatchLane, BatchLane}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lanes := NewLanes(1)
				release, err := lanes.Acquire(t.Context(), BatchLane)
				if err != nil {
					t.Fatal(err)
				}
				granted := make(chan Lane, len(test.waiting))
				for _, lane := range test.waiting {
					go func() {
						release, err := lanes.Acquire(t.Context(), lane)
						if err != nil {
							t.Error(err)
							return
						}
						granted <- lane
						release()
					}()
					synctest.Wait() // it stands in line before the next one comes
				}
				release()
				var got []Lane
				for range test.waiting {
					got = append(got, <-granted)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestLanesCancelledWaiterLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := NewLanes(1)
		release, err := lanes.Acquire(t.Context(), InteractiveLane)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := lanes.Acquire(ctx, InteractiveLane)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		release()
		release() // a second call must not make a second slot
		if _, err := lanes.Acquire(t.Context(), BatchLane); err != nil {
			t.Fatal(err)
		}
		if lanes.free != 0 {
			t.Errorf("%d slots are free, want 0", lanes.free)
		}
	})
}
