package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// AddCollectionJob queues a job of this kind on a collection of the tenant. One that asks the same and is not over is
// given instead, but for a deletion: documents may have come since that one began.
func (c *Catalog) AddCollectionJob(ctx context.Context, tenant, name string, kind rag.JobKind, params string) (rag.Job, error) {
	var job rag.Job
	err := c.inTx(ctx, fmt.Sprintf("queue %s of collection %s", kind, name), func(tx *transaction) error {
		found, err := collectionByName(ctx, tx, tenant, name)
		if err != nil {
			return err
		}
		job, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j
			WHERE j.collection_id = ? AND j.kind = ? AND j.kind <> ? AND j.params = ? AND j.finished_at IS NULL ORDER BY j.id LIMIT 1`,
			found.ID, kind, rag.JobDeleteDocuments, params))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if job, err = c.addJob(ctx, tx, tenant, rag.Job{Kind: kind, Collection: found.ID}); err != nil {
			return err
		}
		job.Params = params
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET params = ? WHERE id = ?`, params, job.ID)
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	return job, nil
}

// ChunkRange gives the lowest and the highest id of the chunks of the job's collection; both 0 where it has none.
func (c *Catalog) ChunkRange(ctx context.Context, claim rag.Claim) (low, high rag.ChunkID, err error) {
	j, err := claimedJob(ctx, c.read, claim)
	if err == nil {
		err = c.read.QueryRowContext(ctx, `SELECT COALESCE(MIN(k.id), 0), COALESCE(MAX(k.id), 0) FROM chunks k
			JOIN documents d ON d.id = k.document_id WHERE d.collection_id = ?`, j.Collection).Scan(&low, &high)
	}
	if err != nil {
		return 0, 0, unavailable(fmt.Sprintf("read range of chunks for job %d", claim.Job), err)
	}
	return low, high, nil
}

// unfinished is true of a chunk k whose document a job may still be at work on.
const unfinished = `EXISTS (SELECT 1 FROM jobs j WHERE j.document_id = k.document_id AND (j.finished_at IS NULL OR j.lease_until > ?))`

// placedChunk is a chunk's id and what is known of it.
type placedChunk struct {
	id   rag.ChunkID
	kept ingest.Kept
}

// Chunks gives the chunks of the job's collection with ids from low up to and without high.
func (c *Catalog) Chunks(ctx context.Context, claim rag.Claim, low, high rag.ChunkID) (map[rag.ChunkID]ingest.Kept, error) {
	what := fmt.Sprintf("read chunks for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	rows, err := collect(ctx, c.read, func(r row) (p placedChunk, err error) {
		return p, r.Scan(&p.id, &p.kept.Document, &p.kept.Place)
	}, `SELECT k.id, k.document_id, CASE
			WHEN d.deleted_at IS NULL AND d.live_version = k.version AND k.indexed = 1 THEN 'live'
			WHEN `+unfinished+` THEN 'under_way' ELSE 'abandoned' END
		FROM chunks k JOIN documents d ON d.id = k.document_id
		WHERE d.collection_id = ? AND k.id >= ? AND k.id < ?`, micros(c.now()), j.Collection, low, high)
	if err != nil {
		return nil, unavailable(what, err)
	}
	kept := make(map[rag.ChunkID]ingest.Kept, len(rows))
	for _, r := range rows {
		kept[r.id] = r.kept
	}
	return kept, nil
}

// Abandon removes the rows of those of the chunks that are not live and that no job is at work on, and gives their ids.
// Their versions count as not cut, so that a retry cuts them anew, into chunks with other ids.
func (c *Catalog) Abandon(ctx context.Context, claim rag.Claim, ids []rag.ChunkID) ([]rag.ChunkID, error) {
	var abandoned []rag.ChunkID
	err := c.fenced(ctx, claim, fmt.Sprintf("abandon %d chunks", len(ids)), func(tx *transaction, j rag.Job) error {
		abandoned = nil
		for batch := range slices.Chunk(ids, idBatch) {
			marks, args := placeholders(batch)
			args = append([]any{j.Collection, micros(c.now())}, args...)
			gone, err := collect(ctx, tx, scanOne[rag.ChunkID], `SELECT k.id FROM chunks k JOIN documents d ON d.id = k.document_id
				WHERE d.collection_id = ? AND NOT (d.deleted_at IS NULL AND d.live_version IS NOT NULL AND d.live_version = k.version)
				AND NOT `+unfinished+` AND k.id IN (`+marks+`)`, args...)
			if err != nil || len(gone) == 0 {
				return err
			}
			marks, args = placeholders(gone)
			if _, err := tx.ExecContext(ctx, `UPDATE versions SET chunks = NULL
				WHERE (document_id, version) IN (SELECT k.document_id, k.version FROM chunks k WHERE k.id IN (`+marks+`))`, args...); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM chunks WHERE id IN (`+marks+`)`, args...); err != nil {
				return err
			}
			abandoned = append(abandoned, gone...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return abandoned, nil
}

// SetProgress notes how far a job is and what it found so far.
func (c *Catalog) SetProgress(ctx context.Context, claim rag.Claim, done, total int, found string) error {
	return c.fenced(ctx, claim, "set progress", func(tx *transaction, j rag.Job) error {
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET done = ?, total = ?, result = ?, crashes = 0 WHERE id = ?`, done, total, found, j.ID)
		return err
	})
}

// Unindex says that Milvus has no chunk of a version of the job's collection that is not live: jobs that make such
// versions embed them again. No such job may be running.
func (c *Catalog) Unindex(ctx context.Context, claim rag.Claim) error {
	return c.fenced(ctx, claim, "unindex", func(tx *transaction, j rag.Job) error {
		_, err := tx.ExecContext(ctx, `UPDATE chunks SET indexed = 0 WHERE indexed = 1 AND id IN (SELECT k.id FROM chunks k
			JOIN documents d ON d.id = k.document_id
			WHERE d.collection_id = ? AND (d.live_version IS NULL OR d.live_version <> k.version))`, j.Collection)
		return err
	})
}

// QueueReconciliations queues a reconciliation of every collection, of all tenants, that has had none for so long, and
// gives how many. Several processes may call it at once: each collection gets one.
func (c *Catalog) QueueReconciliations(ctx context.Context, every time.Duration) (int, error) {
	queued := 0
	err := c.inTx(ctx, "queue reconciliations", func(tx *transaction) error {
		queued = 0
		since := micros(c.now().Add(-every))
		due, err := collect(ctx, tx, scanCollection, `SELECT `+collectionColumns+` FROM collections c
			WHERE c.deleted_at IS NULL AND c.created_at <= ? AND NOT EXISTS (SELECT 1 FROM jobs j
				WHERE j.collection_id = c.id AND j.kind = ? AND j.params = '' AND (j.finished_at IS NULL OR j.created_at > ?))`,
			since, rag.JobReconcile, since)
		if err != nil {
			return err
		}
		for _, d := range due {
			if _, err := c.addJob(ctx, tx, d.Tenant, rag.Job{Kind: rag.JobReconcile, Collection: d.ID}); err != nil {
				return err
			}
			queued++
		}
		return nil
	})
	return queued, err
}
