package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// drainPoll is how soon a job looks again whether the job before it on the same document has let go.
const drainPoll = 200 * time.Millisecond

// rebuildPoll is how soon a job looks again whether its collection's rebuild, which may take hours, is over.
const rebuildPoll = 5 * time.Second

// claim makes owner the holder of a job's lease and numbers the claim. A job that is final, or held by another, gives
// the zero claim; one that can't run yet, how long to wait. wakeID is the River job that asks: one that a newer
// River job has replaced does not claim.
func (c *Catalog) claim(ctx context.Context, id rag.JobID, wakeID int64, owner string) (claim rag.Claim, j rag.Job, wait time.Duration, err error) {
	err = c.inTx(ctx, fmt.Sprintf("claim job %d", id), func(tx *transaction) error {
		claim, wait = rag.Claim{}, 0
		var river, fence int64
		if err := tx.QueryRowContext(ctx, `SELECT river_id, fence FROM jobs WHERE id = ?`, id).Scan(&river, &fence); err != nil {
			return err
		}
		if j, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ?`, id)); err != nil {
			return err
		}
		if river != wakeID || (j.State != rag.JobQueued && j.State != rag.JobRetrying) {
			return nil
		}
		now := c.now()
		if j.NextRunAt != nil && j.NextRunAt.After(now) {
			wait = j.NextRunAt.Sub(now) + time.Millisecond
			return nil
		}
		if wait, err = held(ctx, tx, j, now); err != nil || wait > 0 {
			return err
		}
		claim = rag.Claim{Job: id, Fence: fence + 1}
		if err := moveJob(ctx, tx, j, rag.JobRunning, nil, `fence = ?, attempts = attempts + 1, next_run_at = NULL, lease_owner = ?,
			lease_until = ?, worker = ?, claimed_at = ?, started_at = COALESCE(started_at, ?), stage = CASE WHEN stage = ? THEN ? ELSE stage END`,
			claim.Fence, owner, micros(now.Add(c.queue.Lease)), workerName(), micros(now), micros(now), rag.StageParse, rag.StageQueued); err != nil {
			return err
		}
		j, err = claimedJob(ctx, tx, claim)
		return err
	})
	return claim, j, wait, err
}

// held gives how long a job has to wait before it looks again whether it may run; 0 where it may.
//
// It waits while a handler is still running that was canceled and has not stopped: of this job, which was retried since,
// or of another one on the same document, or on the same collection for a job on that. That keeps it from writing to
// Milvus what this job has removed.
// An ingest that was retried waits until what it left before is removed: else rows would be forgotten that Milvus has.
// A reconciliation runs beside everything but its like and the jobs that drop the index. A rebuild lets running jobs end
// and keeps others from beginning.
func held(ctx context.Context, tx *transaction, j rag.Job, now time.Time) (time.Duration, error) {
	others, args := `1 = 1`, []any{j.Collection, micros(now), j.ID}
	switch {
	case j.Kind == rag.JobCallback:
		others = `1 = 0`
	case j.Document != 0:
		others, args = `document_id = ?`, append(args, j.Document)
	case j.Kind == rag.JobDeleteDocuments:
		others, args = `kind = ?`, append(args, rag.JobDeleteCollection)
	case j.Kind == rag.JobReconcile:
		others, args = `kind IN (?, ?, ?)`, append(args, rag.JobReconcile, rag.JobRebuild, rag.JobDeleteCollection)
	}
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM jobs WHERE collection_id = ? AND lease_until > ? AND (id = ? OR `+others+`)`, args...).Scan(&n); err != nil {
		return 0, err
	}
	if n > 0 {
		return drainPoll, nil
	}
	if j.Kind == rag.JobIngest {
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM jobs WHERE document_id = ? AND kind = ? AND finished_at IS NULL`,
			j.Document, rag.JobCleanUp).Scan(&n); err != nil || n > 0 {
			return drainPoll, err
		}
	}
	if j.Kind == rag.JobRebuild || j.Kind == rag.JobDeleteCollection || j.Kind == rag.JobDeleteDocuments {
		return 0, nil
	}
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM jobs WHERE collection_id = ? AND kind = ? AND finished_at IS NULL`,
		j.Collection, rag.JobRebuild).Scan(&n)
	if n > 0 {
		return rebuildPoll, err
	}
	return 0, err
}

// outcome is how a handler ended.
type outcome struct {
	kind outcomeKind
	err  error
}

type outcomeKind int

const (
	outcomeDone      outcomeKind = iota
	outcomeStopped               // it was stopped for no fault of its own, or gave way: again at once
	outcomeWait                  // a service is down: again later, never given up
	outcomePermanent             // it can't work: never again
	outcomeFailed                // it may work: again later, some times
)

// outcomeOf judges a handler's error; cause is why its context ended, if it did.
func outcomeOf(err, cause error) outcome {
	var problem *rag.Problem
	var permanent interface{ Permanent() bool }
	switch {
	case err == nil:
		return outcome{kind: outcomeDone}
	case errors.Is(cause, errStopping), errors.Is(cause, errLost): // a claim that holds after all lost only its time
		return outcome{outcomeStopped, err}
	case errors.Is(err, rag.ErrYield):
		return outcome{outcomeStopped, err}
	case errors.Is(err, rag.ErrUnavailable), errors.Is(err, rag.ErrOverloaded), rag.FullDisk(err):
		return outcome{outcomeWait, err}
	case errors.Is(err, rag.ErrStale):
		return outcome{outcomeFailed, err}
	case errors.As(err, &problem), errors.As(err, &permanent) && permanent.Permanent(),
		errors.Is(err, rag.ErrInvalid), errors.Is(err, rag.ErrUnsupported), errors.Is(err, rag.ErrTooLarge):
		return outcome{outcomePermanent, err}
	}
	return outcome{outcomeFailed, err}
}

// settle writes a handler's outcome, if its claim still holds, and gives up its lease. It gives how long to wait until
// the job runs again; 0 where River has nothing left to do with this wake-up.
func (c *Catalog) settle(ctx context.Context, claim rag.Claim, o outcome) (time.Duration, error) {
	var wait time.Duration
	ended := false
	err := c.inTx(ctx, fmt.Sprintf("settle job %d", claim.Job), func(tx *transaction) error {
		wait, ended = 0, false
		result, err := tx.ExecContext(ctx, `UPDATE jobs SET lease_owner = '', lease_until = NULL
			WHERE id = ? AND fence = ? AND lease_until IS NOT NULL`, claim.Job, claim.Fence)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err // given up for dead, and perhaps another's
		}
		j, err := claimedJob(ctx, tx, claim)
		if errors.Is(err, rag.ErrStale) {
			return c.noteCanceled(ctx, tx, claim)
		}
		if err != nil {
			return err
		}
		s := settling{c: c, tx: tx, job: j}
		wait, err = s.write(ctx, o)
		ended = wait == 0 && o.kind != outcomeStopped
		return err
	})
	if err == nil && ended {
		c.ends.tell(claim.Job)
	}
	return wait, err
}

