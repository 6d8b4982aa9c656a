package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// Publish makes the job's version live in one transaction: from its commit on, search returns this version and no
// other, and its terms count in place of the last one's. A version with chunks that are not indexed is refused.
func (c *Catalog) Publish(ctx context.Context, claim rag.Claim) error {
	release, err := c.countAlone(ctx)
	if err != nil {
		return err
	}
	defer release()
	return c.fenced(ctx, claim, "publish", func(tx *transaction, j rag.Job) error {
		var pending int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM chunks WHERE document_id = ? AND version = ? AND indexed = 0`,
			j.Document, j.Version).Scan(&pending); err != nil {
			return err
		}
		if pending > 0 {
			return fmt.Errorf("version %d of document %d has %d chunks that are not indexed", j.Version, j.Document, pending)
		}
		if err := replaceTerms(ctx, tx, j); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE documents SET live_version = ?, updated_at = ?
			WHERE id = ? AND version = ? AND deleted_at IS NULL`, j.Version, micros(c.now()), j.Document, j.Version)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("document %d has moved on: %w", j.Document, rag.ErrStale)
		}
		var warnings string
		if err := tx.QueryRowContext(ctx, `SELECT warnings FROM versions WHERE document_id = ? AND version = ?`,
			j.Document, j.Version).Scan(&warnings); err != nil {
			return err
		}
		status := rag.StatusReady
		if warnings != "[]" {
			status = rag.StatusReadyWithWarnings
		}
		return moveVersion(ctx, tx, j, status)
	})
}

// deadVersions are the versions of a job's document that search will never return (again): older than the live one,
// or any where the document is deleted. What a version that failed or was superseded left is among them, once a later
// one is live.
const deadVersions = `(SELECT v.version FROM versions v JOIN documents d ON d.id = v.document_id
	WHERE d.id = ? AND (d.deleted_at IS NOT NULL OR v.version < d.live_version))`

// deadFor gives the versions, of the document that is asked for twice, whose chunks a job removes: the dead ones, or
// those that count as not cut.
func deadFor(j rag.Job) string {
	if j.Kind == rag.JobCleanUp {
		return `(SELECT v.version FROM versions v WHERE v.document_id = ? AND v.chunks IS NULL)`
	}
	return deadVersions
}

// DeadChunks gives up to limit chunks of the job's document that search will never return again, in order of their ids.
func (c *Catalog) DeadChunks(ctx context.Context, claim rag.Claim, limit int) ([]rag.ChunkID, error) {
	what := fmt.Sprintf("read dead chunks for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	ids, err := collect(ctx, c.read, scanOne[rag.ChunkID], `SELECT k.id FROM chunks k
		WHERE k.document_id = ? AND k.version IN `+deadFor(j)+` ORDER BY k.id LIMIT ?`, j.Document, j.Document, limit)
	if err != nil {
		return nil, unavailable(what, err)
	}
	return ids, nil
}

// Forget removes rows of dead chunks, which Milvus must have forgotten already. Ids that are not dead are left alone.
func (c *Catalog) Forget(ctx context.Context, claim rag.Claim, ids []rag.ChunkID) error {
	return c.fenced(ctx, claim, fmt.Sprintf("forget %d chunks", len(ids)), func(tx *transaction, j rag.Job) error {
		_, err := execBatches(ctx, tx, `DELETE FROM chunks WHERE document_id = ? AND version IN `+deadFor(j)+` AND id IN `,
			ids, j.Document, j.Document)
		return err
	})
}

// Released gives the blobs that nothing needs any more once the job is done: originals and texts of dead versions, or of
// a whole deleted collection. The original of a file that is not deleted, or that another document has too, is needed.
func (c *Catalog) Released(ctx context.Context, claim rag.Claim) ([]string, error) {
	what := fmt.Sprintf("read released blobs for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	var keys []string
	for _, column := range []string{"blob", "text_blob"} {
		query, args := `SELECT DISTINCT v.`+column+` FROM versions v WHERE v.document_id = ? AND v.version IN `+deadVersions+`
			AND v.`+column+` <> '' AND v.`+column+` NOT IN (SELECT o.`+column+` FROM versions o WHERE o.document_id = ? AND o.version NOT IN `+deadVersions+`)`,
			[]any{j.Document, j.Document, j.Document, j.Document} // versions that differ in metadata alone share one
		if j.Kind == rag.JobDeleteCollection {
			query, args = `SELECT DISTINCT v.`+column+` FROM versions v JOIN documents d ON d.id = v.document_id
				WHERE d.collection_id = ? AND d.deleted_at IS NOT NULL AND v.`+column+` <> ''`, []any{j.Collection}
		}
		if column == "blob" {
			query += ` AND ` + unshared
		}
		released, err := collect(ctx, c.read, scanOne[string], query, args...)
		if err != nil {
			return nil, unavailable(what, err)
		}
		keys = append(keys, released...)
	}
	return keys, nil
}

// unshared is true of a version v whose original neither a file nor a document besides v's needs. What several documents
// have is a file's, and a file is deleted before its last document: so the last of them to go releases it.
const unshared = `NOT EXISTS (SELECT 1 FROM files f WHERE f.blob = v.blob AND f.deleted_at IS NULL)
	AND NOT EXISTS (SELECT 1 FROM versions s JOIN documents e ON e.id = s.document_id
		WHERE s.blob = v.blob AND s.document_id <> v.document_id AND e.deleted_at IS NULL)`
