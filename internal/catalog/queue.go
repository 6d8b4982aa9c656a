package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/redkite/redkite/internal/rag"
)

// QueueConfig sets the queue's times and limits. Zero fields take the defaults named with each.
type QueueConfig struct {
	Lease       time.Duration // how long a claim holds without a sign of life. Defaults to 15 s.
	Renew       time.Duration // how often leases are renewed. Defaults to 5 s, a third of Lease.
	Watch       time.Duration // how often lost and canceled claims are looked for. Defaults to 500 ms.
	Reap        time.Duration // how often abandoned jobs are looked for. Defaults to 5 s.
	Poll        time.Duration // how often new jobs are looked for. Defaults to 100 ms.
	Overdue     time.Duration // how late a wake-up may be before it counts as lost. Defaults to 10 s.
	SoftStop    time.Duration // how long running jobs may go on after a stop. Defaults to 5 s.
	HardStop    time.Duration // how long they may then take to return. Defaults to 10 s.
	RetryFirst  time.Duration // delay after the first failure; doubles. Defaults to 1 s.
	RetryMost   time.Duration // longest delay after a failure. Defaults to 60 s.
	WaitMost    time.Duration // longest delay while a service is down. Defaults to 15 s.
	MaxFailures int           // failures after which a job fails for good. Defaults to 6.
	MaxCrashes  int           // crashes in a row without progress after which it does. Defaults to 10.
	// MaxParseCrashes are crashes while a document is parsed after which its job fails. Defaults to 2.
	MaxParseCrashes int

	Sweep            time.Duration // how often batches that ended are looked for. Defaults to 500 ms.
	CallbackFirst    time.Duration // delay after a callback's first failure; doubles. Defaults to 5 s.
	CallbackMost     time.Duration // longest delay after a callback's failure. Defaults to 1 h.
	CallbackFailures int           // failures after which a callback is given up. Defaults to 12, in about two and a half hours.
}

func (q QueueConfig) withDefaults() QueueConfig {
	return QueueConfig{
		Lease:           cmp.Or(q.Lease, 15*time.Second),
		Renew:           cmp.Or(q.Renew, 5*time.Second),
		Watch:           cmp.Or(q.Watch, 500*time.Millisecond),
		Reap:            cmp.Or(q.Reap, 5*time.Second),
		Poll:            cmp.Or(q.Poll, 100*time.Millisecond),
		Overdue:         cmp.Or(q.Overdue, 10*time.Second),
		SoftStop:        cmp.Or(q.SoftStop, 5*time.Second),
		HardStop:        cmp.Or(q.HardStop, 10*time.Second),
		RetryFirst:      cmp.Or(q.RetryFirst, time.Second),
		RetryMost:       cmp.Or(q.RetryMost, time.Minute),
		WaitMost:        cmp.Or(q.WaitMost, 15*time.Second),
		MaxFailures:     cmp.Or(q.MaxFailures, 6),
		MaxCrashes:      cmp.Or(q.MaxCrashes, 10),
		MaxParseCrashes: cmp.Or(q.MaxParseCrashes, 2),

		Sweep:            cmp.Or(q.Sweep, 500*time.Millisecond),
		CallbackFirst:    cmp.Or(q.CallbackFirst, 5*time.Second),
		CallbackMost:     cmp.Or(q.CallbackMost, time.Hour),
		CallbackFailures: cmp.Or(q.CallbackFailures, 12),
	}
}

// fetchCooldown is the least time between two looks for jobs while there are enough of them. River's default of 100 ms
// would hold two workers to 20 short jobs a second.
const fetchCooldown = 5 * time.Millisecond

// callbackQueue is River's queue of callbacks: a slow receiver holds up other callbacks at most, and no document.
const (
	callbackQueue   = "callbacks"
	callbackWorkers = 4
)

// Handler does one claimed job. Its error says what next: nil, the job is done; rag.ErrUnavailable or rag.ErrOverloaded,
// it waits for the service, however long; rag.ErrYield, it goes on after the jobs that wait; another rag.Problem, it fails for good; anything else, and a panic, it is
// tried again, up to QueueConfig.MaxFailures times. Its context ends when the claim is lost or the queue stops.
type Handler func(ctx context.Context, claim rag.Claim, job rag.Job) error

// wakeArgs is all that River knows of a job.
type wakeArgs struct {
	Job rag.JobID `json:"job"`
}

// Kind names the job to River.
func (wakeArgs) Kind() string { return "redkite_job" }

// Run works on jobs, as many at a time as workers, until ctx ends; then it takes no more, gives running ones SoftStop to
// end, cancels the rest, and returns those to the queue for the next process. It may be called once per Catalog at a
// time.
func (c *Catalog) Run(ctx context.Context, handler Handler, workers int) error {
	r := newRunner(c, handler)
	bundle := river.NewWorkers()
	river.AddWorker(bundle, r)
	client, err := river.NewClient(c.write.queue(c.write.DB), &river.Config{
		ID: r.owner,
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: workers},
			callbackQueue:      {MaxWorkers: callbackWorkers, FetchPollInterval: 10 * c.queue.Poll},
		},
		Workers:           bundle,
		Logger:            riverLogger(c.log),
		FetchCooldown:     min(c.queue.Poll, fetchCooldown),
		FetchPollInterval: c.queue.Poll,
		JobTimeout:        -1, // the lease tells a job that hangs from one that works
		PollOnly:          true,
	})
	if err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	if err := c.reap(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("look for abandoned jobs: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start queue: %w", err)
	}
	stopLoops := r.startLoops(ctx)
	defer stopLoops()
	select {
	case <-ctx.Done():
	case <-client.Stopped():
		return errors.New("queue stopped by itself")
	}
	return r.stop(context.WithoutCancel(ctx), client)
}

// stop ends the work of a client: softly at first, then by canceling the handlers.
func (r *runner) stop(ctx context.Context, client interface {
	Stop(ctx context.Context) error
}) error {
	soft, cancel := context.WithTimeout(ctx, r.c.queue.SoftStop)
	defer cancel()
	if client.Stop(soft) == nil {
		return nil
	}
	close(r.stopping)
	r.claims.cancelAll(errStopping)
	hard, cancel := context.WithTimeout(ctx, r.c.queue.HardStop)
	defer cancel()
	if err := client.Stop(hard); err != nil {
		return fmt.Errorf("stop queue: handlers did not return within %s: %w", r.c.queue.HardStop, err)
	}
	return nil
}
