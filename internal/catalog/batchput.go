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

// batchLease is how long a batch stays open without a sign of the process that receives it, and codes say why it closed.
const (
	batchLease        = 40 * time.Second
	codeBatchOver     = "batch_over"
	codeBatchCanceled = "batch_canceled"
)

// NewBatch makes a batch without entries.
func (c *Catalog) NewBatch(ctx context.Context, collection rag.Collection, callback *rag.Callback) (rag.BatchID, error) {
	if callback == nil {
		callback = &rag.Callback{}
	}
	var id rag.BatchID
	err := c.inTx(ctx, "make batch in collection "+collection.Name, func(tx *transaction) error {
		now := c.now()
		return tx.QueryRowContext(ctx, `INSERT INTO batches (tenant, collection_id, created_at, lease_until, callback_url, callback_secret)
			VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
			collection.Tenant, collection.ID, micros(now), micros(now.Add(batchLease)), callback.URL, callback.Secret).Scan(&id)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// PutEntries writes entries of a batch, with their documents, versions and jobs, in one transaction, as PutDocuments
// does. A file whose id exists and must not be replaced becomes a refused entry. A batch that is over is a conflict.
func (c *Catalog) PutEntries(ctx context.Context, id rag.BatchID, entries []ingest.Entry) ([]bool, error) {
	return c.putEntries(ctx, id, len(entries), func(_ *transaction, i int) (ingest.Entry, error) { return entries[i], nil })
}

// putEntries writes n entries, which entry gives within the transaction.
func (c *Catalog) putEntries(ctx context.Context, id rag.BatchID, n int, entry func(tx *transaction, i int) (ingest.Entry, error)) ([]bool, error) {
	var kept []bool
	var ended []rag.JobID
	err := c.inTx(ctx, fmt.Sprintf("put %d entries into batch %d", n, id), func(tx *transaction) error {
		kept, ended = make([]bool, n), nil
		now := c.now()
		number, collection, err := openBatch(ctx, tx, id, n, micros(now.Add(batchLease)))
		if err != nil {
			return err
		}
		put := &putter{c: c, tx: tx, now: micros(now), collection: collection}
		if err := put.open(ctx); err != nil {
			return err
		}
		for i := range n {
			e, err := entry(tx, i)
			if err != nil {
				return err
			}
			number++
			if kept[i], err = putEntry(ctx, put, id, number, e); err != nil {
				return fmt.Errorf("%s: %w", e.Path, err)
			}
		}
		ended = put.ended
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.canceled(ended)
	return kept, nil
}

// openBatch counts entries that are to be written, and gives the number of the last one before them.
func openBatch(ctx context.Context, tx *transaction, id rag.BatchID, entries int, lease int64) (number int, collection rag.CollectionID, err error) {
	var received, canceled sql.NullInt64
	if err := tx.QueryRowContext(ctx, `UPDATE batches SET entries = entries + ?, lease_until = ? WHERE id = ?
		RETURNING entries, collection_id, received_at, canceled_at`, entries, lease, id).Scan(&number, &collection, &received, &canceled); err != nil {
		return 0, 0, err
	}
	switch {
	case canceled.Valid:
		return 0, 0, conflict(codeBatchCanceled, "batch %d was canceled", id)
	case received.Valid:
		return 0, 0, conflict(codeBatchOver, "batch %d takes no more files; send them again as another batch", id)
	}
	return number - entries, collection, nil
}

func putEntry(ctx context.Context, put *putter, batch rag.BatchID, number int, e ingest.Entry) (kept bool, err error) {
	var job rag.JobID
	refused := e.Refused
	if refused == nil {
		a, err := put.put(ctx, e.Staged)
		var problem *rag.Problem
		switch {
		case errors.As(err, &problem) && errors.Is(err, rag.ErrConflict): // nothing was written for it
			refused = rag.FailureOf(problem)
		case err != nil:
			return false, err
		}
		job, kept = a.Job.ID, refused == nil && !a.Unchanged
	}
	if refused == nil {
		refused = &rag.Failure{}
	}
	if _, err := put.tx.ExecContext(ctx, `INSERT INTO batch_entries (batch_id, number, path, job_id, error_code, error_message)
		VALUES (?, ?, ?, ?, ?, ?)`, batch, number, e.Path, job, refused.Code, refused.Message); err != nil {
		return false, fmt.Errorf("insert entry %d of batch %d: %w", number, batch, err)
	}
	return kept, nil
}

// RenewBatch says that a batch is still being received.
func (c *Catalog) RenewBatch(ctx context.Context, id rag.BatchID) error {
	return c.inTx(ctx, fmt.Sprintf("renew batch %d", id), func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `UPDATE batches SET lease_until = ? WHERE id = ? AND received_at IS NULL`, micros(c.now().Add(batchLease)), id)
		return err
	})
}

// SealBatch says that no more entries come, and why, where that was too early. A batch that is sealed stays as it is.
func (c *Catalog) SealBatch(ctx context.Context, id rag.BatchID, broken *rag.Failure) error {
	if broken == nil {
		broken = &rag.Failure{}
	}
	return c.inTx(ctx, fmt.Sprintf("seal batch %d", id), func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `UPDATE batches SET received_at = ?, error_code = ?, error_message = ? WHERE id = ? AND received_at IS NULL`,
			micros(c.now()), broken.Code, broken.Message, id)
		return err
	})
}

// sweepBatches seals batches whose receiver is gone, and queues the callbacks of those that have ended.
func (c *Catalog) sweepBatches(ctx context.Context) error {
	lost, err := collect(ctx, c.read, scanOne[rag.BatchID], `SELECT id FROM batches WHERE received_at IS NULL AND lease_until < ?`, micros(c.now()))
	if err != nil {
		return fmt.Errorf("look for batches that broke off: %w", err)
	}
	for _, id := range lost {
		err := c.inTx(ctx, fmt.Sprintf("seal batch %d", id), func(tx *transaction) error {
			_, err := tx.ExecContext(ctx, `UPDATE batches SET received_at = lease_until, error_code = ?, error_message = ?
				WHERE id = ? AND received_at IS NULL AND lease_until < ?`, ingest.CodeBroken, ingest.MessageBroken, id, micros(c.now()))
			return err
		})
		if err != nil {
			return err
		}
	}
	due, err := collect(ctx, c.read, scanOne[rag.BatchID], `SELECT b.id FROM batches b WHERE `+callbackDue)
	if err != nil {
		return fmt.Errorf("look for batches that ended: %w", err)
	}
	for _, id := range due {
		if err := c.queueCallback(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// callbackDue is true of a batch b that has ended and whose callback is not queued.
const callbackDue = `b.callback_url <> '' AND b.callback_job = 0 AND b.received_at IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM batch_entries e JOIN jobs j ON j.id = e.job_id WHERE e.batch_id = b.id AND j.finished_at IS NULL)`

// queueCallback queues a batch's callback once, whatever processes try.
func (c *Catalog) queueCallback(ctx context.Context, id rag.BatchID) error {
	return c.inTx(ctx, fmt.Sprintf("queue callback of batch %d", id), func(tx *transaction) error {
		var tenant string
		err := tx.QueryRowContext(ctx, `SELECT b.tenant FROM batches b WHERE b.id = ? AND `+callbackDue, id).Scan(&tenant)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		job, err := c.addJob(ctx, tx, tenant, rag.Job{Kind: rag.JobCallback})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE batches SET callback_job = ? WHERE id = ?`, job.ID, id)
		return err
	})
}
