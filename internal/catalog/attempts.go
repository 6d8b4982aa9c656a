package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// keptAttempts bounds the bad ends of a job that are kept, newest ones. With what happens again in a row counted up,
	// hardly a job comes near.
	keptAttempts = 1000
	// shownAttempts is how many of them Attempts gives.
	shownAttempts = 20
)

// note keeps how an attempt ended, with the worker and the time of its claim. The same end again in a row counts the
// last one up, so that a service which is away for days does not push out what happened before.
func (c *Catalog) note(ctx context.Context, tx *transaction, id rag.JobID, outcome rag.AttemptOutcome, f *rag.Failure) error {
	last, err := scanAttempt(tx.QueryRowContext(ctx, `SELECT `+attemptColumns+` FROM attempts a WHERE a.job_id = ? ORDER BY a.number DESC LIMIT 1`, id))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read last attempt: %w", err)
	}
	now := micros(c.now())
	if last.Outcome == outcome && last.Error == *f {
		_, err := tx.ExecContext(ctx, `UPDATE attempts SET times = times + 1, ended_at = ?,
			worker = (SELECT j.worker FROM jobs j WHERE j.id = attempts.job_id) WHERE job_id = ? AND number = ?`, now, id, last.Number)
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO attempts (job_id, number, outcome, error_code, error_message, times, worker, started_at, ended_at)
		SELECT j.id, ?, ?, ?, ?, 1, j.worker, j.claimed_at, ? FROM jobs j WHERE j.id = ?`,
		last.Number+1, outcome, f.Code, f.Message, now, id); err != nil {
		return fmt.Errorf("note attempt: %w", err)
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM attempts WHERE job_id = ? AND number <= ?`, id, last.Number+1-keptAttempts)
	return err
}

// noteCanceled keeps that an attempt was canceled, when its handler has stopped.
func (c *Catalog) noteCanceled(ctx context.Context, tx *transaction, claim rag.Claim) error {
	j, err := scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j WHERE j.id = ?`, claim.Job))
	if err != nil {
		return err
	}
	f := &rag.Failure{Code: codeCanceled, Message: "it was canceled on request"}
	if j.State == rag.JobCanceled && j.Error != nil {
		f = j.Error
	}
	return c.note(ctx, tx, claim.Job, rag.AttemptCanceled, f)
}

const attemptColumns = `a.number, a.outcome, a.error_code, a.error_message, a.times, a.worker, a.started_at, a.ended_at`

func scanAttempt(r row) (rag.Attempt, error) {
	var a rag.Attempt
	var started sql.NullInt64
	var ended int64
	err := r.Scan(&a.Number, &a.Outcome, &a.Error.Code, &a.Error.Message, &a.Times, &a.Worker, &started, &ended)
	a.StartedAt, a.EndedAt = optional(started), fromMicros(ended)
	return a, err
}

// Attempts gives the newest twenty bad ends of one of the tenant's jobs, oldest first, and how often each outcome was.
func (c *Catalog) Attempts(ctx context.Context, tenant string, id rag.JobID) ([]rag.Attempt, map[rag.AttemptOutcome]int, error) {
	what := fmt.Sprintf("read attempts of job %d", id)
	newest, err := collect(ctx, c.read, scanAttempt, `SELECT `+attemptColumns+` FROM attempts a JOIN jobs j ON j.id = a.job_id
		WHERE a.job_id = ? AND j.tenant = ? ORDER BY a.number DESC LIMIT ?`, id, tenant, shownAttempts)
	if err != nil {
		return nil, nil, unavailable(what, err)
	}
	slices.Reverse(newest)
	counts, err := countBy[rag.AttemptOutcome](ctx, c.read, `SELECT a.outcome, CAST(SUM(a.times) AS BIGINT) FROM attempts a
		JOIN jobs j ON j.id = a.job_id WHERE a.job_id = ? AND j.tenant = ? GROUP BY a.outcome`, id, tenant)
	return newest, counts, err
}
