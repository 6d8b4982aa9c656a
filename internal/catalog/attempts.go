package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// keptAttempts is how many bad ends of a job are kept, newest ones.
const keptAttempts = 20

// note keeps how an attempt ended. The same end again in a row counts the last one up, so that a service which is away
// for days does not push out what happened before.
func (c *Catalog) note(ctx context.Context, tx *transaction, id rag.JobID, outcome rag.AttemptOutcome, f *rag.Failure) error {
	last, err := scanAttempt(tx.QueryRowContext(ctx, `SELECT `+attemptColumns+` FROM attempts a WHERE a.job_id = ? ORDER BY a.number DESC LIMIT 1`, id))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read last attempt: %w", err)
	}
	now := micros(c.now())
	if last.Outcome == outcome && last.Error == *f {
		_, err := tx.ExecContext(ctx, `UPDATE attempts SET times = times + 1, ended_at = ? WHERE job_id = ? AND number = ?`, now, id, last.Number)
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO attempts (job_id, number, outcome, error_code, error_message, times, ended_at)
		VALUES (?, ?, ?, ?, ?, 1, ?)`, id, last.Number+1, outcome, f.Code, f.Message, now); err != nil {
		return fmt.Errorf("note attempt: %w", err)
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM attempts WHERE job_id = ? AND number <= ?`, id, last.Number+1-keptAttempts)
	return err
}

const attemptColumns = `a.number, a.outcome, a.error_code, a.error_message, a.times, a.ended_at`

func scanAttempt(r row) (rag.Attempt, error) {
	var a rag.Attempt
	var ended int64
	err := r.Scan(&a.Number, &a.Outcome, &a.Error.Code, &a.Error.Message, &a.Times, &ended)
	a.EndedAt = fromMicros(ended)
	return a, err
}

// Attempts gives the bad ends of one of the tenant's jobs that are kept, oldest first.
func (c *Catalog) Attempts(ctx context.Context, tenant string, id rag.JobID) ([]rag.Attempt, error) {
	all, err := collect(ctx, c.read, scanAttempt, `SELECT `+attemptColumns+` FROM attempts a JOIN jobs j ON j.id = a.job_id
		WHERE a.job_id = ? AND j.tenant = ? ORDER BY a.number`, id, tenant)
	if err != nil {
		return nil, unavailable(fmt.Sprintf("read attempts of job %d", id), err)
	}
	return all, nil
}
