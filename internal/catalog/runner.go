package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/redkite/redkite/internal/rag"
)

var (
	// errStopping is why handlers are canceled when the queue stops.
	errStopping = errors.New("the queue stops")
	// errLost is why a handler is canceled whose job was canceled or given to another.
	errLost = fmt.Errorf("the claim is lost: %w", rag.ErrStale)
)

// runner is the River worker: it claims, runs and settles one job at a time per call of Work.
type runner struct {
	river.WorkerDefaults[wakeArgs]
	c       *Catalog
	handler Handler
	owner   string // names this run in leases
	claims  claims
	log     *slog.Logger
	// stopping is closed when handlers have had their time to end.
	stopping chan struct{}
}

func newRunner(c *Catalog, handler Handler) *runner {
	return &runner{
		c: c, handler: handler, owner: newOwner(), log: c.log, stopping: make(chan struct{}),
		claims: claims{held: map[rag.Claim]context.CancelCauseFunc{}},
	}
}

// Work does the job that River woke it for, if that is still to be done. It returns nil or a snooze: whether a job is
// tried again is decided by its own row.
func (r *runner) Work(ctx context.Context, wake *river.Job[wakeArgs]) error {
	claim, job, wait, err := r.c.claim(ctx, wake.Args.Job, wake.ID, r.owner)
	if err != nil {
		r.log.ErrorContext(ctx, "job not claimed", "job_id", wake.Args.Job, "error", err)
		return river.JobSnooze(time.Second)
	}
	if wait > 0 {
		return river.JobSnooze(wait)
	}
	if claim.Fence == 0 {
		return nil
	}
	handling, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	r.claims.add(claim, cancel)
	select {
	case <-r.stopping: // the others were canceled while this one was being claimed
		cancel(errStopping)
	default:
	}
	err = r.handle(handling, claim, job)
	wait, err = r.settle(ctx, claim, outcomeOf(err, context.Cause(handling)))
	r.claims.remove(claim)
	if err != nil {
		// The lease runs out and the job is found by the reaper.
		r.log.ErrorContext(ctx, "job not settled", "job_id", claim.Job, "error", err)
		return nil
	}
	if wait > 0 {
		return river.JobSnooze(wait)
	}
	return nil
}

// handle calls the handler and turns a panic into an error.
func (r *runner) handle(ctx context.Context, claim rag.Claim, job rag.Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.ErrorContext(ctx, "job panicked", "job_id", claim.Job, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("job %d panicked: %v", claim.Job, p)
		}
	}()
	return r.handler(ctx, claim, job)
}

// settle writes how the handler ended. It must not be cut short by the queue's stop. While the database is away it is
// tried again, until that stop: a job whose end is known is not to be done, and counted, once more.
func (r *runner) settle(ctx context.Context, claim rag.Claim, o outcome) (time.Duration, error) {
	for tries := 1; ; tries++ {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*busyTimeout)
		wait, err := r.c.settle(limited, claim, o)
		cancel()
		if !errors.Is(err, rag.ErrUnavailable) {
			return wait, err
		}
		if tries == 1 {
			r.log.WarnContext(ctx, "job not settled yet", "job_id", claim.Job, "error", err)
		}
		again := time.NewTimer(backoff(r.c.queue.RetryFirst, r.c.queue.RetryFirst, tries))
		select {
		case <-again.C:
		case <-r.stopping:
			again.Stop()
			return wait, err
		}
	}
}

// startLoops starts what keeps claims alive and finds abandoned jobs, and gives a function that stops it. The loops
// outlive ctx: leases must hold until the last handler has returned.
func (r *runner) startLoops(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var loops sync.WaitGroup
	loop := func(every time.Duration, now <-chan struct{}, do func(context.Context)) {
		loops.Go(func() {
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-now:
				case <-ticker.C:
				}
				do(ctx)
			}
		})
	}
	renewed := r.c.now()
	loop(r.c.queue.Renew, nil, func(ctx context.Context) {
		if err := r.c.setClock(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "clock not read", "error", err)
		}
		renewed = r.renew(ctx, renewed)
	})
	loop(r.c.queue.Watch, r.c.revoked, r.watch)
	loop(r.c.queue.Reap, nil, func(ctx context.Context) {
		if err := r.c.reap(ctx); err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "abandoned jobs not looked for", "error", err)
		}
	})
	loop(r.c.queue.Sweep, nil, func(ctx context.Context) {
		if err := r.c.sweepBatches(ctx); err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "ended batches not looked for", "error", err)
		}
	})
	return func() {
		cancel()
		loops.Wait()
	}
}

// renew extends the leases of the claims in hand, also of canceled jobs whose handlers have not returned. One that this
// run has let go of without being able to write that down runs out, and the reaper finds its job. If renewing has not
// worked for as long as a lease holds, the claims are given up, since others may have them. It gives the time of the
// last success.
func (r *runner) renew(ctx context.Context, last time.Time) time.Time {
	now := r.c.now()
	held := r.claims.all()
	if len(held) == 0 {
		return now
	}
	limited, cancel := context.WithTimeout(ctx, r.c.queue.Lease)
	defer cancel()
	jobs := make([]rag.JobID, len(held))
	for i, claim := range held {
		jobs[i] = claim.Job
	}
	marks, ids := placeholders(jobs)
	_, err := r.c.write.ExecContext(limited, `UPDATE jobs SET lease_until = ? WHERE lease_owner = ? AND lease_until IS NOT NULL
		AND id IN (`+marks+`)`, append([]any{micros(now.Add(r.c.queue.Lease)), r.owner}, ids...)...)
	if err == nil {
		return now
	}
	if ctx.Err() == nil {
		r.log.ErrorContext(ctx, "leases not renewed", "error", err)
	}
	if r.c.now().Sub(last) > r.c.queue.Lease {
		r.claims.cancelAll(errLost)
	}
	return last
}

// watch cancels the handlers of claims that do not hold any more.
func (r *runner) watch(ctx context.Context) {
	held := r.claims.all()
	if len(held) == 0 {
		return
	}
	valid, err := collect(ctx, r.c.read, func(row row) (rag.Claim, error) {
		var c rag.Claim
		return c, row.Scan(&c.Job, &c.Fence)
	}, `SELECT id, fence FROM jobs WHERE lease_owner = ? AND state = ?`, r.owner, rag.JobRunning)
	if err != nil {
		if ctx.Err() == nil {
			r.log.WarnContext(ctx, "claims not checked", "error", err)
		}
		return
	}
	r.claims.cancelExcept(held, valid)
}

// claims are the jobs that a run has in hand.
type claims struct {
	mu   sync.Mutex
	held map[rag.Claim]context.CancelCauseFunc
}

func (cs *claims) add(c rag.Claim, cancel context.CancelCauseFunc) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.held[c] = cancel
}

func (cs *claims) remove(c rag.Claim) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.held, c)
}

func (cs *claims) all() []rag.Claim {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	all := make([]rag.Claim, 0, len(cs.held))
	for c := range cs.held {
		all = append(all, c)
	}
	return all
}

func (cs *claims) cancelAll(cause error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, cancel := range cs.held {
		cancel(cause)
	}
}

// cancelExcept cancels those of the suspects that are not valid. Suspects are listed before the valid ones are read, so
// that a claim made in between is safe.
func (cs *claims) cancelExcept(suspects, valid []rag.Claim) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	good := make(map[rag.Claim]bool, len(valid))
	for _, c := range valid {
		good[c] = true
	}
	for _, c := range suspects {
		if cancel, ok := cs.held[c]; ok && !good[c] {
			cancel(errLost)
		}
	}
}
