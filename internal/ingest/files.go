package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/redkite/redkite/internal/rag"
)

// Files writes files. An error says that nothing was written, unless it is ErrUncertain.
type Files interface {
	AddFile(ctx context.Context, f rag.File) (rag.File, error)
}

// StageFile makes the bytes of a file durable, of whatever type: which one no parser reads shows when it is attached. An
// empty or too large file is a rag.Problem and leaves nothing.
func (in *Intake) StageFile(ctx context.Context, name string, body io.Reader) (rag.File, error) {
	head := make([]byte, SniffBytes)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return rag.File{}, fmt.Errorf("read %s: %w", name, err)
	}
	if n == 0 {
		return rag.File{}, empty(Upload{Filename: name})
	}
	f := rag.File{Filename: name, Blob: in.NewKey()}
	f.MediaType, _ = in.Sniff(name, head[:n])
	meter := &meter{r: io.MultiReader(bytes.NewReader(head[:n]), body), hash: sha256.New(), limit: in.MaxBytes, name: name}
	if err := in.Blobs.Put(ctx, f.Blob, meter); err != nil {
		return rag.File{}, fmt.Errorf("stage %s: %w", name, err)
	}
	f.Size, f.SHA256 = meter.n, hex.EncodeToString(meter.hash.Sum(nil))
	return f, nil
}

// CommitFile names a staged file in the catalog. On an error its bytes are removed, unless it is not known whether the
// catalog names them.
func (in *Intake) CommitFile(ctx context.Context, files Files, f rag.File) (rag.File, error) {
	added, err := files.AddFile(ctx, f)
	if err == nil {
		return added, nil
	}
	if !errors.Is(err, ErrUncertain) {
		in.DiscardFile(ctx, f.Blob)
	}
	return rag.File{}, fmt.Errorf("commit %s: %w", f.Filename, err)
}

// DiscardFile removes the bytes of a file that the catalog does not name (any more). What can't be removed stays as an
// orphan.
func (in *Intake) DiscardFile(ctx context.Context, blob string) {
	in.Discard(ctx, []Staged{{Blob: blob}})
}

// CheckMetadata refuses metadata that a collection can't hold.
func (in *Intake) CheckMetadata(c rag.Collection, m rag.Metadata) error { return in.Check(c.Fields, m) }
