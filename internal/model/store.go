package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/redkite/redkite/internal/rag"
)

// Store is the models of several folders. It is safe for use by many goroutines.
type Store struct {
	dirs []string

	mu       sync.RWMutex
	models   []Spec
	defaults Defaults
}

// Open reads the manifest of each folder. The first folder holds the bundled models and must have a manifest; the
// others may have none yet. With two or more, the last is the operator's own: Add and Pull write there.
func Open(dirs ...string) (*Store, error) {
	if len(dirs) == 0 {
		return nil, errors.New("open models: no folder given")
	}
	s := &Store{dirs: dirs}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the manifests again. After an error the store is as it was.
func (s *Store) Reload() error {
	var models []Spec
	var defaults Defaults
	for i, dir := range s.dirs {
		m, err := readManifest(dir)
		if i > 0 && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if errors.Is(err, os.ErrNotExist) {
			return &rag.Problem{Kind: rag.ErrNotFound, Code: "manifest_missing", Err: err, Message: fmt.Sprintf(
				"there is no %s in the models folder %s; restore the folder, or set --models to where it is", manifestName, dir)}
		}
		if err != nil {
			return err
		}
		for _, spec := range m.Models {
			if j := indexOf(models, spec.Name); j >= 0 {
				return invalid("manifest_invalid", "model %s is stated in both %s and %s; rename or remove one of them",
					spec.Name, filepath.Join(models[j].Dir, manifestName), filepath.Join(dir, manifestName))
			}
			models = append(models, spec)
		}
		if m.Defaults.BiEncoder != "" {
			defaults.BiEncoder = m.Defaults.BiEncoder
		}
		if m.Defaults.CrossEncoder != "" {
			defaults.CrossEncoder = m.Defaults.CrossEncoder
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models, s.defaults = models, defaults
	return nil
}

// List gives all models: the bundled ones first, else in the order they were added.
func (s *Store) List() []Spec {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.models)
}

// Spec gives a model by name. A name that is not known is looked for on disk again, because another process may have
// added it. The error is of kind rag.ErrNotFound and names the models that there are.
func (s *Store) Spec(name string) (Spec, error) {
	if spec, ok := s.lookUp(name); ok {
		return spec, nil
	}
	if err := s.Reload(); err != nil {
		return Spec{}, err
	}
	if spec, ok := s.lookUp(name); ok {
		return spec, nil
	}
	var names []string
	for _, spec := range s.List() {
		names = append(names, fmt.Sprintf("%s (%s)", spec.Name, spec.Kind))
	}
	return Spec{}, &rag.Problem{Kind: rag.ErrNotFound, Code: "model_unknown", Message: fmt.Sprintf(
		"there is no model %q; there are: %s; add one with redkite models add or pull", clip(name), strings.Join(names, ", "))}
}

// Default gives the model of a kind that is used where none is named. The operator's manifest may name another than
// the bundled one.
func (s *Store) Default(kind Kind) (Spec, error) {
	s.mu.RLock()
	name := s.defaults.BiEncoder
	if kind == CrossEncoder {
		name = s.defaults.CrossEncoder
	}
	s.mu.RUnlock()
	if name == "" {
		return Spec{}, &rag.Problem{Kind: rag.ErrNotFound, Code: "model_unknown", Message: fmt.Sprintf(
			"no manifest names a default %s; name one with --%s", kind, kind)}
	}
	spec, err := s.Spec(name)
	if err == nil && spec.Kind != kind {
		return Spec{}, invalid("manifest_invalid", "the default %s is %s, which is a %s; correct defaults in %s",
			kind, name, spec.Kind, manifestName)
	}
	return spec, err
}

// Path is where a model's first file of a role lies; empty where it has none.
func (s *Store) Path(spec Spec, role string) string {
	f, ok := spec.file(role)
	if !ok {
		return ""
	}
	return spec.path(f)
}

func (s Spec) path(f File) string { return filepath.Join(s.Dir, filepath.FromSlash(f.Path)) }

func (s *Store) lookUp(name string) (Spec, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i := indexOf(s.models, name); i >= 0 {
		return s.models[i], true
	}
	return Spec{}, false
}

func indexOf(models []Spec, name string) int {
	return slices.IndexFunc(models, func(s Spec) bool { return s.Name == name })
}

// invalid makes a Problem about models or their files.
func invalid(code, format string, args ...any) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrInvalid, Code: code, Message: fmt.Sprintf(format, args...)}
}

func clip(s string) string {
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "..."
	}
	return s
}
