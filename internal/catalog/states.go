package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// This file alone writes the states of jobs and versions; docs/ingestion.md draws the moves, and tests compare. A
// document's state is that of its newest version, or 'deleting' from its deletion on. A version's state follows the job
// that makes it, in the job's transaction: it is parsing, embedding or indexing only while that job runs.

// errMove is a change of state that is not allowed: a mistake in this program, and refused.
var errMove = errors.New("this change of state is not allowed")

// jobMoves gives the states that a job may go to. The first state is queued.
func jobMoves(from rag.JobState) []rag.JobState {
	switch from {
	case rag.JobQueued, rag.JobRetrying:
		return []rag.JobState{rag.JobRunning, rag.JobCanceled}
	case rag.JobRunning:
		return []rag.JobState{rag.JobQueued, rag.JobRetrying, rag.JobSucceeded, rag.JobFailed, rag.JobCanceled}
	case rag.JobFailed, rag.JobCanceled:
		return []rag.JobState{rag.JobQueued} // on request
	}
	return nil
}

// stateSuperseded marks a version that a newer one overtook before it was live. It is never a document's state.
const stateSuperseded rag.Status = "superseded"

// versionMoves gives the states that a version may go to. The first state is queued.
func versionMoves(from rag.Status) []rag.Status {
	over := []rag.Status{rag.StatusFailed, rag.StatusCanceled, stateSuperseded}
	switch from {
	case rag.StatusQueued:
		return append(over, rag.StatusParsing, rag.StatusEmbedding)
	case rag.StatusParsing:
		return append(over, rag.StatusQueued, rag.StatusEmbedding)
	case rag.StatusEmbedding:
		return append(over, rag.StatusQueued, rag.StatusIndexing)
	case rag.StatusIndexing:
		return append(over, rag.StatusQueued, rag.StatusReady, rag.StatusReadyWithWarnings)
	case rag.StatusFailed, rag.StatusCanceled:
		return []rag.Status{rag.StatusQueued} // its job is retried
	}
	return nil
}

func jobStates() []rag.JobState {
	return []rag.JobState{rag.JobQueued, rag.JobRunning, rag.JobRetrying, rag.JobSucceeded, rag.JobFailed, rag.JobCanceled}
}

func versionStates() []rag.Status {
	return []rag.Status{
		rag.StatusQueued, rag.StatusParsing, rag.StatusEmbedding, rag.StatusIndexing, rag.StatusReady, rag.StatusReadyWithWarnings,
		rag.StatusFailed, rag.StatusCanceled, stateSuperseded,
	}
}

// sources gives, of all states, those that may go to one.
func sources[S comparable](all []S, moves func(S) []S, to S) []S {
	return slices.DeleteFunc(slices.Clone(all), func(from S) bool { return !slices.Contains(moves(from), to) })
}

// moveJob takes a job to another state, changes what set says besides ("column = ?, ..."), and has the version that it
// makes follow. f is why, where the state is failed or canceled. A move that jobMoves lacks is an error.
func moveJob(ctx context.Context, tx *transaction, j rag.Job, to rag.JobState, f *rag.Failure, set string, args ...any) error {
	marks, from := placeholders(sources(jobStates(), jobMoves, to))
	result, err := tx.ExecContext(ctx, `UPDATE jobs SET state = ?, `+set+` WHERE id = ? AND state IN (`+marks+`)`,
		append(append([]any{to}, args...), append([]any{j.ID}, from...)...)...)
	if err != nil {
		return fmt.Errorf("set state of job %d: %w", j.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("job %d, %s: %w: to %s", j.ID, j.State, errMove, to), err)
	}
	return follow(ctx, tx, j, to, f)
}

// follow takes a job's version along. One that is live, overtaken or gone stays as it is.
func follow(ctx context.Context, tx *transaction, j rag.Job, to rag.JobState, f *rag.Failure) error {
	status := rag.StatusQueued // also for a claim: no attempt begins where another was
	switch to {
	case rag.JobSucceeded:
		return nil
	case rag.JobFailed:
		status = rag.StatusFailed
	case rag.JobCanceled:
		status = rag.StatusCanceled
	default:
		f = nil
	}
	if j.Kind != rag.JobIngest {
		return nil
	}
	_, err := updateVersion(ctx, tx, j, status, f)
	return err
}