// settling writes one outcome within one transaction.
type settling struct {
	c   *Catalog
	tx  *transaction
	job rag.Job
}

func (s settling) write(ctx context.Context, o outcome) (time.Duration, error) {
	if o.kind == outcomeDone {
		live, err := s.isLive(ctx)
		if err != nil {
			return 0, err
		}
		if live {
			return 0, s.succeed(ctx)
		}
		o = outcome{outcomePermanent, fmt.Errorf("job %d ended without publishing version %d", s.job.ID, s.job.Version)}
	}
	switch o.kind {
	case outcomeStopped:
		return 0, s.requeue(ctx)
	case outcomeWait:
		return s.wait(ctx, o.err)
	case outcomeFailed:
		return s.retry(ctx, o.err)
	}
	return 0, s.fail(ctx, o.err)
}

// isLive reports whether an ingest job has done what it is for. Other jobs are believed.
func (s settling) isLive(ctx context.Context) (bool, error) {
	if s.job.Kind != rag.JobIngest {
		return true, nil
	}
	d, err := documentByID(ctx, s.tx, s.job.Document)
	return d.LiveVersion == s.job.Version, err
}

// succeed ends the job, and drops the rows of dead versions whose chunks are gone.
func (s settling) succeed(ctx context.Context) error {
	if s.job.Kind == rag.JobIngest {
		if _, err := s.tx.ExecContext(ctx, `DELETE FROM versions WHERE document_id = ? AND version IN `+deadVersions+`
			AND version NOT IN (SELECT k.version FROM chunks k WHERE k.document_id = ?)`,
			s.job.Document, s.job.Document, s.job.Document); err != nil {
			return fmt.Errorf("drop dead versions: %w", err)
		}
	}
	return moveJob(ctx, s.tx, s.job, rag.JobSucceeded, nil, `stage = ?, finished_at = ?, error_code = '', error_message = ''`,
		rag.StageDone, micros(s.c.now()))
}

