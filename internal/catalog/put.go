package catalog

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// PutDocument writes one staged upload; see PutDocuments.
func (c *Catalog) PutDocument(ctx context.Context, collection rag.CollectionID, s ingest.Staged) (ingest.Accepted, error) {
	accepted, err := c.PutDocuments(ctx, collection, []ingest.Staged{s})
	if err != nil {
		return ingest.Accepted{}, err
	}
	return accepted[0], nil
}

// PutDocuments writes documents, their versions and their jobs in one transaction, in the order given: all or, on an
// error, none. When it returns, they are on disk and will not be lost.
//
// An upload of a document that exists (by its id or by its bytes, as DuplicateBy says) makes the document's next version,
// unless OnDuplicate says otherwise; a job for an older version that is not done is canceled, so that versions never go
// backwards. The same bytes, title, filename, media type, metadata and chunking as the newest version, when that did not fail, are
// Unchanged: no version, no job (where the newest version is still being worked on, its job is given). With OnDuplicate
// "skip" so is every duplicate. With "error" it is a Problem with code "document_exists" that names the document.
func (c *Catalog) PutDocuments(ctx context.Context, collection rag.CollectionID, staged []ingest.Staged) ([]ingest.Accepted, error) {
	what := fmt.Sprintf("put %d documents into collection %d", len(staged), collection)
	return c.putAll(ctx, what, collection, len(staged), func(_ *transaction, i int) (ingest.Staged, error) { return staged[i], nil })
}

