package encode

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Lane is a class of work. Queries wait for a person; ingestion does not.
type Lane int

// The lanes.
const (
	InteractiveLane Lane = iota
	BatchLane
)

const (
	// batchShare is the batch lane's guaranteed part of the slots' time while both lanes want all of it. Ingestion takes
	// more of the processor than its runs: with half of the slots it had three fifths of the machine (docs/performance.md).
	batchShare = 0.35
	// slice is how long a run on the batch lane may go on while a query waits for its slot.
	slice = 50 * time.Millisecond
)

// errYield ends a run on the batch lane in favour of a query.
var errYield = errors.New("the slot is wanted by a query")

// Lanes hands out the slots in which the encoders run: one a core. Whoever asks on the interactive lane goes before
// whoever waits on the batch lane, but while both wait the batch lane gets a part of the time, so that a stream of
// queries can't stop ingestion. A run on the batch lane that has lasted 50 ms when a query finds no slot is ended and
// begun again later; that second time it goes through, so that long texts get done too.
type Lanes struct {
	mu      sync.Mutex
	size    int
	free    int
	waiting [2][]chan struct{} // by lane, oldest first
	owed    time.Duration      // to the batch lane, for what the interactive lane took while it waited
	slices  map[*slot]struct{} // held by runs that may be ended
	busy    [2]time.Duration   // of runs that are over, by lane
}

// slot is the right to run, held.
type slot struct {
	since time.Time
	end   context.CancelCauseFunc // nil where the run goes through
	timer *time.Timer             // ends the run when its slice is over; nil where no query waits
}

// NewLanes makes n slots, at least one.
func NewLanes(n int) *Lanes {
	n = max(1, n)
	return &Lanes{free: n, size: n, slices: map[*slot]struct{}{}}
}

// Size is the number of slots.
func (l *Lanes) Size() int { return l.size }

// Busy is the time that runs of a lane have held slots, all slots together.
func (l *Lanes) Busy(lane Lane) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy[lane]
}

// Wanted reports whether anyone waits for a slot, on either lane.
func (l *Lanes) Wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting[InteractiveLane])+len(l.waiting[BatchLane]) > 0
}

// Do waits for a slot and runs work in it; work must end soon after its context does, with the context's cause. On the
// batch lane work may be called a second time. The errors are work's own, and the context's.
func (l *Lanes) Do(ctx context.Context, lane Lane, work func(ctx context.Context) error) error {
	todo := work
	return l.Series(ctx, lane, func() func(context.Context) error {
		next := todo
		todo = nil
		return next
	})
}

// Series does what next gives, one after the other until that is nil, as Do does each. Between two of them it stands in
// line again, but from the slot: without that a slot would go to whoever waits on the other lane each time that a
// query's run ends, whatever its lane is owed.
func (l *Lanes) Series(ctx context.Context, lane Lane, next func() func(ctx context.Context) error) error {
	work := next()
	if work == nil {
		return nil
	}
	if err := l.wait(ctx, lane); err != nil {
		return err
	}
	held, took := true, time.Duration(0)
	defer func() { // after a panic in work, too
		if held {
			l.release(lane, took)
		}
	}()
	for through := lane == InteractiveLane; ; {
		var err error
		took, err = l.run(ctx, through, work)
		yielded := !through && errors.Is(err, errYield) && ctx.Err() == nil
		if !yielded && err == nil {
			work = next()
		}
		if !yielded && (err != nil || work == nil) {
			return err
		}
		through, held = yielded || lane == InteractiveLane, false
		if err := l.again(ctx, lane, took); err != nil {
			return err
		}
		held, took = true, 0
	}
}

// run calls work in a slot that is held; unless it is to go through, its slice may be ended.
func (l *Lanes) run(ctx context.Context, through bool, work func(ctx context.Context) error) (took time.Duration, err error) {
	s := &slot{since: time.Now()}
	if !through {
		ctx, s.end = context.WithCancelCause(ctx)
		defer s.end(nil)
		l.mu.Lock()
		l.slices[s] = struct{}{}
		l.endSlices()
		l.mu.Unlock()
	}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.slices, s)
		if s.timer != nil {
			s.timer.Stop()
		}
		took = time.Since(s.since)
	}()
	return 0, work(ctx)
}

