package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// PatchDocument gives a document other metadata: what patch makes of its newest version's. That is a version of its own,
// of the same original, so a reader sees all of the old metadata or all of the new, and a crash leaves the old; its
// chunks keep their vectors, since their text does not change. A newest version that is still being made is overtaken
// by one of the same original. Metadata that stays the same is Unchanged. patch may be called more than once.
func (c *Catalog) PatchDocument(ctx context.Context, collection rag.CollectionID, externalID string,
	patch func(rag.Metadata) (rag.Metadata, error)) (ingest.Accepted, error) {
	var accepted ingest.Accepted
	var ended []rag.JobID
	err := c.inTx(ctx, "patch document "+externalID, func(tx *transaction) error {
		ended = nil
		put := &putter{c: c, tx: tx, now: micros(c.now()), collection: collection}
		if err := put.open(ctx); err != nil {
			return err
		}
		existing, found, err := documentByExternalID(ctx, tx, collection, externalID)
		if err != nil {
			return err
		}
		if !found {
			return noDocument(externalID)
		}
		accepted, err = put.patch(ctx, existing, patch)
		ended = put.ended
		return err
	})
	if err != nil {
		return ingest.Accepted{}, err
	}
	c.canceled(ended)
	return accepted, nil
}

func (p *putter) patch(ctx context.Context, existing rag.Document, patch func(rag.Metadata) (rag.Metadata, error)) (ingest.Accepted, error) {
	before, err := toJSON(existing.Metadata)
	if err != nil {
		return ingest.Accepted{}, err
	}
	changed, err := patch(existing.Metadata)
	if err != nil {
		return ingest.Accepted{}, err
	}
	after, err := toJSON(changed)
	if err != nil {
		return ingest.Accepted{}, err
	}
	s := ingest.Staged{Size: existing.Size, SHA256: existing.SHA256, Upload: ingest.Upload{
		ExternalID: existing.ExternalID, Filename: existing.Filename, MediaType: existing.MediaType, Metadata: changed,
		Chunking: &existing.Chunking,
	}}
	if before == after {
		if accepted, settled, err := p.settle(ctx, match{Document: existing, found: true}, s, after); err != nil || settled {
			return accepted, err
		}
	}
	if err := p.tx.QueryRowContext(ctx, `SELECT title, blob FROM versions WHERE document_id = ? AND version = ?`, existing.ID, existing.Version).
		Scan(&s.Upload.Title, &s.Blob); err != nil {
		return ingest.Accepted{}, fmt.Errorf("read version %d of document %d: %w", existing.Version, existing.ID, err)
	}
	if err := p.supersede(ctx, existing.ID); err != nil {
		return ingest.Accepted{}, err
	}
	return p.addVersion(ctx, existing.ID, existing.Version+1, s, after)
}
