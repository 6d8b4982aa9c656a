package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

const fileColumns = `f.id, f.tenant, f.purpose, f.filename, f.media_type, f.blob, f.size, f.sha256, f.created_at`

func scanFile(r row) (rag.File, error) {
	var f rag.File
	var created int64
	err := r.Scan(&f.ID, &f.Tenant, &f.Purpose, &f.Filename, &f.MediaType, &f.Blob, &f.Size, &f.SHA256, &created)
	f.CreatedAt = fromMicros(created)
	return f, err
}

// AddFile writes a file whose bytes are durable, and gives it back with its id and time.
func (c *Catalog) AddFile(ctx context.Context, f rag.File) (rag.File, error) {
	err := c.inTx(ctx, "add file "+f.Filename, func(tx *transaction) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO files (tenant, purpose, filename, media_type, blob, size, sha256, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			f.Tenant, f.Purpose, f.Filename, f.MediaType, f.Blob, f.Size, f.SHA256, micros(c.now())).Scan(&f.ID)
		if err == nil {
			f, err = fileByID(ctx, tx, f.Tenant, f.ID) // as it is stored
		}
		return err
	})
	return f, err
}

// File finds one of the tenant's files. A deleted one, and another tenant's, is not found.
func (c *Catalog) File(ctx context.Context, tenant string, id rag.FileID) (rag.File, error) {
	f, err := fileByID(ctx, c.read, tenant, id)
	return f, unavailable("read "+id.String(), err)
}

func fileByID(ctx context.Context, db querier, tenant string, id rag.FileID) (rag.File, error) {
	f, err := scanFile(db.QueryRowContext(ctx, `SELECT `+fileColumns+` FROM files f
		WHERE f.id = ? AND f.tenant = ? AND f.deleted_at IS NULL`, id, tenant))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.File{}, rag.NoFile(id)
	}
	return f, err
}

// Files lists the tenant's files; purpose may be empty for all.
func (c *Catalog) Files(ctx context.Context, tenant, purpose string, at rag.Cursor) ([]rag.File, error) {
	where, args := `f.tenant = ? AND f.deleted_at IS NULL`, []any{tenant}
	if purpose != "" {
		where, args = where+` AND f.purpose = ?`, append(args, purpose)
	}
	page, err := window(ctx, c.read, scanFile, `SELECT `+fileColumns+` FROM files f WHERE `+where, "f.id", at, args...)
	return page, unavailable("list files", err)
}

// DeleteFile takes a file away at once, with the documents that it became in any collection: when it returns, search
// returns none of them. Jobs remove what is left of these and, with the last one, the original. Where there is none, the
// blob to remove is given; else that is empty.
func (c *Catalog) DeleteFile(ctx context.Context, tenant string, id rag.FileID) (blob string, err error) {
	var ended []rag.JobID
	err = c.inTx(ctx, "delete "+id.String(), func(tx *transaction) error {
		ended, blob = nil, ""
		f, err := fileByID(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE files SET deleted_at = ? WHERE id = ?`, micros(c.now()), id); err != nil {
			return err
		}
		documents, err := collect(ctx, tx, scanDocument, `SELECT `+documentColumns+documentTables+`
			WHERE d.deleted_at IS NULL AND d.id IN (SELECT n.document_id FROM versions n WHERE n.blob = ?)`, f.Blob)
		if err != nil {
			return err
		}
		for _, d := range documents {
			canceled, _, err := c.takeAway(ctx, tx, d)
			if err != nil {
				return err
			}
			ended = append(ended, canceled...)
		}
		var named int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM versions WHERE blob = ?`, f.Blob).Scan(&named); err != nil {
			return err
		}
		if named == 0 {
			blob = f.Blob
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	c.canceled(ended)
	return blob, nil
}

// AttachFiles makes documents of the tenant's files, with their versions and jobs, in one transaction: all of them or, on
// an error, none. A file that is attached already is replaced as PutDocuments does, and is Unchanged where it would stay
// what it is.
func (c *Catalog) AttachFiles(ctx context.Context, collection rag.Collection, files []rag.Attachment) ([]ingest.Accepted, error) {
	what := fmt.Sprintf("attach %d files to collection %d", len(files), collection.ID)
	return c.putAll(ctx, what, collection.ID, len(files), func(tx *transaction, i int) (ingest.Staged, error) {
		return stagedFile(ctx, tx, collection.Tenant, files[i])
	})
}

// stagedFile is a file as an upload.
func stagedFile(ctx context.Context, tx *transaction, tenant string, a rag.Attachment) (ingest.Staged, error) {
	f, err := fileByID(ctx, tx, tenant, a.File)
	if err != nil {
		return ingest.Staged{}, err
	}
	return ingest.Staged{Blob: f.Blob, Size: f.Size, SHA256: f.SHA256, Upload: ingest.Upload{
		ExternalID: f.ID.String(), Filename: f.Filename, MediaType: f.MediaType, Metadata: a.Metadata, Chunking: a.Chunking,
	}}, nil
}

// attachStep is how many files of a batch are attached in one transaction.
const attachStep = 100

// AttachBatch makes a batch of the tenant's files and attaches them, some a transaction. A file that was deleted meanwhile
// is a refused entry.
func (c *Catalog) AttachBatch(ctx context.Context, collection rag.Collection, files []rag.Attachment) (rag.BatchID, error) {
	id, err := c.NewBatch(ctx, collection, nil)
	if err != nil {
		return 0, err
	}
	for step := range slices.Chunk(files, attachStep) {
		if _, err := c.putEntries(ctx, id, len(step), func(tx *transaction, i int) (ingest.Entry, error) {
			e := ingest.Entry{Path: step[i].File.String()}
			var err error
			e.Staged, err = stagedFile(ctx, tx, collection.Tenant, step[i])
			var problem *rag.Problem
			if errors.Is(err, rag.ErrNotFound) && errors.As(err, &problem) {
				e.Refused, err = rag.FailureOf(problem), nil
			}
			return e, err
		}); err != nil {
			return 0, err // not sealed, the batch ends as one that broke off
		}
	}
	return id, c.SealBatch(ctx, id, nil)
}
