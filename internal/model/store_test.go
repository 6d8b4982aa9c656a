package model_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/rag"
)

// wantProblem asks for an error that the user can read: its code, and every one of the parts in its message.
func wantProblem(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	var p *rag.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem with the code %s", err, code)
	}
	if p.Code != code {
		t.Errorf("code is %q, want %q", p.Code, code)
	}
	for _, part := range parts {
		if !strings.Contains(p.Message, part) {
			t.Errorf("the message %q doesn't say %q", p.Message, part)
		}
	}
}

// emptyBundle is a folder of bundled models without any.
func emptyBundle(t *testing.T) string {
	return files{"manifest.yaml": []byte("version: 1\nmodels: []\n")}.write(t, "bundled")
}

// open opens an empty bundle and a folder of the operator's own.
func open(t *testing.T) (s *model.Store, home string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "data", "models")
	s, err := model.Open(emptyBundle(t), home)
	if err != nil {
		t.Fatal(err)
	}
	return s, home
}

// added is a store with one bi-encoder in it, called "added".
func added(t *testing.T) (*model.Store, model.Spec) {
	t.Helper()
	s, _ := open(t)
	spec, err := s.Add(context.Background(), sentenceFiles(t).write(t, "added"), model.AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s, spec
}

const statedModel = `
  - name: m
    kind: bi-encoder
    files:
      - {role: graph, path: m/model.onnx, bytes: 1, sha256: 0000000000000000000000000000000000000000000000000000000000000000}
      - {role: tokenizer, path: m/tokenizer.json, bytes: 1, sha256: 0000000000000000000000000000000000000000000000000000000000000000}
    inputs: [input_ids, attention_mask]
    outputs: [last_hidden_state]
    dimension: 384
    max_tokens: 512
    pooling: cls
    licence: MIT
    source: somewhere
`

func TestOpenRefusesManifest(t *testing.T) {
	base := "version: 1\nmodels:" + statedModel
	for name, test := range map[string]struct{ from, to, want string }{
		"unknown key":       {"pooling: cls", "poling: cls", "poling"},
		"other version":     {"version: 1", "version: 2", "version is 2"},
		"two documents":     {"source: somewhere", "source: somewhere\n---\nversion: 1", "more than one"},
		"name with a slash": {"name: m", "name: a/../b", "model name"},
		"unknown kind":      {"kind: bi-encoder", "kind: decoder", "kind is"},
		"path outside":      {"path: m/model.onnx", "path: ../model.onnx", "leaves"},
		"no size":           {"m/model.onnx, bytes: 1", "m/model.onnx, bytes: 0", "bytes"},
		"short hash":        {"m/model.onnx, bytes: 1, sha256: 00", "m/model.onnx, bytes: 1, sha256: 0", "sha256"},
		"two graphs":        {"role: tokenizer", "role: graph", "not 2"},
		"unknown role":      {"role: tokenizer", "role: vocabulary", "unknown role"},
		"unknown input":     {"[input_ids, ", "[position_ids, input_ids, ", "position_ids"},
		"no ids":            {"[input_ids, ", "[token_type_ids, ", "input_ids"},
		"no outputs":        {"[last_hidden_state]", "[]", "outputs"},
		"no dimension":      {"dimension: 384", "dimension: 0", "dimension is 0"},
		"no tokens":         {"max_tokens: 512", "max_tokens: 4", "max_tokens"},
		"unknown pooling":   {"pooling: cls", "pooling: max", "pooling is"},
		"no licence":        {"licence: MIT", "licence: ''", "licence"},
		"score of a bi":     {"pooling: cls", "pooling: cls\n    score_type: logit", "score_type"},
		"twice":             {"models:", "models:" + strings.TrimRight(statedModel, "\n"), "stated twice"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(base, test.from, test.to, 1)
			if changed == base {
				t.Fatal("the test changes nothing")
			}
			_, err := model.Open(files{"manifest.yaml": []byte(changed)}.write(t, "models"))
			wantProblem(t, err, "manifest_invalid", "manifest.yaml", test.want)
		})
	}
	if _, err := model.Open(files{"manifest.yaml": []byte(base)}.write(t, "models")); err != nil {
		t.Errorf("the unchanged manifest is refused: %v", err)
	}
}

func TestOpenWithoutManifest(t *testing.T) {
	_, err := model.Open(t.TempDir())
	wantProblem(t, err, "manifest_missing", "manifest.yaml", "--models")
}

func TestOpenRefusesOneNameInTwoFolders(t *testing.T) {
	manifest := files{"manifest.yaml": []byte("version: 1\nmodels:" + statedModel)}
	_, err := model.Open(manifest.write(t, "a"), manifest.write(t, "b"))
	wantProblem(t, err, "manifest_invalid", "model m", filepath.Join("a", "manifest.yaml"), filepath.Join("b", "manifest.yaml"))
}

func TestSpecNamesTheModelsThere(t *testing.T) {
	s, _ := added(t)
	_, err := s.Spec("adde")
	wantProblem(t, err, "model_unknown", `"adde"`, "added (bi-encoder)")
	if !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("%v is not of the kind not found", err)
	}
}

func TestDefault(t *testing.T) {
	text := "version: 1\ndefaults: {bi_encoder: %s}\nmodels:" + statedModel
	s, err := model.Open(files{"manifest.yaml": fmt.Appendf(nil, text, "m")}.write(t, "models"))
	if err != nil {
		t.Fatal(err)
	}
	if spec, err := s.Default(model.BiEncoder); err != nil || spec.Name != "m" {
		t.Errorf("got %s, %v", spec.Name, err)
	}
	_, err = s.Default(model.CrossEncoder)
	wantProblem(t, err, "model_unknown", "cross-encoder")
}

func TestVerify(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(path string) error
		role  string
		code  string
		want  string
	}{
		"missing file":  {os.Remove, model.RoleTokenizer, "model_file_missing", "tokenizer.json"},
		"other size":    {func(p string) error { return os.Truncate(p, 100) }, model.RoleGraph, "model_file_changed", "found 100"},
		"other content": {flipLastByte, model.RoleTokenizer, "model_file_changed", "sha256"},
		"folder":        {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, model.RoleGraph, "model_file_changed", "something else"},
	} {
		t.Run(name, func(t *testing.T) {
			s, spec := added(t)
			if err := s.Verify(context.Background(), spec.Name, nil); err != nil {
				t.Fatalf("before: %v", err)
			}
			path := s.Path(spec, test.role)
			if err := test.spoil(path); err != nil {
				t.Fatal(err)
			}
			wantProblem(t, s.Verify(context.Background(), spec.Name, nil), test.code, spec.Name, path, test.want)
		})
	}
}

func TestVerifyStopsWithItsContext(t *testing.T) {
	s, spec := added(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Verify(ctx, spec.Name, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A manifest edited by hand is held against the graph.
func TestVerifyReportsAnotherDimension(t *testing.T) {
	s, spec := added(t)
	path := filepath.Join(spec.Dir, "manifest.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(raw), "dimension: 384", "dimension: 512", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, s.Verify(context.Background(), spec.Name, nil), "model_mismatch", "expected the dimension 512, found 384")
}

func flipLastByte(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[len(raw)-1] ^= 1
	return os.WriteFile(path, raw, 0o644)
}
