package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// idBatch is how many ids go into one statement; SQLite allows 32,766 parameters, and plans stay small.
const idBatch = 500

// fenced runs fn in one transaction after it has made sure that the claim still holds: the job is running and its
// fence is the claim's. Else it is rag.ErrStale.
func (c *Catalog) fenced(ctx context.Context, claim rag.Claim, what string, fn func(tx *transaction, j rag.Job) error) error {
	what = fmt.Sprintf("%s for job %d", what, claim.Job)
	return c.inTx(ctx, what, func(tx *transaction) error {
		// The update locks the row, so that nobody can end the claim before the commit.
		result, err := tx.ExecContext(ctx, `UPDATE jobs SET fence = fence WHERE id = ? AND fence = ? AND state = ?`,
			claim.Job, claim.Fence, rag.JobRunning)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(rag.ErrStale, err)
		}
		j, err := claimedJob(ctx, tx, claim)
		if err != nil {
			return err
		}
		return fn(tx, j)
	})
}

// claimedJob reads a job if the claim still holds, else it is rag.ErrStale.
func claimedJob(ctx context.Context, db querier, claim rag.Claim) (rag.Job, error) {
	j, err := scanJob(db.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j
		WHERE j.id = ? AND j.fence = ? AND j.state = ?`, claim.Job, claim.Fence, rag.JobRunning))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Job{}, rag.ErrStale
	}
	return j, err
}

// Task gives what a worker has to know about its job. The collection is given even where it is deleted. For a job on a
// collection, only that is set.
func (c *Catalog) Task(ctx context.Context, claim rag.Claim) (ingest.Task, error) {
	what := fmt.Sprintf("read task of job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return ingest.Task{}, unavailable(what, err)
	}
	var t ingest.Task
	t.Collection, err = scanCollection(c.read.QueryRowContext(ctx,
		`SELECT `+collectionColumns+` FROM collections c WHERE c.id = ?`, j.Collection))
	if err != nil {
		return ingest.Task{}, unavailable(what, err)
	}
	if j.Document == 0 {
		return t, nil
	}
	t.Document, err = documentByID(ctx, c.read, j.Document)
	if (j.Kind == rag.JobDeleteDocument || j.Kind == rag.JobCleanUp) && errors.Is(err, sql.ErrNoRows) {
		t.Document, err = rag.Document{ID: j.Document, Collection: j.Collection}, nil // an earlier attempt came that far
	}
	if err != nil || j.Kind != rag.JobIngest {
		return t, unavailable(what, err)
	}
	t.Live = t.Document.LiveVersion == j.Version
	if t.LiveTitle, err = liveTitle(ctx, c.read, t.Document); err != nil {
		return ingest.Task{}, unavailable(what, err)
	}
	err = c.read.QueryRowContext(ctx, `SELECT v.blob, v.size, v.chunks IS NOT NULL,
			COALESCE(v.sha256 <> '' AND l.sha256 = v.sha256 AND l.media_type = v.media_type AND l.chunking = v.chunking AND l.version <> v.version AND l.text_blob <> '', FALSE),
			(SELECT j.parse_crashes > 0 FROM jobs j WHERE j.id = ?)
		FROM versions v LEFT JOIN versions l ON l.document_id = v.document_id AND l.version = ?
		WHERE v.document_id = ? AND v.version = ?`, j.ID, t.Document.LiveVersion, j.Document, j.Version).
		Scan(&t.Blob, &t.Size, &t.Chunked, &t.Same, &t.Suspect)
	if err != nil {
		return ingest.Task{}, unavailable(what, err)
	}
	return t, nil
}

// SetStage says what the job is busy with; an ingest job's document follows.
func (c *Catalog) SetStage(ctx context.Context, claim rag.Claim, stage rag.Stage) error {
	return c.fenced(ctx, claim, "set stage "+string(stage), func(tx *transaction, j rag.Job) error {
		if _, err := tx.ExecContext(ctx, `UPDATE jobs SET stage = ? WHERE id = ?`, stage, j.ID); err != nil {
			return err
		}
		status, ok := statusAt(stage)
		if !ok || j.Kind != rag.JobIngest {
			return nil
		}
		return moveVersion(ctx, tx, j, status)
	})
}

// statusAt is the state of a document while its job is at a stage.
func statusAt(stage rag.Stage) (rag.Status, bool) {
	switch stage {
	case rag.StageQueued:
		return rag.StatusQueued, true
	case rag.StageParse:
		return rag.StatusParsing, true
	case rag.StageEmbed:
		return rag.StatusEmbedding, true
	case rag.StagePublish:
		return rag.StatusIndexing, true
	}
	return "", false
}

// BeginChunks says that the version that the job makes is being parsed, and forgets what an attempt before left of its
// chunks and text. It gives the key of that text where nothing else needs it.
func (c *Catalog) BeginChunks(ctx context.Context, claim rag.Claim) (text string, err error) {
	left := false
	err = c.fenced(ctx, claim, "begin chunks", func(tx *transaction, j rag.Job) error {
		if _, err := tx.ExecContext(ctx, `UPDATE jobs SET stage = ?, done = 0, total = 0 WHERE id = ?`, rag.StageParse, j.ID); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM versions o
				WHERE o.document_id = v.document_id AND o.version <> v.version AND o.text_blob = v.text_blob) THEN '' ELSE v.text_blob END,
				EXISTS (SELECT 1 FROM chunks k WHERE k.document_id = v.document_id AND k.version = v.version)
			FROM versions v WHERE v.document_id = ? AND v.version = ?`, j.Document, j.Version).Scan(&text, &left); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE versions SET chunks = NULL, text_blob = '' WHERE document_id = ? AND version = ?`,
			j.Document, j.Version); err != nil {
			return err
		}
		return moveVersion(ctx, tx, j, rag.StatusParsing)
	})
	if err != nil || !left {
		return text, err
	}
	return text, c.removeAll(ctx, claim, `DELETE FROM chunks WHERE id IN (SELECT k.id FROM chunks k
		JOIN jobs j ON j.document_id = k.document_id AND j.version = k.version WHERE j.id = ? LIMIT ?)`, claim.Job)
}

// AddChunks writes further chunks of the version that the job makes, each with its id, and how far its parser is. Ordinals
// go on from those that are there. The version counts as cut only from EndChunks on.
func (c *Catalog) AddChunks(ctx context.Context, claim rag.Claim, chunks []rag.Chunk, done, total int) error {
	return c.fenced(ctx, claim, fmt.Sprintf("write %d chunks", len(chunks)), func(tx *transaction, j rag.Job) error {
		if _, err := appendChunks(ctx, tx, j, chunks); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET done = ?, total = ? WHERE id = ?`, done, total, j.ID)
		return err
	})
}

