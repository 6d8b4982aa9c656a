package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

const storeColumns = collectionColumns + `, COALESCE(l.name, ''), COALESCE(l.description, ''), COALESCE(l.metadata, '{}')
	FROM collections c LEFT JOIN collection_labels l ON l.collection_id = c.id`

func scanStore(r row) (rag.VectorStore, error) {
	var s rag.VectorStore
	var metadata string
	var err error
	if s.Collection, err = scanCollection(labelled{r, []any{&s.Label.Name, &s.Label.Description, &metadata}}); err != nil {
		return s, err
	}
	if s.Label.Name == "" {
		s.Label.Name = s.Name
	}
	if err := json.Unmarshal([]byte(metadata), &s.Label.Metadata); err != nil {
		return s, fmt.Errorf("read metadata of collection %d: %w", s.ID, err)
	}
	return s, nil
}

// labelled is a row with more columns than its scanner asks for.
type labelled struct {
	row
	more []any
}

func (l labelled) Scan(dest ...any) error { return l.row.Scan(append(dest, l.more...)...) }

// SetLabel gives one of the tenant's collections another label.
func (c *Catalog) SetLabel(ctx context.Context, tenant string, id rag.CollectionID, label rag.Label) error {
	if label.Metadata == nil {
		label.Metadata = map[string]string{}
	}
	metadata, err := toJSON(label.Metadata)
	if err != nil {
		return err
	}
	return c.inTx(ctx, fmt.Sprintf("label collection %d", id), func(tx *transaction) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO collection_labels (collection_id, name, description, metadata)
			SELECT c.id, ?, ?, ? FROM collections c WHERE c.id = ? AND c.tenant = ? AND c.deleted_at IS NULL
			ON CONFLICT (collection_id) DO UPDATE SET name = excluded.name, description = excluded.description, metadata = excluded.metadata`,
			label.Name, label.Description, metadata, id, tenant)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, noStore(id))
		}
		return nil
	})
}

func noStore(id rag.CollectionID) error {
	return &rag.Problem{Kind: rag.ErrNotFound, Code: "collection_not_found", Message: fmt.Sprintf("there is no collection with number %d; check the id", id)}
}

// VectorStore finds one of the tenant's collections by its number, with its label and counts.
func (c *Catalog) VectorStore(ctx context.Context, tenant string, id rag.CollectionID) (rag.VectorStore, error) {
	s, err := scanStore(c.read.QueryRowContext(ctx, `SELECT `+storeColumns+` WHERE c.id = ? AND c.tenant = ? AND c.deleted_at IS NULL`, id, tenant))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.VectorStore{}, noStore(id)
	}
	if err == nil {
		err = c.measure(ctx, &s)
	}
	return s, unavailable(fmt.Sprintf("read collection %d", id), err)
}

// VectorStores lists the tenant's collections by their numbers, with their labels and counts.
func (c *Catalog) VectorStores(ctx context.Context, tenant string, at rag.Cursor) ([]rag.VectorStore, error) {
	page, err := window(ctx, c.read, scanStore, `SELECT `+storeColumns+` WHERE c.tenant = ? AND c.deleted_at IS NULL`, "c.id", at, tenant)
	for i := range page {
		if err == nil {
			err = c.measure(ctx, &page[i])
		}
	}
	return page, unavailable("list collections", err)
}

// measure counts what is in a store.
func (c *Catalog) measure(ctx context.Context, s *rag.VectorStore) error {
	var err error
	if s.Counts, err = c.Counts(ctx, s.ID); err != nil {
		return err
	}
	var active int64
	if err := c.read.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(v.size), 0) AS BIGINT), COALESCE(MAX(d.updated_at), 0)
		FROM documents d JOIN versions v ON v.document_id = d.id AND v.version = d.version
		WHERE d.collection_id = ? AND d.deleted_at IS NULL`, s.ID).Scan(&s.Bytes, &active); err != nil {
		return err
	}
	s.ActiveAt = fromMicros(max(active, micros(s.CreatedAt)))
	return nil
}

// DocumentWindow lists a collection's documents by their numbers; of any of the states, or of all where none is given.
func (c *Catalog) DocumentWindow(ctx context.Context, collection rag.CollectionID, states []rag.Status, at rag.Cursor) ([]rag.Document, error) {
	where, args := ` WHERE d.collection_id = ? AND d.deleted_at IS NULL`, []any{collection}
	if len(states) > 0 {
		marks, wanted := placeholders(states)
		where, args = where+` AND v.state IN (`+marks+`)`, append(args, wanted...)
	}
	page, err := window(ctx, c.read, scanDocument, `SELECT `+documentColumns+documentTables+where, "d.id", at, args...)
	return page, unavailable(fmt.Sprintf("list documents of collection %d", collection), err)
}

// BatchFiles lists the files of a batch by their places: those whose documents are in any of the states, or all where none
// is given; refused ones count as failed. Files whose documents were deleted since are left out.
func (c *Catalog) BatchFiles(ctx context.Context, tenant string, id rag.BatchID, states []rag.Status, at rag.Cursor) ([]rag.BatchFile, error) {
	const state = `CASE WHEN e.error_code <> '' THEN 'failed' ELSE v.state END`
	where, args := ` WHERE b.id = ? AND b.tenant = ? AND `+state+` IS NOT NULL`, []any{id, tenant}
	if len(states) > 0 {
		marks, wanted := placeholders(states)
		where, args = where+` AND `+state+` IN (`+marks+`)`, append(args, wanted...)
	}
	what := fmt.Sprintf("list files of batch %d", id)
	page, err := window(ctx, c.read, scanBatchFile, `SELECT e.number, e.path, e.error_code, e.error_message, COALESCE(d.id, 0)
		FROM batches b JOIN batch_entries e ON e.batch_id = b.id
		LEFT JOIN documents d ON d.collection_id = b.collection_id AND d.external_id = e.path AND d.deleted_at IS NULL
		LEFT JOIN versions v ON v.document_id = d.id AND v.version = d.version`+where, "e.number", at, args...)
	if err != nil {
		return nil, unavailable(what, err)
	}
	files := make([]rag.BatchFile, 0, len(page))
	for _, f := range page {
		if f.Refused == nil {
			d, err := documentByID(ctx, c.read, f.document)
			if errors.Is(err, sql.ErrNoRows) { // removed since
				continue
			}
			if err != nil {
				return nil, unavailable(what, err)
			}
			f.Document = &d
		}
		files = append(files, f.BatchFile)
	}
	return files, nil
}

type batchFileRow struct {
	rag.BatchFile
	document rag.DocumentID
}

func scanBatchFile(r row) (batchFileRow, error) {
	var f batchFileRow
	var code, message string
	err := r.Scan(&f.Number, &f.ID, &code, &message, &f.document)
	f.Refused = failure(code, message)
	return f, err
}

// BatchPlace gives the place of a file in one of the tenant's batches.
func (c *Catalog) BatchPlace(ctx context.Context, tenant string, id rag.BatchID, path string) (int, error) {
	var number int
	err := c.read.QueryRowContext(ctx, `SELECT COALESCE(MIN(e.number), 0) FROM batches b JOIN batch_entries e ON e.batch_id = b.id
		WHERE b.id = ? AND b.tenant = ? AND e.path = ?`, id, tenant, path).Scan(&number)
	if err != nil {
		return 0, unavailable(fmt.Sprintf("find a file of batch %d", id), err)
	}
	if number == 0 {
		return 0, rag.NotFound("batch %d has no file %q", id, path)
	}
	return number, nil
}
