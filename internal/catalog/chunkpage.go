package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// pageTries is how often a page is read while other versions take the live one's place.
const pageTries = 3

// DocumentChunks gives up to limit chunks of a document's live version, in order from an ordinal on. Where no version is
// live that is rag.ErrNotFound.
func (c *Catalog) DocumentChunks(ctx context.Context, collection rag.CollectionID, externalID string, from, limit int) (rag.ChunkPage, error) {
	for tries := 1; ; tries++ {
		id, page, err := c.liveVersion(ctx, collection, externalID)
		if err != nil {
			return rag.ChunkPage{}, err
		}
		page.Chunks, err = collect(ctx, c.read, scanChunk, `SELECT `+chunkColumns+` FROM chunks k
			WHERE k.document_id = ? AND k.version = ? AND k.ordinal >= ? ORDER BY k.ordinal LIMIT ?`, id, page.Version, from, limit)
		if err != nil {
			return rag.ChunkPage{}, unavailable("read chunks of document "+externalID, err)
		}
		if whole := len(page.Chunks) == min(limit, max(0, page.Total-from)); whole || tries == pageTries {
			return page, nil
		}
	}
}

// ChunkOrdinal gives the place of a chunk in its document, from 0. One that the live version does not have is
// rag.ErrNotFound.
func (c *Catalog) ChunkOrdinal(ctx context.Context, collection rag.CollectionID, externalID string, chunk rag.ChunkID) (int, error) {
	id, page, err := c.liveVersion(ctx, collection, externalID)
	if err != nil {
		return 0, err
	}
	var ordinal int
	err = c.read.QueryRowContext(ctx, `SELECT k.ordinal FROM chunks k WHERE k.id = ? AND k.document_id = ? AND k.version = ?`,
		chunk, id, page.Version).Scan(&ordinal)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, &rag.Problem{Kind: rag.ErrNotFound, Code: "chunk_not_found", Document: externalID,
			Message: fmt.Sprintf("document %q has no chunk %d now; where it was replaced, its chunks are new: search again", externalID, chunk)}
	}
	if err != nil {
		return 0, unavailable(fmt.Sprintf("find chunk %d", chunk), err)
	}
	return ordinal, nil
}

// liveVersion finds a document's live version and how many chunks that has.
func (c *Catalog) liveVersion(ctx context.Context, collection rag.CollectionID, externalID string) (id rag.DocumentID, page rag.ChunkPage, err error) {
	err = c.read.QueryRowContext(ctx, `SELECT d.id, COALESCE(d.live_version, 0), COALESCE(l.chunks, 0) FROM documents d
		LEFT JOIN versions l ON l.document_id = d.id AND l.version = d.live_version
		WHERE d.collection_id = ? AND d.external_id = ? AND d.deleted_at IS NULL`, collection, externalID).Scan(&id, &page.Version, &page.Total)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, rag.ChunkPage{}, noDocument(externalID)
	case err != nil:
		return 0, rag.ChunkPage{}, unavailable("find document "+externalID, err)
	case page.Version == 0:
		return 0, rag.ChunkPage{}, &rag.Problem{Kind: rag.ErrNotFound, Code: "no_live_version",
			Message: fmt.Sprintf("document %q has no chunks yet: no version of it is searchable; wait for its job", externalID)}
	}
	return id, page, nil
}
