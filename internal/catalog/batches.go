package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

const batchColumns = `b.id, b.collection_id, COALESCE((SELECT n.name FROM collections n WHERE n.id = b.collection_id), ''),
	b.created_at, b.lease_until, b.received_at, b.canceled_at, b.error_code, b.error_message, b.callback_url, b.callback_job`

// batchRow is a batch's own row.
type batchRow struct {
	rag.Batch
	lease    int64
	canceled *time.Time
	callback rag.Callback
}

func scanBatch(r row) (batchRow, error) {
	var b batchRow
	var code, message string
	var created int64
	var received, canceled sql.NullInt64
	if err := r.Scan(&b.ID, &b.Collection, &b.Name, &created, &b.lease, &received, &canceled, &code, &message, &b.callback.URL, &b.callback.Job); err != nil {
		return batchRow{}, err
	}
	b.CreatedAt, b.ReceivedAt, b.canceled, b.Error = fromMicros(created), optional(received), optional(canceled), failure(code, message)
	return b, nil
}

// Batch finds one of the tenant's batches, with its counts. Another tenant's is not found.
func (c *Catalog) Batch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error) {
	b, err := c.batch(ctx, `b.id = ? AND b.tenant = ?`, id, tenant)
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Batch{}, noBatch(id)
	}
	if err != nil {
		return rag.Batch{}, unavailable(fmt.Sprintf("read batch %d", id), err)
	}
	return b, nil
}

func noBatch(id rag.BatchID) error {
	return &rag.Problem{Kind: rag.ErrNotFound, Code: "batch_not_found", Message: fmt.Sprintf("there is no batch %d; check the id", id)}
}

func (c *Catalog) batch(ctx context.Context, where string, args ...any) (rag.Batch, error) {
	b, err := scanBatch(c.read.QueryRowContext(ctx, `SELECT `+batchColumns+` FROM batches b WHERE `+where, args...))
	if err != nil {
		return rag.Batch{}, err
	}
	return c.complete(ctx, b)
}

