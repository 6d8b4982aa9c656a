package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// CancelJob ends one of the tenant's jobs that is not over. An ingest job's document becomes canceled, and a version that
// was live stays so. From the commit on the job's writes are refused; its handler is stopped within QueueConfig.Watch.
// A canceled job stays as it is; for one that is over, or that can't be canceled, it is a conflict.
func (c *Catalog) CancelJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	var job rag.Job
	var ended []rag.JobID
	err := c.inTx(ctx, fmt.Sprintf("cancel job %d", id), func(tx *transaction) error {
		ended = nil
		var err error
		if job, err = lockedJob(ctx, tx, tenant, id); err != nil || job.State == rag.JobCanceled {
			return err
		}
		if err := cancelable(ctx, tx, job); err != nil {
			return err
		}
		f := &rag.Failure{Code: codeCanceled, Message: fmt.Sprintf("job %d was canceled on request; it can be retried", id)}
		if err := moveJob(ctx, tx, job, rag.JobCanceled, f, `finished_at = ?, next_run_at = NULL, error_code = ?, error_message = ?`,
			micros(c.now()), f.Code, f.Message); err != nil {
			return err
		}
		ended = []rag.JobID{id}
		if err := c.cleanUp(ctx, tx, job); err != nil {
			return err
		}
		job, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ?`, id))
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	c.canceled(ended)
	return job, nil
}

// cancelable refuses a job that is over, or whose work must not be left half done.
func cancelable(ctx context.Context, tx *transaction, job rag.Job) error {
	if job.State.Final() {
		return conflict("job_over", "job %d is over (%s): there is nothing to cancel", job.ID, job.State)
	}
	switch job.Kind {
	case rag.JobDeleteDocument, rag.JobDeleteCollection:
		return conflict("not_cancelable", "job %d deletes what search does not return any more; that can't be taken back", job.ID)
	case rag.JobCleanUp:
		return conflict("not_cancelable", "job %d removes what a failed or canceled job left; there is nothing in it to take back", job.ID)
	case rag.JobRebuild:
		return conflict("not_cancelable", "job %d fills the index anew; left half done, search would miss documents", job.ID)
	case rag.JobIngest:
		d, err := documentByID(ctx, tx, job.Document)
		if err != nil {
			return err
		}
		if d.LiveVersion == job.Version {
			return conflict("not_cancelable", "version %d of document %q is searchable already; job %d only removes what is older",
				job.Version, d.ExternalID, job.ID)
		}
	}
	return nil
}

// RetryJob runs one of the tenant's jobs that failed or was canceled once more, under its own id, from where it stopped:
// the job is the request, and whoever holds its id, or waits for it, sees what becomes of it. Its attempts before stay
// listed. What was chunked and indexed then is kept where its removal has not begun, else made anew. Where a handler of it
// is still stopping, or what it left is being removed, it begins after that.
// Any other job, and one whose version a newer upload has replaced or whose document is gone, is a conflict. One that
// was given up because it kills its worker is given up again at the next crash.
func (c *Catalog) RetryJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	var job rag.Job
	err := c.inTx(ctx, fmt.Sprintf("retry job %d", id), func(tx *transaction) error {
		var err error
		job, err = c.retry(ctx, tx, tenant, id)
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	return job, nil
}

// RetryDocument retries the job that was to make a document's newest version, as RetryJob does.
func (c *Catalog) RetryDocument(ctx context.Context, tenant string, collection rag.CollectionID, externalID string) (rag.Job, error) {
	var job rag.Job
	err := c.inTx(ctx, "retry document "+externalID, func(tx *transaction) error {
		d, found, err := documentByExternalID(ctx, tx, collection, externalID)
		if err != nil {
			return err
		}
		if !found {
			return noDocument(externalID)
		}
		if d.Status != rag.StatusFailed && d.Status != rag.StatusCanceled {
			return conflict("not_retryable", "document %q is %s; only a failed or canceled one can be retried", externalID, d.Status)
		}
		var id rag.JobID
		if err := tx.QueryRowContext(ctx, `SELECT MAX(id) FROM jobs WHERE document_id = ? AND version = ? AND kind = ?`,
			d.ID, d.Version, rag.JobIngest).Scan(&id); err != nil {
			return fmt.Errorf("find the job of version %d: %w", d.Version, err)
		}
		job, err = c.retry(ctx, tx, tenant, id)
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	return job, nil
}

func (c *Catalog) retry(ctx context.Context, tx *transaction, tenant string, id rag.JobID) (rag.Job, error) {
	job, err := lockedJob(ctx, tx, tenant, id)
	if err != nil {
		return rag.Job{}, err
	}
	if job.State != rag.JobFailed && job.State != rag.JobCanceled {
		return rag.Job{}, conflict("not_retryable", "job %d is %s; only a failed or canceled one can be retried", id, job.State)
	}
	if err := retryable(ctx, tx, job); err != nil {
		return rag.Job{}, err
	}
	crashes := 0
	if job.Error != nil && job.Error.Code == codeCrashed {
		crashes = max(0, c.queue.MaxCrashes-1)
	}
	if err := moveJob(ctx, tx, job, rag.JobQueued, nil, `stage = ?, finished_at = NULL, next_run_at = NULL, failures = 0, waits = 0,
		crashes = ?, parse_crashes = CASE WHEN parse_crashes > 0 THEN ? ELSE 0 END, error_code = '', error_message = ''`,
		rag.StageQueued, crashes, c.queue.MaxParseCrashes-1); err != nil {
		return rag.Job{}, err
	}
	if err := c.wake(ctx, tx, id, job.Kind, time.Time{}); err != nil {
		return rag.Job{}, err
	}
	return lockedJob(ctx, tx, tenant, id)
}

// retryable refuses a job that has nothing left to do.
func retryable(ctx context.Context, tx *transaction, job rag.Job) error {
	if job.Kind == rag.JobDeleteCollection || job.Kind == rag.JobCallback {
		return nil
	}
	var gone bool
	if err := tx.QueryRowContext(ctx, `SELECT deleted_at IS NOT NULL FROM collections WHERE id = ?`, job.Collection).Scan(&gone); err != nil {
		return fmt.Errorf("read collection %d: %w", job.Collection, err)
	}
	if gone {
		return conflict("collection_deleted", "the collection of job %d was deleted; nothing is left to retry", job.ID)
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
