package catalog

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// LiveHits reads the chunks among ids that search may return now: of the live version of a document that is not
// deleted, in this collection. They come as hits with the live version's title, filename and metadata, with when the
// document changed last, and without scores; ids that are not live are left out.
func (c *Catalog) LiveHits(ctx context.Context, collection rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error) {
	live := make(map[rag.ChunkID]rag.Hit, len(ids))
	for start := 0; start < len(ids); start += idBatch {
		marks, args := placeholders(ids[start:min(start+idBatch, len(ids))])
		hits, err := collect(ctx, c.read, scanHit, `SELECT `+chunkColumns+`, d.external_id, COALESCE(NULLIF(v.title, ''), v.found_title), v.filename, v.metadata, d.updated_at, v.language
			FROM chunks k
			JOIN documents d ON d.id = k.document_id AND d.live_version = k.version
			JOIN versions v ON v.document_id = k.document_id AND v.version = k.version
			WHERE d.collection_id = ? AND d.deleted_at IS NULL AND k.id IN (`+marks+`)`, append([]any{collection}, args...)...)
		if err != nil {
			return nil, unavailable(fmt.Sprintf("read live chunks of collection %d", collection), err)
		}
		if err := c.readParents(ctx, hits); err != nil {
			return nil, unavailable(fmt.Sprintf("read parents of chunks of collection %d", collection), err)
		}
		for _, h := range hits {
			live[h.Chunk.ID] = h
		}
	}
	return live, nil
}

// parentKey names a parent.
type parentKey struct {
	document rag.DocumentID
	version  int
	span     rag.Span
}

// readParents reads the texts of the hits' parents, each once.
func (c *Catalog) readParents(ctx context.Context, hits []rag.Hit) error {
	var ids []rag.ChunkID
	for _, h := range hits {
		if h.Chunk.Parent != nil {
			ids = append(ids, h.Chunk.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	marks, args := placeholders(ids)
	firsts, err := collect(ctx, c.read, scanParent, `SELECT f.document_id, f.version, f.parent_start, f.parent_end, f.parent_header, f.parent_text
		FROM (SELECT DISTINCT k.document_id, k.version, k.parent FROM chunks k WHERE k.id IN (`+marks+`)) p
		JOIN chunks f ON f.document_id = p.document_id AND f.version = p.version AND f.ordinal = p.parent`, args...)
	if err != nil {
		return err
	}
	texts := make(map[parentKey]*rag.Parent, len(firsts))
	for _, f := range firsts {
		texts[f.parentKey] = &f.Parent
	}
	for i, h := range hits {
		if h.Chunk.Parent != nil {
			hits[i].Chunk.Parent = texts[parentKey{h.Document, h.Chunk.Version, h.Chunk.Parent.Span}]
		}
	}
	return nil
}

type keptParent struct {
	parentKey
	rag.Parent
}

func scanParent(r row) (keptParent, error) {
	var k keptParent
	err := r.Scan(&k.document, &k.version, &k.Span.Start, &k.Span.End, &k.Header, &k.Text)
	k.span = k.Span
	return k, err
}

func scanHit(r row) (rag.Hit, error) {
	var h rag.Hit
	var metadata string
	var changed int64
	var err error
	h.Chunk, err = scanChunk(&widened{row: r, more: []any{&h.ExternalID, &h.Title, &h.Filename, &metadata, &changed, &h.Language}})
	if err != nil {
		return rag.Hit{}, err
	}
	h.Changed = fromMicros(changed)
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

// CopyChunks writes the chunk rows of the version that the job makes as those of the live version, which is of the same
// bytes and chunking, in place of any there, each with an id of its own; the document's own title, the warnings and the text come along. It gives
// that title.
func (c *Catalog) CopyChunks(ctx context.Context, claim rag.Claim) (title string, err error) {
	err = c.fenced(ctx, claim, "copy chunks", func(tx *transaction, j rag.Job) error {
		var live, chunks int
		var warnings, text string
		if err := tx.QueryRowContext(ctx, `SELECT l.version, l.chunks, l.found_title, l.warnings, l.text_blob FROM documents d
			JOIN versions l ON l.document_id = d.id AND l.version = d.live_version
			JOIN versions v ON v.document_id = d.id AND v.version = ? AND v.sha256 = l.sha256 AND v.media_type = l.media_type AND v.chunking = l.chunking AND v.version <> l.version AND l.text_blob <> ''
			WHERE d.id = ?`, j.Version, j.Document).Scan(&live, &chunks, &title, &warnings, &text); err != nil {
			return fmt.Errorf("find a live version of the same bytes as version %d of document %d: %w", j.Version, j.Document, err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM chunks WHERE document_id = ? AND version = ?`, j.Document, j.Version); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO chunks
				(document_id, version, ordinal, text, headings, page_start, page_end, span_start, span_end, tokens,
				header, parent, parent_start, parent_end, parent_header, parent_text)
			SELECT k.document_id, CAST(? AS INTEGER), k.ordinal, k.text, k.headings, k.page_start, k.page_end, k.span_start, k.span_end, k.tokens,
				k.header, k.parent, k.parent_start, k.parent_end, k.parent_header, k.parent_text
			FROM chunks k WHERE k.document_id = ? AND k.version = ? ORDER BY k.ordinal`, j.Version, j.Document, live); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE versions SET chunks = ?, found_title = ?, warnings = ?, text_blob = ? WHERE document_id = ? AND version = ?`,
			chunks, title, warnings, text, j.Document, j.Version); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET done = 0, reused = 0, total = ?, crashes = 0, parse_crashes = 0 WHERE id = ?`, chunks, j.ID)
		return err
	})
	return title, err
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