// putAll puts count uploads into a collection in one transaction; staged gives each of them.
func (c *Catalog) putAll(ctx context.Context, what string, collection rag.CollectionID, count int, staged func(tx *transaction, i int) (ingest.Staged, error)) ([]ingest.Accepted, error) {
	var accepted []ingest.Accepted
	var ended []rag.JobID
	err := c.inTx(ctx, what, func(tx *transaction) error {
		accepted, ended = nil, nil
		put := &putter{c: c, tx: tx, now: micros(c.now()), collection: collection}
		if err := put.open(ctx); err != nil {
			return err
		}
		for i := range count {
			s, err := staged(tx, i)
			if err != nil {
				return err
			}
			a, err := put.put(ctx, s)
			if err != nil {
				return err
			}
			accepted = append(accepted, a)
		}
		ended = put.ended
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.canceled(ended)
	return accepted, nil
}

// putter writes uploads into one collection within one transaction.
type putter struct {
	c          *Catalog
	tx         *transaction
	now        int64
	collection rag.CollectionID
	tenant     string
	chunking   rag.Chunking // of the collection
	ended      []rag.JobID  // jobs of older versions that were canceled
}

func (p *putter) open(ctx context.Context) error {
	err := p.tx.QueryRowContext(ctx, `SELECT tenant, strategy, max_tokens, overlap, min_tokens, parent_tokens FROM collections
		WHERE id = ? AND deleted_at IS NULL`, p.collection).
		Scan(&p.tenant, &p.chunking.Strategy, &p.chunking.MaxTokens, &p.chunking.Overlap, &p.chunking.MinTokens, &p.chunking.ParentTokens)
	if errors.Is(err, sql.ErrNoRows) {
		return rag.NotFound("the collection was deleted meanwhile")
	}
	return err
}

func (p *putter) put(ctx context.Context, s ingest.Staged) (ingest.Accepted, error) {
	for _, text := range []*string{&s.Upload.ExternalID, &s.Upload.Title, &s.Upload.Filename, &s.Upload.MediaType, &s.SHA256} {
		*text = wholeText(*text) // as they are stored, to compare
	}
	if s.Upload.Metadata == nil {
		s.Upload.Metadata = rag.Metadata{}
	}
	if s.Upload.Chunking == nil {
		s.Upload.Chunking = &p.chunking
	}
	metadata, err := toJSON(s.Upload.Metadata)
	if err != nil {
		return ingest.Accepted{}, err
	}
	m, err := p.match(ctx, s, metadata)
	if err != nil {
		return ingest.Accepted{}, err
	}
	if !m.found {
		id, err := p.addDocument(ctx, s.Upload.ExternalID)
		if err != nil {
			return ingest.Accepted{}, err
		}
		return p.addVersion(ctx, id, 1, s, metadata)
	}
	if accepted, settled, err := p.settle(ctx, m, s, metadata); err != nil || settled {
		return accepted, err
	}
	if err := p.supersede(ctx, m.ID); err != nil {
		return ingest.Accepted{}, err
	}
	return p.addVersion(ctx, m.ID, m.Version+1, s, metadata)
}

// addDocument inserts a document without a version. A client may have taken the id that would be given; then a later
// number is tried.
func (p *putter) addDocument(ctx context.Context, externalID string) (rag.DocumentID, error) {
	const insert = `INSERT INTO documents (collection_id, external_id, version, created_at, updated_at)
		VALUES (?, ?, 1, ?, ?) RETURNING id`
	var id rag.DocumentID
	if externalID != "" {
		err := p.tx.QueryRowContext(ctx, insert, p.collection, externalID, p.now, p.now).Scan(&id)
		return id, err
	}
	for {
		// The row has an id of nobody's until its number is known. On PostgreSQL uploads beside this one have theirs.
		if err := p.tx.QueryRowContext(ctx, insert, p.collection, "\n"+rand.Text(), p.now, p.now).Scan(&id); err != nil {
			return 0, fmt.Errorf("insert document: %w", err)
		}
		given := fmt.Sprintf("doc_%d", id)
		_, taken, err := documentByExternalID(ctx, p.tx, p.collection, given)
		if err != nil {
			return 0, err
		}
		statement, args := `UPDATE documents SET external_id = ? WHERE id = ?`, []any{given, id}
		if taken {
			statement, args = `DELETE FROM documents WHERE id = ?`, []any{id}
		}
		if _, err := p.tx.ExecContext(ctx, statement, args...); err != nil {
			return 0, fmt.Errorf("name document %d: %w", id, err)
		}
		if !taken {
			return id, nil
		}
	}
}

// addVersion inserts a version and its job, and makes it the newest.
func (p *putter) addVersion(ctx context.Context, id rag.DocumentID, version int, s ingest.Staged, metadata string) (ingest.Accepted, error) {
	u := s.Upload
	chunking, err := chunkingText(*u.Chunking)
	if err != nil {
		return ingest.Accepted{}, err
	}
	if _, err := p.tx.ExecContext(ctx, `INSERT INTO versions
		(document_id, version, state, title, filename, media_type, blob, size, sha256, metadata, chunking, warnings, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)`,
		id, version, rag.StatusQueued, u.Title, u.Filename, u.MediaType, s.Blob, s.Size, s.SHA256, metadata, chunking, p.now); err != nil {
		return ingest.Accepted{}, fmt.Errorf("insert version %d of document %d: %w", version, id, err)
	}
	if _, err := p.tx.ExecContext(ctx, `UPDATE documents SET version = ?, updated_at = ? WHERE id = ?`, version, p.now, id); err != nil {
		return ingest.Accepted{}, fmt.Errorf("update document %d: %w", id, err)
	}
	job, err := p.c.addJob(ctx, p.tx, p.tenant, rag.Job{Kind: rag.JobIngest, Collection: p.collection, Document: id, Version: version})
	if err != nil {
		return ingest.Accepted{}, err
	}
	document, err := documentByID(ctx, p.tx, id)
	if err != nil {
		return ingest.Accepted{}, err
	}
	return ingest.Accepted{Document: document, Job: job}, nil
}

// chunkingText is how a version's chunking is kept: empty where the client cut it.
func chunkingText(c rag.Chunking) (string, error) {
	if c == (rag.Chunking{}) {
		return "", nil
	}
	return toJSON(c)
}

// supersede cancels the ingest jobs of a document that are not done, and marks their versions.
func (p *putter) supersede(ctx context.Context, id rag.DocumentID) error {
	ended, err := cancelJobs(ctx, p.tx, p.now, "a newer version was uploaded", `document_id = ?`, id)
	if err != nil {
		return fmt.Errorf("supersede jobs of document %d: %w", id, err)
	}
	p.ended = append(p.ended, ended...)
	return supersedeVersions(ctx, p.tx, id)
}
