package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/redkite/redkite/internal/rag"
)

// asidePrefix begins the names of folders in which models are put together.
const asidePrefix = ".adding-"

// Add copies the model in a Hugging Face style folder into the operator's folder and states it in the manifest there.
// What the folder's files don't say has to stand in o. The model can be used when Add returns; until then, and after an
// error, the store is as it was.
func (s *Store) Add(ctx context.Context, path string, o AddOptions) (Spec, error) {
	dir, err := filepath.Abs(path)
	if err != nil {
		return Spec{}, fmt.Errorf("add model: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return Spec{}, &rag.Problem{Kind: rag.ErrNotFound, Code: "model_unfit", Err: err, Message: fmt.Sprintf(
			"there is no folder %s to add a model from", path)}
	}
	home, unlock, err := s.lockHome()
	if err != nil {
		return Spec{}, err
	}
	defer unlock()
	c, err := inspect(dir, filepath.Base(dir), o)
	if err != nil {
		return Spec{}, err
	}
	return s.install(ctx, home, dir, c)
}

// lockHome gives the operator's folder, made if need be, for this process alone to write.
func (s *Store) lockHome() (home string, unlock func(), err error) {
	if len(s.dirs) < 2 {
		return "", nil, errors.New("add model: the store has no folder of the operator's own")
	}
	home = s.dirs[len(s.dirs)-1]
	if err := os.MkdirAll(home, 0o750); err != nil {
		return "", nil, fmt.Errorf("add model: %w", err)
	}
	unlock, err = lockFile(filepath.Join(home, ".lock"))
	if err != nil {
		return "", nil, err
	}
	left, _ := filepath.Glob(filepath.Join(home, asidePrefix+"*")) // by a process that was killed
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			unlock()
			return "", nil, fmt.Errorf("add model: %w", err)
		}
	}
	return home, unlock, nil
}

// install copies a candidate's files aside, hashing them, then puts folder and manifest in place, in that order: a
// model is stated only when it is whole.
func (s *Store) install(ctx context.Context, home, from string, c candidate) (Spec, error) {
	if err := s.Reload(); err != nil {
		return Spec{}, err
	}
	if there, ok := s.lookUp(c.spec.Name); ok {
		return Spec{}, &rag.Problem{Kind: rag.ErrConflict, Code: "model_exists", Message: fmt.Sprintf(
			"there is a model %s already, in %s; give the new one another name", there.Name, there.Dir)}
	}
	aside, err := os.MkdirTemp(home, asidePrefix)
	if err != nil {
		return Spec{}, fmt.Errorf("add model %s: %w", c.spec.Name, err)
	}
	defer os.RemoveAll(aside)
	spec := c.spec
	if spec.Files, err = copyFiles(ctx, from, aside, c); err != nil {
		return Spec{}, fmt.Errorf("add model %s: %w", spec.Name, err)
	}
	if err := os.Chmod(aside, 0o750); err != nil {
		return Spec{}, fmt.Errorf("add model %s: %w", spec.Name, err)
	}
	place := filepath.Join(home, spec.Name)
	if err := os.RemoveAll(place); err != nil { // left by an Add that was killed before it wrote the manifest
		return Spec{}, fmt.Errorf("add model %s: %w", spec.Name, err)
	}
	if err := os.Rename(aside, place); err != nil {
		return Spec{}, fmt.Errorf("add model %s: %w", spec.Name, err)
	}
	return s.state(home, spec)
}

// state adds a spec to the manifest of the operator's folder.
func (s *Store) state(home string, spec Spec) (Spec, error) {
	m, err := readManifest(home)
	if errors.Is(err, os.ErrNotExist) {
		m, err = Manifest{Version: manifestVersion}, nil
	}
	if err != nil {
		return Spec{}, err
	}
	m.Models = append(m.Models, spec)
	if err := writeManifest(home, m); err != nil {
		return Spec{}, err
	}
	if err := s.Reload(); err != nil {
		return Spec{}, err
	}
	return s.Spec(spec.Name)
}

// copyFiles copies a candidate's files into dir; a graph and the weights beside it stay beside each other.
func copyFiles(ctx context.Context, from, dir string, c candidate) ([]File, error) {
	var out []File
	base := filepath.Dir(filepath.FromSlash(c.files[0].Origin)) // the graph's folder
	for _, f := range c.files {
		rel := filepath.FromSlash(f.Origin)
		if f.Role == RoleGraph || f.Role == RoleData {
			var err error
			if rel, err = filepath.Rel(base, rel); err != nil {
				return nil, err
			}
		}
		var err error
		f.Bytes, f.SHA256, err = copyFile(ctx, filepath.Join(from, filepath.FromSlash(f.Origin)), filepath.Join(dir, rel))
		if err != nil {
			return nil, err
		}
		f.Path = c.spec.Name + "/" + filepath.ToSlash(rel)
		out = append(out, f)
	}
	return out, nil
}
