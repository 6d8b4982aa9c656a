package encode

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hold is work that keeps its slot for a while, unless its context ends.
func hold(took time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(took):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TestLanesOrder fills the one slot, lines up waiters on both lanes, and watches in which order they run.
func TestLanesOrder(t *testing.T) {
	const i, b = InteractiveLane, BatchLane
	tests := []struct {
		name    string
		waiting []Lane
		want    []Lane
	}{
		{"queries go first", []Lane{b, i, i}, []Lane{i, i, b}},
		{"ingestion alone", []Lane{b, b}, []Lane{b, b}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lanes := NewLanes(1)
				start := make(chan struct{})
				go lanes.Do(t.Context(), InteractiveLane, func(context.Context) error { <-start; return nil })
				synctest.Wait()
				ran := make(chan Lane, len(test.waiting))
				var all sync.WaitGroup
				for _, lane := range test.waiting {
					all.Go(func() {
						err := lanes.Do(t.Context(), lane, func(ctx context.Context) error {
							ran <- lane
							return hold(10 * time.Millisecond)(ctx)
						})
						if err != nil {
							t.Error(err)
						}
					})
					synctest.Wait() // it stands in line before the next one comes
				}
				time.Sleep(time.Millisecond) // the clock is synctest's: nothing waits
				close(start)
				var got []Lane
				for range test.waiting {
					got = append(got, <-ran)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				all.Wait()
			})
		})
	}
}

// TestLanesShareTime lets queries of 10 ms never stop beside ingestion's runs of 45 ms.
func TestLanesShareTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := NewLanes(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var done [2]time.Duration
		counted := make(chan func(), 8)
		for lane, took := range []time.Duration{10 * time.Millisecond, 45 * time.Millisecond} {
			for range 4 {
				go func() {
					for lanes.Do(ctx, Lane(lane), hold(took)) == nil {
						counted <- func() { done[lane] += took }
					}
				}()
			}
		}
		for ctx.Err() == nil {
			select {
			case count := <-counted:
				count()
			case <-ctx.Done():
			}
		}
		share := float64(done[BatchLane]) / float64(done[BatchLane]+done[InteractiveLane])
		if share < batchShare-0.02 || share > batchShare+0.03 {
			t.Errorf("ingestion had %.3f of the time, want %.3f", share, batchShare)
		}
		if busy := lanes.Busy(BatchLane); busy < done[BatchLane] || busy > done[BatchLane]+10*45*time.Millisecond {
			t.Errorf("the batch lane was busy for %v, its runs took %v", busy, done[BatchLane])
		}
		synctest.Wait()
	})
}

// TestLanesShareTimeWithOneQuery has a query read pair after pair on both slots beside ingestion: between two of its
// pairs it stands in no line, and must not lose its turn for that.
func TestLanesShareTimeWithOneQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := NewLanes(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for lane, took := range []time.Duration{4 * time.Millisecond, 10 * time.Millisecond} {
			for range 2 + 2*lane {
				go lanes.Series(ctx, Lane(lane), func() func(context.Context) error { return hold(took) })
			}
		}
		<-ctx.Done()
		synctest.Wait()
		share := float64(lanes.Busy(BatchLane)) / float64(lanes.Busy(BatchLane)+lanes.Busy(InteractiveLane))
		if share < batchShare-0.02 || share > batchShare+0.03 {
			t.Errorf("ingestion had %.3f of the time, want %.3f", share, batchShare)
		}
	})
}

func TestLanesSurviveAPanic(t *testing.T) {
	lanes := NewLanes(1)
	for _, lane := range []Lane{InteractiveLane, BatchLane} {
		func() {
			defer func() { _ = recover() }()
			_ = lanes.Do(t.Context(), lane, func(context.Context) error { panic("bug") })
		}()
		if lanes.free != 1 || len(lanes.slices) != 0 {
			t.Errorf("lane %d: %d slots are free and %d slices held, want 1 and 0", lane, lanes.free, len(lanes.slices))
		}
	}
}

// TestLanesSlices sees a long run on the batch lane give way to a query after 50 ms, once, and go through afterwards.
func TestLanesSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := NewLanes(1)
		begun := time.Now()
		ended := make(chan time.Duration, 1)
		tries := 0
		go func() {
			err := lanes.Do(t.Context(), BatchLane, func(ctx context.Context) error {
				tries++
				return hold(200 * time.Millisecond)(ctx)
			})
			if err != nil {
				t.Error(err)
			}
			ended <- time.Since(begun)
		}()
		time.Sleep(20 * time.Millisecond)
		for _, want := range []time.Duration{30 * time.Millisecond, 190 * time.Millisecond} { // to the slice's end; to the second try's
			asked := time.Now()
			if err := lanes.Do(t.Context(), InteractiveLane, func(context.Context) error {
				if waited := time.Since(asked); waited != want {
					t.Errorf("a query waited %v, want %v", waited, want)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if took := <-ended; tries != 2 || took != 250*time.Millisecond {
			t.Errorf("%d tries, done after %v", tries, took)
		}
	})
}

func TestLanesLetLongRunsBeWhereNoOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes, tries := NewLanes(2), 0
		go lanes.Do(t.Context(), InteractiveLane, hold(time.Second))
		err := lanes.Do(t.Context(), BatchLane, func(ctx context.Context) error { tries++; return hold(time.Second)(ctx) })
		if err != nil || tries != 1 {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

func TestLanesCancelledWaiterLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := NewLanes(1)
		start := make(chan struct{})
		go lanes.Do(t.Context(), InteractiveLane, func(context.Context) error { <-start; return nil })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { failed <- lanes.Do(ctx, InteractiveLane, hold(0)) }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(start)
		synctest.Wait()
		if err := lanes.Do(t.Context(), BatchLane, hold(0)); err != nil {
			t.Fatal(err)
		}
		if lanes.free != 1 || len(lanes.slices) != 0 {
			t.Errorf("%d slots are free and %d slices held, want 1 and 0", lanes.free, len(lanes.slices))
		}
	})
}
