package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// LiveHits reads the chunks among ids that search may return now: of the live version of a document that is not
// deleted, in this collection. They come as hits with the live version's title, filename and metadata, and without
// scores; ids that are not live are left out.
func (c *Catalog) LiveHits(ctx context.Context, collection rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error) {
	live := make(map[rag.ChunkID]rag.Hit, len(ids))
	for start := 0; start < len(ids); start += idBatch {
		marks, args := placeholders(ids[start:min(start+idBatch, len(ids))])
		hits, err := collect(ctx, c.read, scanHit, `SELECT `+chunkColumns+`, d.external_id, COALESCE(NULLIF(v.title, ''), v.found_title), v.filename, v.metadata
			FROM chunks k
			JOIN documents d ON d.id = k.document_id AND d.live_version = k.version
			JOIN versions v ON v.document_id = k.document_id AND v.version = k.version
			WHERE d.collection_id = ? AND d.deleted_at IS NULL AND k.id IN (`+marks+`)`, append([]any{collection}, args...)...)
		if err != nil {
			return nil, unavailable(fmt.Sprintf("read live chunks of collection %d", collection), err)
		}
		for _, h := range hits {
			live[h.Chunk.ID] = h
		}
	}
	return live, nil
}

func scanHit(r row) (rag.Hit, error) {
	var h rag.Hit
	var metadata string
	var err error
	h.Chunk, err = scanChunk(&widened{row: r, more: []any{&h.ExternalID, &h.Title, &h.Filename, &metadata}})
	if err != nil {
		return rag.Hit{}, err
	}
	h.Document = h.Chunk.Document
	if h.Metadata, err = toMetadata(metadata); err != nil {
		return rag.Hit{}, fmt.Errorf("document %d: %w", h.Document, err)
	}
	return h, nil
}

// widened scans further columns after those that its user asks for.
type widened struct {
	row
	more []any
}

// Scan reads the columns asked for, then the further ones.
func (w *widened) Scan(dest ...any) error { return w.row.Scan(append(dest, w.more...)...) }

// LiveChunks gives the chunks that Milvus has of the version that is live while the job makes another, up to limit from
// an ordinal on, in order. There are none where none is live.
func (c *Catalog) LiveChunks(ctx context.Context, claim rag.Claim, from, limit int) ([]rag.Chunk, error) {
	what := fmt.Sprintf("read live chunks for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	chunks, err := collect(ctx, c.read, scanChunk, `SELECT `+chunkColumns+` FROM chunks k
		JOIN documents d ON d.id = k.document_id AND d.live_version = k.version
		WHERE k.document_id = ? AND k.version <> ? AND k.indexed = 1 AND k.ordinal >= ? ORDER BY k.ordinal LIMIT ?`,
		j.Document, j.Version, from, limit)
	if err != nil {
		return nil, unavailable(what, err)
	}
	return chunks, nil
}

// liveTitle is the title of a document's live version; empty where none is live.
func liveTitle(ctx context.Context, db querier, d rag.Document) (title string, err error) {
	if d.LiveVersion == 0 {
		return "", nil
	}
	err = db.QueryRowContext(ctx, `SELECT COALESCE(NULLIF(v.title, ''), v.found_title) FROM versions v
		WHERE v.document_id = ? AND v.version = ?`, d.ID, d.LiveVersion).Scan(&title)
	return title, err
}