// Batches lists the tenant's batches, newest first, those of one collection or, with 0, all.
func (c *Catalog) Batches(ctx context.Context, tenant string, collection rag.CollectionID, before rag.BatchID, limit int) ([]rag.Batch, error) {
	where, args := `b.tenant = ?`, []any{tenant}
	if collection != 0 {
		where, args = where+` AND b.collection_id = ?`, append(args, collection)
	}
	if before != 0 {
		where, args = where+` AND b.id < ?`, append(args, before)
	}
	rows, err := collect(ctx, c.read, scanBatch, `SELECT `+batchColumns+` FROM batches b WHERE `+where+` ORDER BY b.id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, unavailable("list batches", err)
	}
	page := make([]rag.Batch, len(rows))
	for i, b := range rows {
		if page[i], err = c.complete(ctx, b); err != nil {
			return nil, unavailable(fmt.Sprintf("read batch %d", b.ID), err)
		}
	}
	return page, nil
}

// rateWindow is the time over which a batch's rate is measured.
const rateWindow = time.Minute

// complete adds what a batch's entries, their jobs and its callback tell.
func (c *Catalog) complete(ctx context.Context, b batchRow) (rag.Batch, error) {
	now := c.now()
	window := min(rateWindow, now.Sub(b.CreatedAt))
	last, recent, err := c.countEntries(ctx, &b.Batch, micros(now.Add(-window)))
	if err != nil {
		return rag.Batch{}, err
	}
	if b.ReceivedAt == nil && b.lease < micros(now) { // no worker has found that yet
		broken := fromMicros(b.lease)
		b.ReceivedAt, b.Error = &broken, &rag.Failure{Code: ingest.CodeBroken, Message: ingest.MessageBroken}
	}
	switch {
	case b.ReceivedAt == nil:
		b.State = rag.BatchReceiving
	case b.Counts.Open() > 0:
		b.State = rag.BatchRunning
	default:
		b.State = rag.BatchEnded
		if b.canceled != nil {
			b.State = rag.BatchCanceled
		}
		ended := fromMicros(max(last, micros(*b.ReceivedAt)))
		b.EndedAt = &ended
	}
	if b.Counts.Open() > 0 && window > 0 {
		b.Rate = float64(recent) / window.Seconds()
	}
	if b.callback.URL != "" {
		b.Callback, err = c.callbackOf(ctx, b.callback)
	}
	return b.Batch, err
}

// countEntries counts a batch's entries. It gives when the last job ended and how many ended after since.
func (c *Catalog) countEntries(ctx context.Context, b *rag.Batch, since int64) (last int64, recent int, err error) {
	type group struct {
		state    string
		n        int
		finished sql.NullInt64
		recent   int
	}
	groups, err := collect(ctx, c.read, func(r row) (g group, err error) {
		return g, r.Scan(&g.state, &g.n, &g.finished, &g.recent)
	}, `SELECT s, COUNT(*), MAX(f), SUM(CASE WHEN f > ? THEN 1 ELSE 0 END) FROM (
			SELECT CASE WHEN e.error_code <> '' THEN 'refused' WHEN e.job_id = 0 THEN 'unchanged' ELSE COALESCE(j.state, 'canceled') END AS s,
				j.finished_at AS f
			FROM batch_entries e LEFT JOIN jobs j ON j.id = e.job_id WHERE e.batch_id = ?) AS entry GROUP BY s`, since, b.ID)
	if err != nil {
		return 0, 0, err
	}
	counts := map[string]*int{
		"refused": &b.Counts.Refused, "unchanged": &b.Counts.Unchanged,
		string(rag.JobQueued): &b.Counts.Queued, string(rag.JobRunning): &b.Counts.Running, string(rag.JobRetrying): &b.Counts.Retrying,
		string(rag.JobSucceeded): &b.Counts.Succeeded, string(rag.JobFailed): &b.Counts.Failed, string(rag.JobCanceled): &b.Counts.Canceled,
	}
	for _, g := range groups {
		*counts[g.state] = g.n
		last = max(last, g.finished.Int64)
		if g.state == string(rag.JobSucceeded) || g.state == string(rag.JobFailed) {
			recent += g.recent
		}
	}
	return last, recent, nil
}

// callbackOf adds what became of a callback.
func (c *Catalog) callbackOf(ctx context.Context, of rag.Callback) (*rag.Callback, error) {
	if of.Job == 0 {
		return &of, nil
	}
	j, err := scanJob(c.read.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ?`, of.Job))
	if err != nil {
		return nil, fmt.Errorf("read callback job %d: %w", of.Job, err)
	}
	of.State, of.Attempts, of.Error, of.NextRunAt, of.FinishedAt = j.State, j.Attempts, j.Error, j.NextRunAt, j.FinishedAt
	return &of, nil
}

// CallbackBatch gives the batch whose end a claimed job is to tell, and the secret that signs, empty for the server's.
func (c *Catalog) CallbackBatch(ctx context.Context, claim rag.Claim) (rag.Batch, string, error) {
	what := fmt.Sprintf("read batch of job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return rag.Batch{}, "", unavailable(what, err)
	}
	var secret string
	b, err := c.batch(ctx, `b.callback_job = ?`, j.ID)
	if err == nil {
		err = c.read.QueryRowContext(ctx, `SELECT callback_secret FROM batches WHERE id = ?`, b.ID).Scan(&secret)
	}
	if err != nil {
		return rag.Batch{}, "", unavailable(what, err)
	}
	return b, secret, nil
}

