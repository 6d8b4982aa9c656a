package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// documentColumns describe a document by its newest version v; l is its live version.
const documentColumns = `d.id, d.collection_id, d.external_id, COALESCE(NULLIF(v.title, ''), v.found_title), v.filename, v.media_type, v.size, v.sha256, v.metadata,
	d.version, COALESCE(d.live_version, 0), ` + documentState + `,
	v.error_code, v.error_message, v.warnings, v.chunking, v.language, COALESCE(l.chunks, 0), d.created_at, d.updated_at`

// documentState is the state of a document d whose newest version is v.
const documentState = `CASE WHEN d.deleted_at IS NULL THEN v.state ELSE 'deleting' END`

const documentTables = ` FROM documents d
	JOIN versions v ON v.document_id = d.id AND v.version = d.version
	LEFT JOIN versions l ON l.document_id = d.id AND l.version = d.live_version `

func scanDocument(r row) (rag.Document, error) {
	var d rag.Document
	var metadata, code, message, warnings, chunking string
	var created, updated int64
	if err := r.Scan(&d.ID, &d.Collection, &d.ExternalID, &d.Title, &d.Filename, &d.MediaType, &d.Size, &d.SHA256,
		&metadata, &d.Version, &d.LiveVersion, &d.Status, &code, &message, &warnings, &chunking, &d.Language, &d.Chunks, &created, &updated); err != nil {
		return rag.Document{}, err
	}
	d.Error = failure(code, message)
	d.CreatedAt, d.UpdatedAt = fromMicros(created), fromMicros(updated)
	var err error
	if chunking != "" {
		if err := json.Unmarshal([]byte(chunking), &d.Chunking); err != nil {
			return rag.Document{}, fmt.Errorf("read chunking of document %d: %w", d.ID, err)
		}
	}
	if d.Metadata, err = toMetadata(metadata); err != nil {
		return rag.Document{}, fmt.Errorf("document %d: %w", d.ID, err)
	}
	if warnings == "[]" {
		return d, nil
	}
	if err := json.Unmarshal([]byte(warnings), &d.Warnings); err != nil {
		return rag.Document{}, fmt.Errorf("read warnings of document %d: %w", d.ID, err)
	}
	return d, nil
}

// Document finds a document by the client's id. A deleted one is not found.
func (c *Catalog) Document(ctx context.Context, collection rag.CollectionID, externalID string) (rag.Document, error) {
	d, found, err := documentByExternalID(ctx, c.read, collection, externalID)
	if err != nil {
		return rag.Document{}, unavailable("read document "+externalID, err)
	}
	if !found {
		return rag.Document{}, noDocument(externalID)
	}
	return d, nil
}

func noDocument(externalID string) error {
	return &rag.Problem{
		Kind: rag.ErrNotFound, Code: "document_not_found",
		Message: fmt.Sprintf("there is no document %q in this collection; check the id", externalID),
	}
}

func documentByExternalID(ctx context.Context, db querier, collection rag.CollectionID, externalID string) (rag.Document, bool, error) {
	d, err := scanDocument(db.QueryRowContext(ctx, `SELECT `+documentColumns+documentTables+`
		WHERE d.collection_id = ? AND d.external_id = ? AND d.deleted_at IS NULL`, collection, externalID))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Document{}, false, nil
	}
	return d, err == nil, err
}

func documentByID(ctx context.Context, db querier, id rag.DocumentID) (rag.Document, error) {
	d, err := scanDocument(db.QueryRowContext(ctx, `SELECT `+documentColumns+documentTables+` WHERE d.id = ?`, id))
	if err != nil {
		return rag.Document{}, fmt.Errorf("read document %d: %w", id, err)
	}
	return d, nil
}

// Page asks for one page of documents.
type Page struct {
	Status []rag.Status   // any of these; empty for all
	After  rag.DocumentID // the last one of the page before; 0 for the first page
	Limit  int            // at least 1
	Filter *rag.Filter    // condition on the newest version's metadata; nil for none
}

// Documents lists a collection's documents in order of their ids. Those whose rows are still being removed are left out
// unless they are asked for by their state.
func (c *Catalog) Documents(ctx context.Context, collection rag.CollectionID, p Page) ([]rag.Document, error) {
	where, args := ` WHERE d.collection_id = ? AND d.id > ?`, []any{collection, p.After}
	if len(p.Status) > 0 {
		marks, states := placeholders(p.Status)
		where, args = where+` AND `+documentState+` IN (`+marks+`)`, append(args, states...)
	} else {
		where += ` AND d.deleted_at IS NULL`
	}
	if p.Filter != nil {
		condition, own := c.read.condition(*p.Filter)
		where, args = where+` AND `+condition, append(args, own...)
	}
	page, err := collect(ctx, c.read, scanDocument,
		`SELECT `+documentColumns+documentTables+where+` ORDER BY d.id LIMIT ?`, append(args, p.Limit)...)
	if err != nil {
		return nil, unavailable(fmt.Sprintf("list documents of collection %d", collection), err)
	}
	return page, nil
}

// LiveText gives the number of a document, its live version and the key of that version's text. Where none is live, or
// its text was not kept, that is not found.
func (c *Catalog) LiveText(ctx context.Context, collection rag.CollectionID, externalID string) (id rag.DocumentID, version int, key string, err error) {
	err = c.read.QueryRowContext(ctx, `SELECT d.id, COALESCE(d.live_version, 0), COALESCE(l.text_blob, '') FROM documents d
		LEFT JOIN versions l ON l.document_id = d.id AND l.version = d.live_version
		WHERE d.collection_id = ? AND d.external_id = ? AND d.deleted_at IS NULL`, collection, externalID).Scan(&id, &version, &key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, 0, "", noDocument(externalID)
	case err != nil:
		return 0, 0, "", unavailable("find text of document "+externalID, err)
	case version == 0:
		return 0, 0, "", &rag.Problem{Kind: rag.ErrNotFound, Code: "no_live_version",
			Message: fmt.Sprintf("document %q has no text yet: no version of it is searchable; wait for its job", externalID)}
	case key == "":
		return 0, 0, "", &rag.Problem{Kind: rag.ErrNotFound, Code: "text_not_kept",
			Message: fmt.Sprintf("the text of document %q was not kept, as it was ingested by an older redkite; change its metadata or upload it under another title, and it will be", externalID)}
	}
	return id, version, key, nil
}

// NeededBlobs gives those of the blobs that a version of any document, or a file, names: what a sweep must keep.
func (c *Catalog) NeededBlobs(ctx context.Context, keys []string) ([]string, error) {
	var needed []string
	for batch := range slices.Chunk(keys, idBatch) {
		marks, args := placeholders(batch)
		named, err := collect(ctx, c.read, scanOne[string], `SELECT v.blob FROM versions v WHERE v.blob IN (`+marks+`)
			UNION SELECT v.text_blob FROM versions v WHERE v.text_blob IN (`+marks+`)
			UNION SELECT f.blob FROM files f WHERE f.deleted_at IS NULL AND f.blob IN (`+marks+`)`, slices.Concat(args, args, args)...)
		if err != nil {
			return nil, unavailable(fmt.Sprintf("look up %d blobs", len(batch)), err)
		}
		needed = append(needed, named...)
	}
	return needed, nil
}
