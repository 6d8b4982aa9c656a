package encode

import (
	"context"
	"sync"
)

// Lane is a class of work. Queries wait for a person; ingestion does not.
type Lane int

// The lanes.
const (
	InteractiveLane Lane = iota
	BatchLane
)

// batchShare guarantees the batch lane one grant of this many while both lanes wait.
const batchShare = 4

// Lanes hands out the slots in which the encoders run: one a core. Whoever asks on the interactive lane goes before
// whoever waits on the batch lane, but at least one grant of batchShare is the batch lane's, so that a stream of queries
// can't stop ingestion. A run takes well under 200 ms, so a query that finds every slot taken by ingestion waits no
// longer than that.
type Lanes struct {
	mu      sync.Mutex
	free    int
	size    int
	waiting [2][]chan struct{} // by lane, oldest first
	streak  int                // grants to the interactive lane since the batch lane had one while it waited
}

// NewLanes makes n slots, at least one.
func NewLanes(n int) *Lanes {
	n = max(1, n)
	return &Lanes{free: n, size: n}
}

// Size is the number of slots.
func (l *Lanes) Size() int { return l.size }

// Acquire waits for a slot and gives the function that returns it. The only error is the context's.
func (l *Lanes) Acquire(ctx context.Context, lane Lane) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return l.release(), nil
	}
	turn := make(chan struct{})
	l.waiting[lane] = append(l.waiting[lane], turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return l.release(), nil
	case <-ctx.Done():
		if !l.leave(lane, turn) { // the turn came at the same moment: pass it on
			l.release()()
		}
		return nil, ctx.Err()
	}
}

// release gives a function that returns one slot, once.
func (l *Lanes) release() func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if turn := l.next(); turn != nil {
				close(turn)
			} else {
				l.free++
			}
		})
	}
}

// next takes the waiter whose turn it is, or nil. It is called with mu held.
func (l *Lanes) next() chan struct{} {
	lane := InteractiveLane
	switch {
	case len(l.waiting[InteractiveLane]) == 0 && len(l.waiting[BatchLane]) == 0:
		return nil
	case len(l.waiting[InteractiveLane]) == 0:
		lane = BatchLane
	case len(l.waiting[BatchLane]) > 0 && l.streak >= batchShare-1:
		lane = BatchLane
	}
	if lane == BatchLane || len(l.waiting[BatchLane]) == 0 {
		l.streak = 0
	} else {
		l.streak++
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
