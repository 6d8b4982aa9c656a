package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/redkite/redkite/internal/rag"
)

// abandoned is a job that is not done, with what may have become of its wake-up.
type abandoned struct {
	id         rag.JobID
	kind       rag.JobKind
	state      rag.JobState
	leaseUntil sql.NullInt64
	nextRunAt  sql.NullInt64
	crashes    int
	inParse    int // of the crashes, those that came while it parsed
	wakeID     int64
	wakeState  sql.NullString
	wakeTaken  sql.NullTime // when a process took the wake-up
	wakeDue    sql.NullTime
	fence      int64
}

const abandonedColumns = `j.id, j.kind, j.state, j.lease_until, j.next_run_at, j.crashes, j.parse_crashes, j.river_id, j.fence,
	r.state, r.attempted_at, r.scheduled_at FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id`

func scanAbandoned(r row) (abandoned, error) {
	var a abandoned
	err := r.Scan(&a.id, &a.kind, &a.state, &a.leaseUntil, &a.nextRunAt, &a.crashes, &a.inParse, &a.wakeID, &a.fence, &a.wakeState, &a.wakeTaken, &a.wakeDue)
	return a, err
}

// reap finds jobs that nobody will do by themselves, and wakes them again: those whose holder gave no sign of life for
// a lease, or is a dead process of this host; and those whose River job is gone, ended, or was taken by a process that
// died before it claimed.
func (c *Catalog) reap(ctx context.Context) error {
	if err := c.expireDead(ctx); err != nil {
		return fmt.Errorf("expire leases of dead processes: %w", err)
	}
	suspects, err := collect(ctx, c.read, scanAbandoned, `SELECT `+abandonedColumns+`
		WHERE j.finished_at IS NULL AND ((j.state = 'running' AND j.lease_until < ?)
			OR (j.state <> 'running' AND (r.state IS NULL OR r.state <> 'available')))`, micros(c.now()))
	if err != nil {
		return fmt.Errorf("read abandoned jobs: %w", err)
	}
	for _, s := range suspects {
		if !s.lost(c.now(), c.queue.Overdue) {
			continue
		}
		if err := c.rouse(ctx, s.id); err != nil {
			return err
		}
	}
	return nil
}

// lost reports whether nobody will do the job by itself.
func (a abandoned) lost(now time.Time, overdue time.Duration) bool {
	if a.state == rag.JobRunning {
		return a.leaseUntil.Int64 < micros(now)
	}
	switch rivertype.JobState(a.wakeState.String) {
	case rivertype.JobStateAvailable, rivertype.JobStatePending:
		return false
	case rivertype.JobStateRunning:
		return a.wakeTaken.Valid && now.Sub(a.wakeTaken.Time) > overdue
	case rivertype.JobStateScheduled, rivertype.JobStateRetryable:
		return a.wakeDue.Valid && now.Sub(a.wakeDue.Time) > overdue
	}
	return true // gone or ended
}

// rouse gives an abandoned job a fresh River job, after it has looked again in the transaction that does so. A job that
// crashed too often in a row without any progress fails.
func (c *Catalog) rouse(ctx context.Context, id rag.JobID) error {
	failed := false
	err := c.inTx(ctx, fmt.Sprintf("rouse job %d", id), func(tx *transaction) error {
		failed = false
		a, err := scanAbandoned(tx.QueryRowContext(ctx, `SELECT `+abandonedColumns+` WHERE j.id = ? AND j.finished_at IS NULL`, id))
		if errors.Is(err, sql.ErrNoRows) || err == nil && !a.lost(c.now(), c.queue.Overdue) {
			return nil
		}
		if err != nil {
			return err
		}
		if a.state == rag.JobRunning {
			j, err := claimedJob(ctx, tx, rag.Claim{Job: id, Fence: a.fence})
			if err != nil {
				return err
			}
			if err := c.note(ctx, tx, id, rag.AttemptCrashed, &rag.Failure{
				Code: codeCrashed, Message: "the worker died, or lost its catalog for longer than its lease",
			}); err != nil {
				return err
			}
			a.crashes++
			if j.Kind == rag.JobIngest && j.Stage == rag.StageParse {
				a.inParse++
			}
			if f := c.tooOften(a); f != nil {
				failed = true
				return c.giveUp(ctx, tx, j, a, f)
			}
			if err := moveJob(ctx, tx, j, rag.JobQueued, nil, `crashes = ?, parse_crashes = ?, lease_owner = '', lease_until = NULL`, a.crashes, a.inParse); err != nil {
				return err
			}
		}
		var at time.Time
		if a.nextRunAt.Valid {
			at = fromMicros(a.nextRunAt.Int64)
		}
		if _, err := c.river.JobCancelTx(ctx, tx.Tx, a.wakeID); err != nil && !errors.Is(err, rivertype.ErrNotFound) {
			return fmt.Errorf("cancel old wake-up: %w", err)
		}
		c.log.WarnContext(ctx, "job found abandoned and queued again", "job_id", id, "state", string(a.state), "crashes", a.crashes)
		return c.wake(ctx, tx, id, a.kind, at)
	})
	if err == nil && failed {
		c.ends.tell(id)
	}
	return err
}

// tooOften says why a job that crashed again is given up; nil where it is not.
func (c *Catalog) tooOften(a abandoned) *rag.Failure {
	switch {
	case a.inParse >= c.queue.MaxParseCrashes:
		return &rag.Failure{Code: codeParse, Message: fmt.Sprintf("the worker died %d times while it parsed this document; the document may be what "+
			"kills it, or memory is short. Save it anew, or as another format, and upload it again", a.inParse)}
	case a.crashes >= c.queue.MaxCrashes:
		return &rag.Failure{Code: codeCrashed, Message: fmt.Sprintf("the worker died %d times in a row while it worked on this; the document may be what kills it, "+
			"or memory is short", a.crashes)}
	}
	return nil
}

// giveUp fails a job that takes its process down whenever it runs.
func (c *Catalog) giveUp(ctx context.Context, tx *transaction, j rag.Job, a abandoned, f *rag.Failure) error {
	if _, err := tx.ExecContext(ctx, `UPDATE jobs SET crashes = ?, parse_crashes = ?, lease_owner = '', lease_until = NULL WHERE id = ?`,
		a.crashes, a.inParse, j.ID); err != nil {
		return err
	}
	c.log.ErrorContext(ctx, "job given up after crashes", "job_id", j.ID, "crashes", a.crashes, "while_parsing", a.inParse)
	return settling{c: c, tx: tx, job: j}.end(ctx, f)
}

// codeParse is the code of documents that can't be parsed, those among them that take the worker down.
const codeParse = "parse_error"

// codeCrashed is the code of attempts that a worker did not survive, and of a job that had too many of them.
const codeCrashed = "crashed"

// expireDead ends the leases of processes of this host that are no more.
func (c *Catalog) expireDead(ctx context.Context) error {
	owners, err := collect(ctx, c.read, scanOne[string],
		`SELECT DISTINCT lease_owner FROM jobs WHERE lease_until > ?`, micros(c.now()))
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if !isDead(owner) {
			continue
		}
		err := c.inTx(ctx, "expire leases of "+owner, func(tx *transaction) error {
			_, err := tx.ExecContext(ctx, `UPDATE jobs SET lease_until = 0 WHERE lease_owner = ? AND lease_until IS NOT NULL`, owner)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
