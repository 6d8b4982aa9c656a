package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

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

// Put stores what r gives under key. When it returns without an error the blob is durable; on an error nothing is left.
// A full disk is rag.ErrNoSpace.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) error {
	err := d.put(ctx, key, r)
	if rag.FullDisk(err) {
		return rag.NoSpace("the originals", err)
	}
	return err
}

func (d *Dir) put(ctx context.Context, key string, r io.Reader) (err error) {
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
	if _, err = io.Copy(f, &source{ctx: ctx, r: r}); err != nil {
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
	temp = key
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
		return nil, 0, missing(key)
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

// List visits the keys, as NewKey makes them, of the blobs that were last written before a time, also of those that were
// left half written.
func (d *Dir) List(ctx context.Context, before time.Time, visit func(key string) error) error {
	err := fs.WalkDir(d.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err = errors.Join(err, ctx.Err()); err != nil || entry.IsDir() {
			return err
		}
		half, isHalf := strings.CutPrefix(name, partial+"/")
		if !original(name) && !(isHalf && original(strings.Replace(half, "_", "/", 1))) {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !info.ModTime().Before(before) {
			return err
		}
		return visit(name)
	})
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	return nil
}

// Ping asks whether the folder is there.
func (d *Dir) Ping(context.Context) error {
	if _, err := d.root.Stat(partial); err != nil {
		return fmt.Errorf("look at the folder of blobs: %w", err)
	}
	return nil
}

// Close releases the folder.
func (d *Dir) Close() error { return d.root.Close() }
