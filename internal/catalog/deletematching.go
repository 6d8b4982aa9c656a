package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// CountDocuments counts the documents of the job's collection.
func (c *Catalog) CountDocuments(ctx context.Context, claim rag.Claim) (int, error) {
	j, err := claimedJob(ctx, c.read, claim)
	var n int
	if err == nil {
		err = c.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM documents WHERE collection_id = ? AND deleted_at IS NULL`, j.Collection).Scan(&n)
	}
	if err != nil {
		return 0, unavailable(fmt.Sprintf("count documents for job %d", claim.Job), err)
	}
	return n, nil
}

// DeleteMatching takes away those of the next documents of the job's collection, up to limit after a given one, whose
// newest version matches and was there before the job: as DeleteDocument does, all in one transaction. It gives the last
// document looked at, 0 after the last of all; how many were looked at; and how many matched. A dry run takes none away.
func (c *Catalog) DeleteMatching(ctx context.Context, claim rag.Claim, after rag.DocumentID, limit int, matches func(rag.Metadata) bool, dryRun bool) (
	last rag.DocumentID, seen, matched int, err error) {
	var ended []rag.JobID
	release, err := c.countAlone(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer release()
	err = c.fenced(ctx, claim, "delete documents that match", func(tx *transaction, j rag.Job) error {
		last, seen, matched, ended = 0, 0, 0, nil
		page, err := collect(ctx, tx, scanDocument, `SELECT `+documentColumns+documentTables+`
			WHERE d.collection_id = ? AND d.deleted_at IS NULL AND d.id > ? AND v.created_at <= ? ORDER BY d.id LIMIT ?`,
			j.Collection, after, micros(j.CreatedAt), limit)
		if err != nil {
			return err
		}
		for _, d := range page {
			seen++
			if len(page) == limit {
				last = d.ID
			}
			if !matches(d.Metadata) {
				continue
			}
			matched++
			if dryRun {
				continue
			}
			canceled, _, err := c.takeAway(ctx, tx, d)
			if err != nil {
				return err
			}
			ended = append(ended, canceled...)
		}
		return nil
	})
	if err != nil {
		return 0, 0, 0, err
	}
	c.canceled(ended)
	return last, seen, matched, nil
}