// EndChunks writes the last chunks of the version that the job makes, and with them the document's own title, the
// warnings, and the key of its text. From then on Task says Chunked.
func (c *Catalog) EndChunks(ctx context.Context, claim rag.Claim, cut ingest.Cut) error {
	if cut.Warnings == nil {
		cut.Warnings = []rag.Warning{}
	}
	warnings, err := toJSON(cut.Warnings)
	if err != nil {
		return err
	}
	return c.fenced(ctx, claim, fmt.Sprintf("write the last %d chunks", len(cut.Chunks)), func(tx *transaction, j rag.Job) error {
		chunks, err := appendChunks(ctx, tx, j, cut.Chunks)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE versions SET chunks = ?, found_title = ?, warnings = ?, text_blob = ? WHERE document_id = ? AND version = ?`,
			chunks, cut.Title, warnings, cut.Text, j.Document, j.Version); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET done = 0, reused = 0, total = ?, crashes = 0, parse_crashes = 0 WHERE id = ?`, chunks, j.ID)
		return err
	})
}

// appendChunks writes chunks after those that the job's version has, and gives how many it has then.
func appendChunks(ctx context.Context, tx *transaction, j rag.Job, chunks []rag.Chunk) (int, error) {
	var first int
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(ordinal) + 1, 0) FROM chunks WHERE document_id = ? AND version = ?`,
		j.Document, j.Version).Scan(&first); err != nil {
		return 0, err
	}
	for start := 0; start < len(chunks); start += insertBatch {
		if err := insertChunks(ctx, tx, j, first, start, min(start+insertBatch, len(chunks)), chunks); err != nil {
			return 0, err
		}
	}
	return first + len(chunks), nil
}

// insertBatch is how many chunks one statement inserts.
const insertBatch = 50

// insertChunks inserts chunks [start, end) of those that come after the first ones of the job's version; first and their
// places give their ordinals. No parent has chunks before them.
func insertChunks(ctx context.Context, tx *transaction, j rag.Job, first, start, end int, chunks []rag.Chunk) error {
	rows := make([]string, end-start)
	args := make([]any, 0, 16*len(rows))
	for i, ch := range chunks[start:end] {
		headings, err := toJSON(ch.Headings)
		if err != nil {
			return err
		}
		rows[i] = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
		parent, at := parentOf(chunks, start+i)
		if at >= 0 {
			at += first
		}
		args = append(args, j.Document, j.Version, first+start+i, ch.Text, headings,
			ch.PageStart, ch.PageEnd, ch.Span.Start, ch.Span.End, ch.Tokens,
			ch.Header, at, parent.Span.Start, parent.Span.End, parent.Header, parent.Text)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO chunks
		(document_id, version, ordinal, text, headings, page_start, page_end, span_start, span_end, tokens,
		header, parent, parent_start, parent_end, parent_header, parent_text)
		VALUES `+strings.Join(rows, ", "), args...)
	if err != nil {
		return fmt.Errorf("chunks from %d: %w", first+start, err)
	}
	return nil
}

