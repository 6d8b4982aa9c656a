package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// cleanUp queues, in the transaction that ends an ingest job without success, the job that removes the chunks it left.
// Chunks that earlier versions left, which a newer one was to remove, go with them.
func (c *Catalog) cleanUp(ctx context.Context, tx *transaction, ended rag.Job) error {
	if ended.Kind != rag.JobIngest {
		return nil
	}
	var left bool
	var tenant string
	if err := tx.QueryRowContext(ctx, `SELECT j.tenant, EXISTS (SELECT 1 FROM chunks k JOIN documents d ON d.id = k.document_id
			WHERE d.id = j.document_id AND d.deleted_at IS NULL AND (d.live_version IS NULL OR k.version <> d.live_version))
		FROM jobs j WHERE j.id = ?`, ended.ID).Scan(&tenant, &left); err != nil {
		return fmt.Errorf("look for what job %d left: %w", ended.ID, err)
	}
	if !left {
		return nil
	}
	_, err := c.addJob(ctx, tx, tenant, rag.Job{
		Kind: rag.JobCleanUp, Collection: ended.Collection, Document: ended.Document, Version: ended.Version,
	})
	return err
}

// GiveUp has the versions of the job's document that are not live and that no job is to make live count as not cut: their
// chunks are dead for this job, and a retry cuts them anew.
func (c *Catalog) GiveUp(ctx context.Context, claim rag.Claim) error {
	return c.fenced(ctx, claim, "give up chunks", func(tx *transaction, j rag.Job) error {
		_, err := tx.ExecContext(ctx, `UPDATE versions SET chunks = NULL WHERE document_id = ? AND chunks IS NOT NULL
			AND EXISTS (SELECT 1 FROM documents d WHERE d.id = versions.document_id AND (d.live_version IS NULL OR d.live_version <> versions.version)
				AND (versions.state IN (?, ?, ?) OR versions.version < d.live_version))`,
			j.Document, rag.StatusFailed, rag.StatusCanceled, stateSuperseded)
		return err
	})
}
