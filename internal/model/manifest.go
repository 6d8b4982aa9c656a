package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/redkite/redkite/internal/rag"
)

const (
	manifestName    = "manifest.yaml"
	manifestVersion = 1

	// maxDimension is the longest vector that Milvus takes.
	maxDimension = 32768
)

// readManifest reads and checks a folder's manifest. A folder without one gives an error that wraps os.ErrNotExist.
func readManifest(dir string) (Manifest, error) {
	path := filepath.Join(dir, manifestName)
	raw, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("read model manifest: %w", err)
	}
	m, err := parseManifest(raw)
	if err != nil {
		return Manifest{}, &rag.Problem{
			Kind: rag.ErrInvalid, Code: "manifest_invalid",
			Message: fmt.Sprintf("model manifest %s: %v; correct the file, or restore it", path, err),
		}
	}
	for i := range m.Models {
		m.Models[i].Dir = dir
	}
	return m, nil
}

// parseManifest refuses unknown keys, a second document, and models that are not wholly stated.
func parseManifest(raw []byte) (Manifest, error) {
	var m Manifest
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, err
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Manifest{}, errors.New("there is more than one YAML document")
	}
	if m.Version != manifestVersion {
		return Manifest{}, fmt.Errorf("version is %d, this redkite reads %d", m.Version, manifestVersion)
	}
	seen := map[string]bool{}
	for _, s := range m.Models {
		if err := s.validate(); err != nil {
			return Manifest{}, err
		}
		if seen[s.Name] {
			return Manifest{}, fmt.Errorf("model %s is stated twice", s.Name)
		}
		seen[s.Name] = true
	}
	return m, nil
}

// writeManifest replaces a folder's manifest at once: a reader sees the old one or the new one, whole.
func writeManifest(dir string, m Manifest) error {
	var b bytes.Buffer
	b.WriteString("# Written by redkite models add and pull. docs/models.md says what the keys mean.\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(m), enc.Close()); err != nil {
		return fmt.Errorf("encode model manifest: %w", err)
	}
	if _, err := parseManifest(b.Bytes()); err != nil {
		return fmt.Errorf("write model manifest: %w", err)
	}
	return writeFile(filepath.Join(dir, manifestName), b.Bytes())
}

// validate reports the first thing in a spec that is missing or can't be.
func (s Spec) validate() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	for _, check := range []func() error{s.validateFiles, s.validatePorts, s.validateKind} {
		if err := check(); err != nil {
			return fmt.Errorf("model %s: %w", s.Name, err)
		}
	}
	return nil
}

func (s Spec) validateFiles() error {
	roles := map[string]int{}
	for _, f := range s.Files {
		roles[f.Role]++
		switch {
		case !slices.Contains([]string{RoleGraph, RoleData, RoleTokenizer, RoleCard, RoleLicence}, f.Role):
			return fmt.Errorf("file %q has the unknown role %q", f.Path, f.Role)
		case !filepath.IsLocal(filepath.FromSlash(f.Path)):
			return fmt.Errorf("file path %q leaves the manifest's folder", f.Path)
		case f.Bytes <= 0:
			return fmt.Errorf("file %s: bytes must be its size", f.Path)
		case !isHex(f.SHA256, 64):
			return fmt.Errorf("file %s: sha256 must be 64 hexadecimal digits in lower case", f.Path)
		}
	}
	for _, role := range []string{RoleGraph, RoleTokenizer} {
		if roles[role] != 1 {
			return fmt.Errorf("there must be one file with the role %s, not %d", role, roles[role])
		}
	}
	if s.Licence == "" || s.Source == "" {
		return errors.New("licence and source must be stated")
	}
	return nil
}

func (s Spec) validatePorts() error {
	for _, in := range s.Inputs {
		if !slices.Contains(knownInputs(), in) {
			return fmt.Errorf("input %q is not one that redkite feeds (%s)", in, strings.Join(knownInputs(), ", "))
		}
	}
	if !slices.Contains(s.Inputs, inputIDs) { // a mask is not needed: nothing is padded
		return fmt.Errorf("inputs must have %s", inputIDs)
	}
	if len(s.Outputs) == 0 {
		return errors.New("outputs must be stated")
	}
	if s.MaxTokens < 8 || s.MaxTokens > 1<<17 {
		return fmt.Errorf("max_tokens is %d; it must be from 8 to 131072", s.MaxTokens)
	}
	return nil
}

func (s Spec) validateKind() error {
	switch s.Kind {
	case BiEncoder:
		if s.Dimension < 1 || s.Dimension > maxDimension {
			return fmt.Errorf("dimension is %d; it must be from 1 to %d", s.Dimension, maxDimension)
		}
		if s.Pooling != PoolCLS && s.Pooling != PoolMean {
			return fmt.Errorf("pooling is %q; it must be %s or %s", s.Pooling, PoolCLS, PoolMean)
		}
		if s.ScoreType != "" {
			return errors.New("a bi-encoder has no score_type")
		}
		if s.Calibration != nil {
			return errors.New("a bi-encoder has no calibration: it is a cross-encoder's")
		}
	case CrossEncoder:
		if s.ScoreType != ScoreLogit {
			return fmt.Errorf("score_type is %q; it must be %s", s.ScoreType, ScoreLogit)
		}
		if s.Dimension != 0 || s.Pooling != "" || s.Normalize || s.QueryPrefix != "" || s.PassagePrefix != "" {
			return errors.New("dimension, pooling, normalize and prefixes are a bi-encoder's, not a cross-encoder's")
		}
		if s.Calibration != nil {
			return s.Calibration.Check()
		}
	default:
		return fmt.Errorf("kind is %q; it must be %s or %s", s.Kind, BiEncoder, CrossEncoder)
	}
	return nil
}

// checkName reports whether a model may be called so; the name is also its folder's.
func checkName(name string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`).MatchString(name) {
		return fmt.Errorf("model name %q: use up to 96 letters, digits, '.', '_' and '-', starting with a letter or digit", name)
	}
	return nil
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}
