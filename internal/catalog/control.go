package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// CancelJob ends one of the tenant's ingest jobs that is not over; its document becomes canceled, and a version that was
// live stays so. From the commit on the job's writes are refused; its handler is stopped within QueueConfig.Watch.
// A canceled job stays as it is; for one that is over, or that can't be canceled any more, it is a conflict.
func (c *Catalog) CancelJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	var job rag.Job
	var ended []rag.JobID
	err := c.inTx(ctx, fmt.Sprintf("cancel job %d", id), func(tx *transaction) error {
		ended = nil
		var err error
		if job, err = lockedJob(ctx, tx, tenant, id); err != nil || job.State == rag.JobCanceled {
			return err
		}
		if job.State.Final() {
			return conflict("job_over", "job %d is over (%s): there is nothing to cancel", id, job.State)
		}
		if job.Kind != rag.JobIngest {
			return conflict("not_cancelable", "job %d deletes what search does not return any more; that can't be taken back", id)
		}
		d, err := documentByID(ctx, tx, job.Document)
		if err != nil {
			return err
		}
		if d.LiveVersion == job.Version {
			return conflict("not_cancelable", "version %d of document %q is searchable already; job %d only removes what is older", job.Version, d.ExternalID, id)
		}
		now := micros(c.now())
		if ended, err = cancelJobs(ctx, tx, now, "it was canceled on request", `id = ?`, id); err != nil {
			return err
		}
		f := &rag.Failure{Code: "canceled", Message: fmt.Sprintf("job %d was canceled on request; retry it, or upload again", id)}
		if err := setVersionState(ctx, tx, job, rag.StatusCanceled, f); err != nil {
			return err
		}
		job, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ?`, id))
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	c.ends.tell(ended...)
	return job, nil
}

// RetryJob runs one of the tenant's jobs that failed or was canceled once more, under its own id, from where it stopped:
// with all its attempts before it, and what was chunked and indexed then. Any other job, and one whose version a newer
// upload has replaced or whose document is gone, is a conflict.
func (c *Catalog) RetryJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	var job rag.Job
	err := c.inTx(ctx, fmt.Sprintf("retry job %d", id), func(tx *transaction) error {
		var err error
		if job, err = lockedJob(ctx, tx, tenant, id); err != nil {
			return err
		}
		if job.State != rag.JobFailed && job.State != rag.JobCanceled {
			return conflict("not_retryable", "job %d is %s; only a failed or canceled one can be retried", id, job.State)
		}
		if err := c.retryable(ctx, tx, job); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE jobs SET state = ?, stage = ?, finished_at = NULL, next_run_at = NULL,
			failures = 0, waits = 0, crashes = 0, error_code = '', error_message = '' WHERE id = ?`, rag.JobQueued, rag.StageQueued, id); err != nil {
			return err
		}
		if job.Kind == rag.JobIngest {
			if err := setVersionState(ctx, tx, job, rag.StatusQueued, nil); err != nil {
				return err
			}
		}
		if err := c.wake(ctx, tx, id, time.Time{}); err != nil {
			return err
		}
		job, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ?`, id))
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	return job, nil
}

// retryable refuses a job that must not run again now.
func (c *Catalog) retryable(ctx context.Context, tx *transaction, job rag.Job) error {
	var lease sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT lease_until FROM jobs WHERE id = ?`, job.ID).Scan(&lease); err != nil {
		return err
	}
	if lease.Valid && lease.Int64 > micros(c.now()) {
		p := conflict("still_stopping", "job %d was canceled and is still stopping; try again in a moment", job.ID)
		p.RetryAfter = time.Second
		return p
	}
	if job.Kind != rag.JobIngest {
		return nil
	}
	d, err := documentByID(ctx, tx, job.Document)
	if errors.Is(err, sql.ErrNoRows) || err == nil && d.Status == rag.StatusDeleting {
		return conflict("document_deleted", "the document of job %d was deleted; upload it again", job.ID)
	}
	if err != nil {
		return err
	}
	if d.Version != job.Version {
		return conflict("superseded", "job %d was for version %d of document %q, which has version %d by now; nothing is left to retry",
			job.ID, job.Version, d.ExternalID, d.Version)
	}
	return nil
}

// lockedJob reads one of the tenant's jobs and keeps others from changing it until the transaction ends.
func lockedJob(ctx context.Context, tx *transaction, tenant string, id rag.JobID) (rag.Job, error) {
	if _, err := tx.ExecContext(ctx, `UPDATE jobs SET fence = fence WHERE id = ? AND tenant = ?`, id, tenant); err != nil {
		return rag.Job{}, err
	}
	j, err := scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ? AND j.tenant = ?`, id, tenant))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Job{}, noJob(id)
	}
	return j, err
}

func conflict(code, format string, args ...any) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrConflict, Code: code, Message: fmt.Sprintf(format, args...)}
}
