// Package blob keeps uploaded originals in a folder. What Put has accepted survives a power cut: file and folder are
// synced before it returns, which gocloud.dev's file driver does not do.
package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Dir stores blobs as files below one folder and can reach nothing outside it.
type Dir struct{ root *os.Root }

// OpenDir opens the folder at dir, made if it is missing.
func OpenDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	if err := root.Mkdir(partial, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	return &Dir{root: root}, nil
}

// partial is where blobs are written before they get their name.
const partial = "partial"

// NewKey makes a key that no other blob has: 128 random bits in hex, below one of 256 folders.
func NewKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	name := hex.EncodeToString(b[:])
	return path.Join(name[:2], name)
}

// Put stores what r gives under key. When it returns without an error the blob is durable; on an error nothing is left.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) (err error) {
	temp := path.Join(partial, strings.ReplaceAll(key, "/", "_"))
	f, err := d.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = d.root.Remove(temp)
		}
	}()
	if _, err = io.Copy(f, &contextReader{ctx: ctx, r: r}); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	if err = f.Sync(); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	folder := path.Dir(key)
	if err = d.root.Mkdir(folder, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	if err = d.root.Rename(temp, key); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	for _, name := range []string{folder, "."} {
		if err = d.sync(name); err != nil {
			return fmt.Errorf("put blob %s: %w", key, err)
		}
	}
	return nil
}

// sync makes the entries of a folder durable.
func (d *Dir) sync(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Open gives a blob and its size in bytes. A missing one is rag.ErrNotFound.
func (d *Dir) Open(_ context.Context, key string) (io.ReadSeekCloser, int64, error) {
	f, err := d.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, rag.NotFound("the stored original %s is missing", key)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open blob %s: %w", key, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("open blob %s: %w", key, err)
	}
	return f, info.Size(), nil
}

// Delete removes a blob; one that is not there is no error.
func (d *Dir) Delete(_ context.Context, key string) error {
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

// Close releases the folder.
func (d *Dir) Close() error { return d.root.Close() }

// contextReader stops a copy when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
