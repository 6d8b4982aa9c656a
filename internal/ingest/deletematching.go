package ingest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// Selection is what a job that deletes by a filter was asked, as its params.
type Selection struct {
	Filter json.RawMessage `json:"filter"`
	DryRun bool            `json:"dry_run,omitempty"`
}

// Matching is the catalog's side of a job that deletes by a filter.
type Matching interface {
	CountDocuments(ctx context.Context, c rag.Claim) (int, error)
	DeleteMatching(ctx context.Context, c rag.Claim, after rag.DocumentID, limit int, matches func(rag.Metadata) bool, dryRun bool) (
		last rag.DocumentID, seen, matched int, err error)
}

// matchingBatch is how many documents one transaction looks at, and deletes at most.
const matchingBatch = 200

// deleted is what such a job has done so far, kept as its result: it goes on from there.
type deleted struct {
	rag.Deletion
	Seen  int            `json:"seen"`
	After rag.DocumentID `json:"after"`
}

// deleteDocuments takes away the documents of a collection that match a job's filter. Each batch is away for good, with
// jobs of their own that remove what is left, when its transaction is committed.
func (w *Worker) deleteDocuments(ctx context.Context, c rag.Claim, job rag.Job) error {
	var asked Selection
	if err := json.Unmarshal([]byte(job.Params), &asked); err != nil {
		return rag.Invalid("", "job %d: what it was asked can't be read: %v", job.ID, err)
	}
	filter, err := rag.ParseFilter(asked.Filter, "/filter")
	if err != nil {
		return err
	}
	if filter == nil {
		return rag.Invalid("/filter", "job %d has no filter", job.ID)
	}
	done := deleted{Deletion: rag.Deletion{DryRun: asked.DryRun}}
	if job.Result != "" {
		if err := json.Unmarshal([]byte(job.Result), &done); err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
	}
	if err := w.Reconciler.Progress.SetStage(ctx, c, rag.StageDelete); err != nil {
		return err
	}
	left, err := w.Matching.CountDocuments(ctx, c)
	if err != nil {
		return fmt.Errorf("count documents: %w", err)
	}
	total := max(done.Seen, left+done.Deleted)
	for more := true; more; more = done.After != 0 {
		last, seen, matched, err := w.Matching.DeleteMatching(ctx, c, done.After, matchingBatch, filter.Matches, asked.DryRun)
		if err != nil {
			return fmt.Errorf("delete documents after %d: %w", done.After, err)
		}
		done.After, done.Seen, done.Matched = last, done.Seen+seen, done.Matched+matched
		if !asked.DryRun {
			done.Deleted = done.Matched
		}
		text, err := json.Marshal(done)
		if err != nil {
			return fmt.Errorf("write progress: %w", err)
		}
		if err := w.Reconciler.Progress.SetProgress(ctx, c, done.Seen, max(total, done.Seen), string(text)); err != nil {
			return err
		}
	}
	return nil
}