// RefusedEntries lists files of one of the tenant's batches that were not taken, in their order, after a number.
func (c *Catalog) RefusedEntries(ctx context.Context, tenant string, id rag.BatchID, after, limit int) ([]rag.RefusedEntry, error) {
	page, err := collect(ctx, c.read, func(r row) (e rag.RefusedEntry, err error) {
		return e, r.Scan(&e.Number, &e.Path, &e.Error.Code, &e.Error.Message)
	}, `SELECT e.number, e.path, e.error_code, e.error_message FROM batch_entries e JOIN batches b ON b.id = e.batch_id
		WHERE b.id = ? AND b.tenant = ? AND e.error_code <> '' AND e.number > ? ORDER BY e.number LIMIT ?`, id, tenant, after, limit)
	if err != nil {
		return nil, unavailable(fmt.Sprintf("list refused entries of batch %d", id), err)
	}
	return page, nil
}

// The waits between looks at a batch that somebody waits for.
const (
	batchPollFirst = 50 * time.Millisecond
	batchPollMost  = time.Second
)

// WaitBatch returns the batch once it is over, or as it stands, with ctx's error, when ctx ends first.
func (c *Catalog) WaitBatch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error) {
	for interval := batchPollFirst; ; interval = min(2*interval, batchPollMost) {
		b, err := c.Batch(context.WithoutCancel(ctx), tenant, id)
		if err != nil || b.State.Final() {
			return b, err
		}
		if err := pause(ctx, interval); err != nil {
			return b, err
		}
	}
}

// CancelBatch ends one of the tenant's batches that is not over: no more files are taken, and its jobs that are not over
// are canceled, as CancelJob does; documents that are searchable already stay so. It may be repeated. A batch that has
// ended is a conflict.
func (c *Catalog) CancelBatch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error) {
	b, err := c.Batch(ctx, tenant, id)
	if err != nil || b.State == rag.BatchCanceled {
		return b, err
	}
	if b.State == rag.BatchEnded {
		return b, conflict(codeBatchOver, "batch %d has ended: there is nothing to cancel", id)
	}
	err = c.inTx(ctx, fmt.Sprintf("cancel batch %d", id), func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `UPDATE batches SET canceled_at = COALESCE(canceled_at, ?), received_at = COALESCE(received_at, ?) WHERE id = ?`,
			micros(c.now()), micros(c.now()), id)
		return err
	})
	for after := rag.JobID(0); err == nil; {
		var done bool
		if after, done, err = c.cancelJobsOf(ctx, id, after); done {
			break
		}
	}
	if err != nil {
		return rag.Batch{}, err
	}
	return c.Batch(ctx, tenant, id)
}

// cancelJobsOf cancels the next of a batch's jobs after the given one.
func (c *Catalog) cancelJobsOf(ctx context.Context, id rag.BatchID, after rag.JobID) (last rag.JobID, done bool, err error) {
	var ended []rag.JobID
	err = c.inTx(ctx, fmt.Sprintf("cancel jobs of batch %d", id), func(tx *transaction) error {
		ended = nil
		jobs, err := collect(ctx, tx, scanOne[rag.JobID], `SELECT j.id FROM batch_entries e JOIN jobs j ON j.id = e.job_id
			WHERE e.batch_id = ? AND j.id > ? AND j.finished_at IS NULL ORDER BY j.id LIMIT ?`, id, after, idBatch)
		if done = len(jobs) == 0; err != nil || done {
			return err
		}
		last = jobs[len(jobs)-1]
		reason := fmt.Sprintf("batch %d was canceled on request; the job can be retried", id)
		marks, args := placeholders(jobs)
		if ended, err = cancelJobs(ctx, tx, micros(c.now()), reason, `id IN (`+marks+`) AND NOT EXISTS (
			SELECT 1 FROM documents d WHERE d.id = jobs.document_id AND d.live_version = jobs.version)`, args...); err != nil || len(ended) == 0 {
			return err
		}
		return cancelVersions(ctx, tx, reason, ended)
	})
	if err == nil {
		c.canceled(ended)
	}
	return last, done, err
}