// wait takes a slot. The only error is the context's.
func (l *Lanes) wait(ctx context.Context, lane Lane) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return nil
	}
	turn := l.line(lane)
	l.mu.Unlock()
	return l.turn(ctx, lane, turn)
}

// again gives a slot back after a run and takes the next one.
func (l *Lanes) again(ctx context.Context, lane Lane, took time.Duration) error {
	l.mu.Lock()
	turn := l.line(lane)
	l.account(lane, took)
	l.handOver()
	l.mu.Unlock()
	return l.turn(ctx, lane, turn)
}

// line takes the last place in a lane. Called with mu held.
func (l *Lanes) line(lane Lane) chan struct{} {
	turn := make(chan struct{})
	l.waiting[lane] = append(l.waiting[lane], turn)
	l.endSlices()
	return turn
}

// turn waits until it is called. The only error is the context's.
func (l *Lanes) turn(ctx context.Context, lane Lane, turn chan struct{}) error {
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		if !l.leave(lane, turn) { // the turn came at the same moment: pass it on
			l.mu.Lock()
			l.handOver()
			l.mu.Unlock()
		}
		return context.Cause(ctx)
	}
}

// endSlices has the runs that may be ended end when their slices are over, where queries wait. Called with mu held.
func (l *Lanes) endSlices() {
	if len(l.waiting[InteractiveLane]) == 0 {
		return
	}
	for s := range l.slices {
		if s.timer == nil {
			s.timer = time.AfterFunc(slice-time.Since(s.since), func() { l.endSlice(s) })
		}
	}
}

// endSlice ends a run if a query still waits and the run takes more than its lane is owed: work that is thrown away
// and begun again would come out of the lane's guaranteed part.
func (l *Lanes) endSlice(s *slot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, held := l.slices[s]; !held {
		return
	}
	if len(l.waiting[InteractiveLane]) == 0 {
		s.timer = nil
		return
	}
	if l.owed >= time.Since(s.since) {
		s.timer.Reset(slice)
		return
	}
	s.end(errYield)
}

// release gives a slot back after a run.
func (l *Lanes) release(lane Lane, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account(lane, took)
	l.handOver()
}

// handOver passes a slot on, or sets it free. Called with mu held.
func (l *Lanes) handOver() {
	if turn := l.next(); turn != nil {
		close(turn)
	} else {
		l.free++
	}
}

// account notes what a run took. Called with mu held.
func (l *Lanes) account(lane Lane, took time.Duration) {
	l.busy[lane] += took
	switch {
	case lane == BatchLane:
		l.owed -= took
	case len(l.waiting[BatchLane]) > 0:
		l.owed += time.Duration(float64(took) * batchShare / (1 - batchShare))
	}
	if len(l.waiting[InteractiveLane]) == 0 { // no one was kept waiting: nothing is owed either way
		l.owed = max(0, l.owed)
	}
	if len(l.waiting[BatchLane]) == 0 {
		l.owed = min(0, l.owed)
	}
}

// next takes the waiter whose turn it is, or nil. Called with mu held.
func (l *Lanes) next() chan struct{} {
	lane := InteractiveLane
	switch {
	case len(l.waiting[InteractiveLane]) == 0 && len(l.waiting[BatchLane]) == 0:
		return nil
	case len(l.waiting[InteractiveLane]) == 0:
		lane = BatchLane
	case len(l.waiting[BatchLane]) > 0 && l.owed >= slice:
		lane = BatchLane
	}
	turn := l.waiting[lane][0]
	l.waiting[lane] = l.waiting[lane][1:]
	return turn
}

// leave takes a waiter out of the line and reports whether it still stood there.
func (l *Lanes) leave(lane Lane, turn chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting[lane] {
		if w == turn {
			l.waiting[lane] = append(l.waiting[lane][:i:i], l.waiting[lane][i+1:]...)
			return true
		}
	}
	return false
}