// fail ends the job, and with it the version it was to make; one that is live stays so, and only what older versions
// left could not be removed.
func (s settling) fail(ctx context.Context, cause error) error {
	f := rag.FailureOf(cause)
	if err := s.c.note(ctx, s.tx, s.job.ID, rag.AttemptFailed, f); err != nil {
		return err
	}
	return s.end(ctx, f)
}

// end fails the job for a reason that is noted.
func (s settling) end(ctx context.Context, f *rag.Failure) error {
	if err := moveJob(ctx, s.tx, s.job, rag.JobFailed, f, `finished_at = ?, next_run_at = NULL, failures = failures + 1,
		error_code = ?, error_message = ?`, micros(s.c.now()), f.Code, f.Message); err != nil {
		return err
	}
	return s.c.cleanUp(ctx, s.tx, s.job)
}

// requeue gives the job to the next process, or to the next free worker after the jobs that wait now, as if this attempt
// had not been.
func (s settling) requeue(ctx context.Context) error {
	if err := moveJob(ctx, s.tx, s.job, rag.JobQueued, nil, `attempts = attempts - 1`); err != nil {
		return err
	}
	return s.c.wake(ctx, s.tx, s.job.ID, s.job.Kind, time.Time{})
}

// wait lets the job wait for a service: 1 s at first, then longer. The attempt is not counted.
func (s settling) wait(ctx context.Context, cause error) (time.Duration, error) {
	var waits int
	if err := s.tx.QueryRowContext(ctx, `UPDATE jobs SET waits = waits + 1, attempts = attempts - 1 WHERE id = ? RETURNING waits`,
		s.job.ID).Scan(&waits); err != nil {
		return 0, err
	}
	delay := backoff(s.c.queue.RetryFirst, s.c.queue.WaitMost, waits)
	return delay, s.later(ctx, rag.AttemptWaited, cause, delay)
}

// retry lets the job run again after a delay, unless it has failed too often.
func (s settling) retry(ctx context.Context, cause error) (time.Duration, error) {
	var failures int
	if err := s.tx.QueryRowContext(ctx, `SELECT failures + 1 FROM jobs WHERE id = ?`, s.job.ID).Scan(&failures); err != nil {
		return 0, err
	}
	first, most, attempts := s.c.queue.RetryFirst, s.c.queue.RetryMost, s.c.queue.MaxFailures
	if s.job.Kind == rag.JobCallback {
		first, most, attempts = s.c.queue.CallbackFirst, s.c.queue.CallbackMost, s.c.queue.CallbackFailures
	}
	if failures >= attempts {
		return 0, s.fail(ctx, cause)
	}
	if _, err := s.tx.ExecContext(ctx, `UPDATE jobs SET failures = ?, waits = 0 WHERE id = ?`, failures, s.job.ID); err != nil {
		return 0, err
	}
	delay := backoff(first, most, failures)
	return delay, s.later(ctx, rag.AttemptFailed, cause, delay)
}

func (s settling) later(ctx context.Context, outcome rag.AttemptOutcome, cause error, delay time.Duration) error {
	f := rag.FailureOf(cause)
	if err := s.c.note(ctx, s.tx, s.job.ID, outcome, f); err != nil {
		return err
	}
	return moveJob(ctx, s.tx, s.job, rag.JobRetrying, nil, `next_run_at = ?, error_code = ?, error_message = ?`,
		micros(s.c.now().Add(delay)), f.Code, f.Message)
}

// backoff doubles from first up to most with the number of tries, and takes up to a fifth off at random, so that jobs
// that failed together do not come back together.
func backoff(first, most time.Duration, tries int) time.Duration {
	delay := most
	if tries < 30 {
		delay = min(most, first<<(tries-1))
	}
	return delay - rand.N(delay/5+1)
}