// moveVersion takes the version that a job makes to another state, or leaves it there. A move that versionMoves lacks is
// an error.
func moveVersion(ctx context.Context, tx *transaction, j rag.Job, to rag.Status) error {
	moved, err := updateVersion(ctx, tx, j, to, nil)
	if err != nil || moved {
		return err
	}
	var is rag.Status
	if err := tx.QueryRowContext(ctx, `SELECT state FROM versions WHERE document_id = ? AND version = ?`, j.Document, j.Version).
		Scan(&is); err != nil {
		return fmt.Errorf("read state of version %d of document %d: %w", j.Version, j.Document, err)
	}
	if is == to {
		return nil
	}
	return fmt.Errorf("version %d of document %d, %s: %w: to %s", j.Version, j.Document, is, errMove, to)
}

func updateVersion(ctx context.Context, tx *transaction, j rag.Job, to rag.Status, f *rag.Failure) (moved bool, err error) {
	if f == nil {
		f = &rag.Failure{}
	}
	marks, from := placeholders(sources(versionStates(), versionMoves, to))
	result, err := tx.ExecContext(ctx, `UPDATE versions SET state = ?, error_code = ?, error_message = ?
		WHERE document_id = ? AND version = ? AND state IN (`+marks+`)`,
		append([]any{to, f.Code, f.Message, j.Document, j.Version}, from...)...)
	if err != nil {
		return false, fmt.Errorf("set state of version %d of document %d: %w", j.Version, j.Document, err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// cancelJobs cancels the jobs that are not done and meet the condition, and gives their ids. A running one keeps its
// lease until its handler has stopped; its fence is void at once because only a running job's holds. The caller settles
// what becomes of the versions.
func cancelJobs(ctx context.Context, tx *transaction, now int64, reason, condition string, values ...any) ([]rag.JobID, error) {
	marks, from := placeholders(sources(jobStates(), jobMoves, rag.JobCanceled))
	return collect(ctx, tx, scanOne[rag.JobID], `UPDATE jobs SET state = ?, finished_at = ?, next_run_at = NULL,
		error_code = ?, error_message = ? WHERE finished_at IS NULL AND state IN (`+marks+`) AND `+condition+` RETURNING id`,
		append(append([]any{rag.JobCanceled, now, codeCanceled, reason}, from...), values...)...)
}

// codeCanceled is the code of canceled jobs, versions and attempts.
const codeCanceled = "canceled"

// supersedeVersions marks the versions of a document that are still being made, because a newer one takes their place.
func supersedeVersions(ctx context.Context, tx *transaction, id rag.DocumentID) error {
	marks, from := placeholders(sources(versionStates(), versionMoves, stateSuperseded))
	if _, err := tx.ExecContext(ctx, `UPDATE versions SET state = ? WHERE document_id = ? AND state IN (`+marks+`)`,
		append([]any{stateSuperseded, id}, from...)...); err != nil {
		return fmt.Errorf("supersede versions of document %d: %w", id, err)
	}
	return nil
}

// cancelVersions has the versions follow that canceled ingest jobs were to make.
func cancelVersions(ctx context.Context, tx *transaction, reason string, jobs []rag.JobID) error {
	states, from := placeholders(sources(versionStates(), versionMoves, rag.StatusCanceled))
	marks, ids := placeholders(jobs)
	if _, err := tx.ExecContext(ctx, `UPDATE versions SET state = ?, error_code = ?, error_message = ? WHERE state IN (`+states+`)
		AND (document_id, version) IN (SELECT j.document_id, j.version FROM jobs j WHERE j.id IN (`+marks+`))`,
		append(append([]any{rag.StatusCanceled, codeCanceled, reason}, from...), ids...)...); err != nil {
		return fmt.Errorf("cancel versions of %d jobs: %w", len(jobs), err)
	}
	return nil
}