// parentOf gives the parent that a chunk's row keeps, and the ordinal of the first chunk of that parent: the text is kept
// there alone.
func parentOf(all []rag.Chunk, i int) (rag.Parent, int) {
	if all[i].Parent == nil {
		return rag.Parent{}, -1
	}
	parent, first := *all[i].Parent, i
	for first > 0 && all[first-1].Parent != nil && all[first-1].Parent.Span == parent.Span {
		first--
	}
	if first < i {
		parent.Text, parent.Header = "", ""
	}
	return parent, first
}

const chunkColumns = `k.id, k.document_id, k.version, k.ordinal, k.text, k.headings, k.page_start, k.page_end,
	k.span_start, k.span_end, k.tokens, k.header, k.parent, k.parent_start, k.parent_end`

func scanChunk(r row) (rag.Chunk, error) {
	var ch rag.Chunk
	var headings string
	var parent int
	var at rag.Span
	if err := r.Scan(&ch.ID, &ch.Document, &ch.Version, &ch.Ordinal, &ch.Text, &headings, &ch.PageStart, &ch.PageEnd,
		&ch.Span.Start, &ch.Span.End, &ch.Tokens, &ch.Header, &parent, &at.Start, &at.End); err != nil {
		return rag.Chunk{}, err
	}
	if err := json.Unmarshal([]byte(headings), &ch.Headings); err != nil {
		return rag.Chunk{}, fmt.Errorf("read headings of chunk %d: %w", ch.ID, err)
	}
	if parent >= 0 {
		ch.Parent = &rag.Parent{Span: at}
	}
	return ch, nil
}

// PendingChunks gives up to limit chunks of the job's version that are not indexed, in order.
func (c *Catalog) PendingChunks(ctx context.Context, claim rag.Claim, limit int) ([]rag.Chunk, error) {
	what := fmt.Sprintf("read pending chunks for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	pending, err := collect(ctx, c.read, scanChunk, `SELECT `+chunkColumns+` FROM chunks k
		WHERE k.document_id = ? AND k.version = ? AND k.indexed = 0 ORDER BY k.ordinal LIMIT ?`, j.Document, j.Version, limit)
	if err != nil {
		return nil, unavailable(what, err)
	}
	return pending, nil
}

// MarkIndexed says that Milvus has these chunks, and moves the job's progress on by as many; the vectors of reused of
// them came from the version before.
func (c *Catalog) MarkIndexed(ctx context.Context, claim rag.Claim, ids []rag.ChunkID, reused int) error {
	return c.fenced(ctx, claim, fmt.Sprintf("mark %d chunks indexed", len(ids)), func(tx *transaction, j rag.Job) error {
		marked, err := execBatches(ctx, tx, `UPDATE chunks SET indexed = 1
			WHERE document_id = ? AND version = ? AND indexed = 0 AND id IN `, ids, j.Document, j.Version)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET done = done + ?, reused = reused + ?, crashes = 0 WHERE id = ?`, marked, reused, j.ID)
		return err
	})
}

// Waiting reports whether other jobs could run now if a worker were free.
func (c *Catalog) Waiting(ctx context.Context, claim rag.Claim) (bool, error) {
	var waiting bool
	if err := c.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM jobs j WHERE j.finished_at IS NULL AND j.id <> ?
		AND (j.state = ? OR j.state = ? AND j.next_run_at <= ?))`, claim.Job, rag.JobQueued, rag.JobRetrying, micros(c.now())).Scan(&waiting); err != nil {
		return false, unavailable("look for jobs that wait", err)
	}
	return waiting, nil
}

// execBatches runs a statement that ends in "id IN" for the ids, batch by batch, and sums up the rows changed.
func execBatches(ctx context.Context, tx *transaction, statement string, ids []rag.ChunkID, args ...any) (int64, error) {
	var changed int64
	for start := 0; start < len(ids); start += idBatch {
		marks, values := placeholders(ids[start:min(start+idBatch, len(ids))])
		result, err := tx.ExecContext(ctx, statement+"("+marks+")", append(append([]any{}, args...), values...)...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}

// IndexedChunks gives the ids of the chunks of the job's version that Milvus has, in order.
func (c *Catalog) IndexedChunks(ctx context.Context, claim rag.Claim) ([]rag.ChunkID, error) {
	what := fmt.Sprintf("read indexed chunks for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	ids, err := collect(ctx, c.read, scanOne[rag.ChunkID], `SELECT k.id FROM chunks k
		WHERE k.document_id = ? AND k.version = ? AND k.indexed = 1 ORDER BY k.ordinal`, j.Document, j.Version)
	if err != nil {
		return nil, unavailable(what, err)
	}
	return ids, nil
}
