package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// removeBatch bounds the rows that one transaction removes, so that others need not wait long for their turn.
const removeBatch = 2000

// DeleteDocument takes a document away at once: when it returns, search never returns it again and its id is free. The
// job then removes what is left of it.
func (c *Catalog) DeleteDocument(ctx context.Context, collection rag.CollectionID, externalID string) (rag.Job, error) {
	var job rag.Job
	var ended []rag.JobID
	release, err := c.countAlone(ctx)
	if err != nil {
		return rag.Job{}, err
	}
	defer release()
	err = c.inTx(ctx, "delete document "+externalID, func(tx *transaction) error {
		d, found, err := documentByExternalID(ctx, tx, collection, externalID)
		if err != nil {
			return err
		}
		if !found {
			return noDocument(externalID)
		}
		ended, job, err = c.takeAway(ctx, tx, d)
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	c.canceled(ended)
	return job, nil
}

// takeAway deletes a document within a transaction, under countAlone. It gives the jobs that this ended, and the one that removes what is
// left.
func (c *Catalog) takeAway(ctx context.Context, tx *transaction, d rag.Document) (ended []rag.JobID, job rag.Job, err error) {
	now := micros(c.now())
	if ended, err = cancelJobs(ctx, tx, now, "the document was deleted", `document_id = ?`, d.ID); err != nil {
		return nil, rag.Job{}, err
	}
	if err := forgetTerms(ctx, tx, d); err != nil {
		return nil, rag.Job{}, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE documents SET deleted_at = ?, updated_at = ?, live_version = NULL WHERE id = ?`,
		now, now, d.ID); err != nil {
		return nil, rag.Job{}, err
	}
	var tenant string
	if err := tx.QueryRowContext(ctx, `SELECT tenant FROM collections WHERE id = ?`, d.Collection).Scan(&tenant); err != nil {
		return nil, rag.Job{}, err
	}
	job, err = c.addJob(ctx, tx, tenant, rag.Job{Kind: rag.JobDeleteDocument, Collection: d.Collection, Document: d.ID})
	return ended, job, err
}

// DeleteCollection takes a collection and all its documents away at once; its name is free. The job then removes what
// is left of it.
func (c *Catalog) DeleteCollection(ctx context.Context, tenant, name string) (rag.Job, error) {
	var job rag.Job
	var ended []rag.JobID
	err := c.inTx(ctx, "delete collection "+name, func(tx *transaction) error {
		found, err := collectionByName(ctx, tx, tenant, name)
		if err != nil {
			return err
		}
		now := micros(c.now())
		if ended, err = cancelJobs(ctx, tx, now, "the collection was deleted", `collection_id = ?`, found.ID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE documents SET deleted_at = COALESCE(deleted_at, ?), live_version = NULL
			WHERE collection_id = ?`, now, found.ID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE collections SET deleted_at = ? WHERE id = ?`, now, found.ID); err != nil {
			return err
		}
		job, err = c.addJob(ctx, tx, tenant, rag.Job{Kind: rag.JobDeleteCollection, Collection: found.ID})
		return err
	})
	if err != nil {
		return rag.Job{}, err
	}
	c.canceled(ended)
	return job, nil
}

// Removed drops the rows of the deleted document or collection, chunks first and in batches. The job's own row and the
// collection's stay: jobs tell what happened, and a collection's number is never given again.
func (c *Catalog) Removed(ctx context.Context, claim rag.Claim) error {
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return unavailable(fmt.Sprintf("remove rows for job %d", claim.Job), err)
	}
	documents, arg := `SELECT d.id FROM documents d WHERE d.deleted_at IS NOT NULL AND d.id = ?`, any(j.Document)
	switch j.Kind {
	case rag.JobDeleteDocument:
	case rag.JobDeleteCollection:
		documents, arg = `SELECT d.id FROM documents d WHERE d.deleted_at IS NOT NULL AND d.collection_id = ?`, j.Collection
	default:
		return fmt.Errorf("remove rows for job %d: it is of kind %s", j.ID, j.Kind)
	}
	steps := []string{
		`DELETE FROM chunks WHERE id IN (SELECT k.id FROM chunks k WHERE k.document_id IN (` + documents + `) LIMIT ?)`,
		`DELETE FROM version_terms WHERE document_id IN (SELECT t.document_id FROM version_terms t WHERE t.document_id IN (` + documents + `) LIMIT ?)`,
		`DELETE FROM versions WHERE document_id IN (SELECT v.document_id FROM versions v WHERE v.document_id IN (` + documents + `) LIMIT ?)`,
		`DELETE FROM documents WHERE id IN (` + documents + ` LIMIT ?)`,
	}
	if j.Kind == rag.JobDeleteCollection {
		steps = append(steps,
			`DELETE FROM term_frequencies WHERE (collection_id, term) IN (SELECT f.collection_id, f.term FROM term_frequencies f WHERE f.collection_id = ? LIMIT ?)`,
			`DELETE FROM collection_languages WHERE (collection_id, language) IN (SELECT l.collection_id, l.language FROM collection_languages l WHERE l.collection_id = ? LIMIT ?)`)
	}
	for _, step := range steps {
		if err := c.removeAll(ctx, claim, step, arg); err != nil {
			return err
		}
	}
	return nil
}

// removeAll repeats a bounded delete, each in its own transaction, until nothing is left.
func (c *Catalog) removeAll(ctx context.Context, claim rag.Claim, statement string, arg any) error {
	for {
		var removed int64
		err := c.fenced(ctx, claim, "remove rows", func(tx *transaction, _ rag.Job) error {
			result, err := tx.ExecContext(ctx, statement, arg, removeBatch)
			if err != nil {
				return err
			}
			removed, err = result.RowsAffected()
			return err
		})
		if err != nil || removed == 0 {
			return err
		}
	}
}
