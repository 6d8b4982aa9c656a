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

	"github.com/redkite/redkite/internal/rag"
)

// Verify reports whether a model's files are the ones its manifest states: first that all are there in their sizes,
// then that the graph has the stated inputs, outputs and dimension, then every hash. progress, which may be nil, is
// told the bytes hashed so far and in all.
func (s *Store) Verify(ctx context.Context, name string, progress func(done, total int64)) error {
	spec, err := s.Spec(name)
	if err != nil {
		return err
	}
	return verify(ctx, spec, progress)
}

func verify(ctx context.Context, spec Spec, progress func(done, total int64)) error {
	if err := checkSizes(spec); err != nil {
		return err
	}
	if err := checkGraph(spec); err != nil {
		return err
	}
	total, before := spec.Bytes(), int64(0)
	for _, f := range spec.Files {
		got, err := hashFile(ctx, spec.path(f), func(done int64) {
			if progress != nil {
				progress(before+done, total)
			}
		})
		if err != nil {
			return fmt.Errorf("verify model %s: %w", spec.Name, err)
		}
		if got != f.SHA256 {
			return changed(spec, f, "sha256 "+f.SHA256, got)
		}
		before += f.Bytes
	}
	return nil
}

func checkSizes(spec Spec) error {
	for _, f := range spec.Files {
		info, err := os.Stat(spec.path(f))
		if errors.Is(err, os.ErrNotExist) {
			return &rag.Problem{Kind: rag.ErrNotFound, Code: "model_file_missing", Err: err, Message: fmt.Sprintf(
				"model %s: the file %s is missing; restore it, or add the model again", spec.Name, spec.path(f))}
		}
		if err != nil {
			return fmt.Errorf("verify model %s: %w", spec.Name, err)
		}
		if !info.Mode().IsRegular() {
			return changed(spec, f, "a file", "something else")
		}
		if info.Size() != f.Bytes {
			return changed(spec, f, fmt.Sprintf("%d bytes", f.Bytes), fmt.Sprint(info.Size()))
		}
	}
	return nil
}

// checkGraph also insists that the weights outside the ONNX file are among the stated files, so that they are verified.
func checkGraph(spec Spec) error {
	file, _ := spec.file(RoleGraph)
	g, err := ReadGraph(spec.path(file))
	if err != nil {
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "model_mismatch", Err: err, Message: fmt.Sprintf(
			"model %s: %s can't be read as an ONNX model; restore it, or add the model again", spec.Name, spec.path(file))}
	}
	stated := map[string]bool{}
	for _, f := range spec.Files {
		stated[spec.path(f)] = f.Role == RoleData
	}
	for _, name := range g.External {
		if !stated[filepath.Join(filepath.Dir(spec.path(file)), filepath.FromSlash(name))] {
			return invalid("model_mismatch", "model %s: %s keeps weights in %q, which the manifest doesn't state; add the model again",
				spec.Name, spec.path(file), clip(name))
		}
	}
	return Check(spec, g)
}

func changed(spec Spec, f File, want, got string) error {
	return invalid("model_file_changed", "model %s: the file %s is not the one that was added: expected %s, found %s; restore it, or add the model again",
		spec.Name, spec.path(f), want, got)
}

// hashFile gives a file's sha256 in hexadecimal digits.
func hashFile(ctx context.Context, path string, progress func(done int64)) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := copyBytes(ctx, sum, f, progress); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// copyBytes copies until the end of r or of ctx; progress is told the bytes so far.
func copyBytes(ctx context.Context, w io.Writer, r io.Reader, progress func(done int64)) (int64, error) {
	buf := make([]byte, 256<<10)
	var done int64
	for {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return done, err
			}
			done += int64(n)
			if progress != nil {
				progress(done)
			}
		}
		if err == io.EOF {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
}
