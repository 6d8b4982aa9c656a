package catalog

import (
	"context"
	"sync"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// waitPollFirst and waitPollMost bound how late WaitJob learns of a job that another process ended.
	waitPollFirst = 50 * time.Millisecond
	waitPollMost  = 250 * time.Millisecond
)

// WaitJob returns the job once it is final, or as it stands, with ctx's error, when ctx ends first.
func (c *Catalog) WaitJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	ended, stop := c.ends.listen(id)
	defer stop()
	for interval := waitPollFirst; ; interval = min(2*interval, waitPollMost) {
		// One more read when the time is up, so that the caller can be told how far the job is.
		job, err := c.Job(context.WithoutCancel(ctx), tenant, id)
		if err != nil || job.State.Final() {
			return job, err
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return job, ctx.Err()
		case <-ended:
			ended = nil // told once; the row says the rest
		case <-timer.C:
		}
		timer.Stop()
	}
}

// canceled tells this process of jobs that were canceled: who waits for them, and the handlers that work on them.
// Handlers of other processes find out by themselves, within QueueConfig.Watch.
func (c *Catalog) canceled(ids []rag.JobID) {
	c.ends.tell(ids...)
	select {
	case c.revoked <- struct{}{}:
	default: // told already
	}
}

// ends tells waiters in this process that a job is final.
type ends struct {
	mu      sync.Mutex
	waiters map[rag.JobID][]chan struct{}
}

func newEnds() *ends { return &ends{waiters: map[rag.JobID][]chan struct{}{}} }

// listen gives a channel that is closed when the job ends, and a function to stop listening.
func (e *ends) listen(id rag.JobID) (<-chan struct{}, func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := make(chan struct{})
	e.waiters[id] = append(e.waiters[id], ch)
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		rest := e.waiters[id][:0]
		for _, w := range e.waiters[id] {
			if w != ch {
				rest = append(rest, w)
			}
		}
		if e.waiters[id] = rest; len(rest) == 0 {
			delete(e.waiters, id)
		}
	}
}

func (e *ends) tell(ids ...rag.JobID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		for _, ch := range e.waiters[id] {
			close(ch)
		}
		delete(e.waiters, id)
	}
}
