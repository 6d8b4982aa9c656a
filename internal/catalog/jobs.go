package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/redkite/redkite/internal/rag"
)

const jobColumns = `j.id, j.kind, j.collection_id, COALESCE((SELECT n.name FROM collections n WHERE n.id = j.collection_id), ''),
	j.document_id, j.external_id, j.version, j.worker, j.state, j.stage, j.done, j.total, j.reused, j.attempts,
	j.error_code, j.error_message, j.created_at, j.started_at, j.finished_at, j.next_run_at, j.params, j.result`

func scanJob(r row) (rag.Job, error) {
	var j rag.Job
	var code, message string
	var created int64
	var started, finished, next sql.NullInt64
	if err := r.Scan(&j.ID, &j.Kind, &j.Collection, &j.Name, &j.Document, &j.ExternalID, &j.Version, &j.Worker, &j.State, &j.Stage, &j.Done, &j.Total, &j.Reused, &j.Attempts,
		&code, &message, &created, &started, &finished, &next, &j.Params, &j.Result); err != nil {
		return rag.Job{}, err
	}
	j.Error = failure(code, message)
	j.CreatedAt, j.StartedAt, j.FinishedAt, j.NextRunAt = fromMicros(created), optional(started), optional(finished), optional(next)
	return j, nil
}

// Job finds one of the tenant's jobs. Another tenant's is not found.
func (c *Catalog) Job(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	j, err := scanJob(c.read.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ? AND j.tenant = ?`, id, tenant))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Job{}, noJob(id)
	}
	if err != nil {
		return rag.Job{}, unavailable(fmt.Sprintf("read job %d", id), err)
	}
	return j, nil
}

func noJob(id rag.JobID) error {
	return &rag.Problem{Kind: rag.ErrNotFound, Code: "job_not_found", Message: fmt.Sprintf("there is no job %d; check the id", id)}
}

// JobFilter asks for one page of jobs, newest first. Zero fields ask nothing.
type JobFilter struct {
	Collection rag.CollectionID
	Document   rag.DocumentID
	ExternalID string // the client's id of documents, deleted ones among them
	Batch      rag.BatchID
	IDs        []rag.JobID
	Kind       rag.JobKind
	States     []rag.JobState // any of these
	From, To   time.Time      // made in this time, From included
	Before     rag.JobID      // the last one of the page before
	Limit      int            // at least 1
}

// Jobs lists the tenant's jobs, newest first.
func (c *Catalog) Jobs(ctx context.Context, tenant string, f JobFilter) ([]rag.Job, error) {
	where, args := ` WHERE j.tenant = ?`, []any{tenant}
	add := func(condition string, values ...any) {
		where, args = where+" AND "+condition, append(args, values...)
	}
	if f.Collection != 0 {
		add(`j.collection_id = ?`, f.Collection)
	}
	if f.Document != 0 {
		add(`j.document_id = ?`, f.Document)
	}
	if f.ExternalID != "" {
		add(`j.external_id = ?`, f.ExternalID)
	}
	if f.Batch != 0 {
		add(`j.id IN (SELECT e.job_id FROM batch_entries e WHERE e.batch_id = ?)`, f.Batch)
	}
	if len(f.IDs) > 0 {
		marks, ids := placeholders(f.IDs)
		add(`j.id IN (`+marks+`)`, ids...)
	}
	if f.Kind != "" {
		add(`j.kind = ?`, f.Kind)
	}
	if !f.From.IsZero() {
		add(`j.created_at >= ?`, micros(f.From))
	}
	if !f.To.IsZero() {
		add(`j.created_at < ?`, micros(f.To))
	}
	if f.Before != 0 {
		add(`j.id < ?`, f.Before)
	}
	if len(f.States) > 0 {
		marks, states := placeholders(f.States)
		add(`j.state IN (`+marks+`)`, states...)
	}
	page, err := collect(ctx, c.read, scanJob, `SELECT `+jobColumns+` FROM jobs j`+where+` ORDER BY j.id DESC LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, unavailable("list jobs", err)
	}
	return page, nil
}

// QueueDepth counts the jobs that are not done by state, for metrics.
func (c *Catalog) QueueDepth(ctx context.Context) (map[rag.JobState]int, error) {
	return countBy[rag.JobState](ctx, c.read, `SELECT state, COUNT(*) FROM jobs WHERE finished_at IS NULL GROUP BY state`)
}

// addJob inserts a queued job and the River job that wakes it.
func (c *Catalog) addJob(ctx context.Context, tx *transaction, tenant string, j rag.Job) (rag.Job, error) {
	j.State, j.Stage, j.CreatedAt = rag.JobQueued, rag.StageQueued, fromMicros(micros(c.now()))
	if err := tx.QueryRowContext(ctx, `INSERT INTO jobs (tenant, kind, collection_id, document_id, external_id, version, state, stage, created_at)
		VALUES (?, ?, ?, ?, COALESCE((SELECT d.external_id FROM documents d WHERE d.id = ?), ''), ?, ?, ?, ?)
		RETURNING id, external_id, COALESCE((SELECT n.name FROM collections n WHERE n.id = jobs.collection_id), '')`,
		tenant, j.Kind, j.Collection, j.Document, j.Document, j.Version, j.State, j.Stage, micros(j.CreatedAt)).Scan(&j.ID, &j.ExternalID, &j.Name); err != nil {
		return rag.Job{}, fmt.Errorf("insert job: %w", err)
	}
	return j, c.wake(ctx, tx, j.ID, j.Kind, time.Time{})
}

// wake inserts a River job for a job, to run at once or at the given time.
func (c *Catalog) wake(ctx context.Context, tx *transaction, id rag.JobID, kind rag.JobKind, at time.Time) error {
	queue := river.QueueDefault
	if kind == rag.JobCallback {
		queue = callbackQueue
	}
	inserted, err := c.river.InsertTx(ctx, tx.Tx, wakeArgs{Job: id}, &river.InsertOpts{Queue: queue, ScheduledAt: at})
	if err != nil {
		return fmt.Errorf("enqueue job %d: %w", id, err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE jobs SET river_id = ? WHERE id = ?`, inserted.Job.ID, id); err != nil {
		return fmt.Errorf("enqueue job %d: %w", id, err)
	}
	return nil
}
