package ingest

import "sync"

// turnChunks is how many chunks a document may have embedded before it counts as a long one: half a minute of work, or
// less, on two cores.
const turnChunks = 256

// turns keeps long jobs from taking all workers: where each has one, and other jobs wait, one of them gives way. It goes
// on later at the chunk where it stopped, and the other long ones go on meanwhile.
type turns struct {
	mu   sync.Mutex
	long int // jobs at work that have lasted
}

func (t *turns) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.long++
}

func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.long--
}

// all reports whether as many jobs as there are workers have lasted.
func (t *turns) all(workers int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return workers > 0 && t.long >= workers
}

// turn is one document's.
type turn struct {
	turns   *turns
	workers int
	chunks  int // done
	counted bool
}

func (t *turns) begin(workers int) *turn { return &turn{turns: t, workers: workers} }

// done notes that so many chunks more are, and reports whether the document is to give way.
func (t *turn) done(chunks int, waiting func() (bool, error)) (over bool, err error) {
	t.chunks += chunks
	if t.chunks < turnChunks {
		return false, nil
	}
	if !t.counted {
		t.counted = true
		t.turns.enter()
	}
	if !t.turns.all(t.workers) {
		return false, nil
	}
	wait, err := waiting()
	return err == nil && wait && t.giveWay(), err
}

// giveWay ends the document's turn, unless another one's has ended since.
func (t *turn) giveWay() bool {
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	if t.turns.long < t.workers {
		return false
	}
	t.turns.long--
	t.counted = false
	return true
}

func (t *turn) end() {
	if t.counted {
		t.turns.leave()
	}
}
