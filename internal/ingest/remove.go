package ingest

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// deleteDocument removes what is left of a document that search has stopped returning already.
func (w *Worker) deleteDocument(ctx context.Context, c rag.Claim, job rag.Job) error {
	return w.remove(ctx, c, func(collection rag.Collection) error {
		if err := w.Removal.DeleteDocument(ctx, collection, job.Document); err != nil {
			return fmt.Errorf("remove document %d from the index: %w", job.Document, err)
		}
		return nil
	})
}

// cleanUp removes the chunks that an ingest which failed or was canceled left in the index. The version's row and original
// stay, for a retry.
func (w *Worker) cleanUp(ctx context.Context, c rag.Claim) error {
	task, err := w.Ledger.Task(ctx, c)
	if err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	if err := w.Ledger.SetStage(ctx, c, rag.StageDelete); err != nil {
		return err
	}
	if err := w.Ledger.GiveUp(ctx, c); err != nil {
		return err
	}
	return w.removeDead(ctx, c, task.Collection)
}

// deleteCollection removes what is left of a collection that nobody can reach any more.
func (w *Worker) deleteCollection(ctx context.Context, c rag.Claim, job rag.Job) error {
	return w.remove(ctx, c, func(collection rag.Collection) error {
		if err := w.Removal.Drop(ctx, collection); err != nil {
			return fmt.Errorf("drop collection %d from the index: %w", job.Collection, err)
		}
		return nil
	})
}

// remove takes what a job deletes out of the index, then its originals, and last its rows: while those stand, an
// interrupted removal is found again.
func (w *Worker) remove(ctx context.Context, c rag.Claim, fromIndex func(rag.Collection) error) error {
	task, err := w.Ledger.Task(ctx, c)
	if err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	if err := w.Ledger.SetStage(ctx, c, rag.StageDelete); err != nil {
		return err
	}
	if err := fromIndex(task.Collection); err != nil {
		return err
	}
	if err := w.releaseBlobs(ctx, c); err != nil {
		return err
	}
	return w.Removals.Removed(ctx, c)
}

// releaseBlobs removes the originals that nothing live needs.
func (w *Worker) releaseBlobs(ctx context.Context, c rag.Claim) error {
	keys, err := w.Removals.Released(ctx, c)
	if err != nil {
		return fmt.Errorf("list released originals: %w", err)
	}
	for _, key := range keys {
		if err := w.Blobs.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
