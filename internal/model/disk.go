package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/redkite/redkite/internal/rag"
)

// lockFile takes a file's lock, which ends with the process at the latest.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock models folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, &rag.Problem{Kind: rag.ErrConflict, Code: "models_busy", Err: err, Message: fmt.Sprintf(
			"another redkite models add or pull is at work in %s; wait until it is done", filepath.Dir(path))}
	}
	return func() { f.Close() }, nil
}

// copyFile copies durably and gives the size and the sha256 of what was copied.
func copyFile(ctx context.Context, from, to string) (int64, string, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, "", err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return 0, "", err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return 0, "", err
	}
	sum := sha256.New()
	n, err := copyBytes(ctx, io.MultiWriter(out, sum), in, nil)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return 0, "", fmt.Errorf("copy %s: %w", from, err)
	}
	return n, hex.EncodeToString(sum.Sum(nil)), nil
}

// writeFile replaces a file at once and durably.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".writing-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
