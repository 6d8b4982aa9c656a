package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/onnx"
	"github.com/redkite/redkite/internal/tokenizer"
)

// queryPrefix is the bundled bi-encoder's.
const queryPrefix = "Represent this sentence for searching relevant passages: "

// parityTexts are what embeddings are compared on: short, long, empty, and what tends to break tokenizers.
func parityTexts() []string {
	return []string{
		"short text", "", " ", "a\x00b NUL in a word", "caf\xe9 \xff\xfe invalid UTF-8", "a literal [SEP] and [CLS] and [PAD] in the text",
		strings.Repeat("Long texts are cut at the end and keep their last special token. ", 120), "Ελληνικά, 日本語のテキスト, 한국어, עברית",
		"🪁 emoji 👩‍👩‍👧 and combining e\u0301 and ZWJ", "MiXeD CaSe, punctuation!? (brackets) and-hyphens_under", strings.Repeat("x", 300),
	}
}

func parityPairs() [][2]string {
	long := strings.Repeat("The passage goes on and on about many things. ", 120)
	return [][2]string{
		{"How many people live in Berlin?", "Berlin had a population of 3,520,031 registered inhabitants."},
		{"", ""}, {"query", ""}, {"", "passage"}, {"short", long}, {long, "short"}, {long, long},
		{"a [SEP] b", "c [SEP] d [CLS]"}, {"nul\x00l", "in\xffvalid"}, {"日本", "鳶 🪁"},
	}
}

type reference struct {
	Texts []struct {
		IDs    []int64   `json:"ids"`
		Vector []float64 `json:"vector"`
	} `json:"texts"`
	Pairs []struct {
		IDs   []int64 `json:"ids"`
		Types []int64 `json:"types"`
		Logit float64 `json:"logit"`
	} `json:"pairs"`
}

// pythonReference runs models/build/parity.py, with the same ONNX Runtime version on the same machine: quantised models
// give other last digits on other processors.
func pythonReference(t *testing.T, root string) reference {
	t.Helper()
	python := filepath.Join(root, ".deps/python/bin/python")
	if set := os.Getenv("REDKITE_TEST_PYTHON"); set != "" {
		python = set
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the Python reference is missing: run 'make deps-test' (%v)", err)
	}
	encodeAll := func(in []string) []string {
		out := make([]string, len(in))
		for i, s := range in {
			out[i] = base64.StdEncoding.EncodeToString([]byte(s))
		}
		return out
	}
	var pairs [][]string
	for _, p := range parityPairs() {
		pairs = append(pairs, encodeAll(p[:]))
	}
	cases, err := json.Marshal(map[string]any{
		"bi": filepath.Join(root, "models/bge-small-en-v1.5"), "cross": filepath.Join(root, "models/redkite-reranker-small-en"),
		"prefix": queryPrefix, "texts": encodeAll(parityTexts()), "pairs": pairs,
	})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python, filepath.Join(root, "models/build/parity.py"))
	command.Stdin, command.Stderr = bytes.NewReader(cases), os.Stderr
	raw, err := command.Output()
	if err != nil {
		t.Fatalf("run the Python reference: %v", err)
	}
	var r reference
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// modelOpener starts ONNX Runtime and gives a function that opens a bundled model for some kernels, and its tokenizer.
func modelOpener(t *testing.T, root string) func(name, kernels string) (session, *tokenizer.Tokenizer) {
	t.Helper()
	runtime, err := onnx.Open(settings(t, t.TempDir()).ONNXRuntimeLibrary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the sessions' own, which are registered later
		if err := runtime.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(name, kernels string) (session, *tokenizer.Tokenizer) {
		dir := filepath.Join(root, "models", name)
		tokens, err := tokenizer.Open(filepath.Join(dir, "tokenizer.json"))
		if err != nil {
			t.Fatal(err)
		}
		session, found, err := openSession(t.Context(), runtime, filepath.Join(dir, "model.onnx"), howToRun{kernels: kernels}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if kernels != autoKernels && found != kernels {
			t.Fatalf("%s runs with %s, want %s", name, found, kernels)
		}
		t.Cleanup(func() {
			if err := errors.Join(session.Close(), tokens.Close()); err != nil {
				t.Error(err)
			}
		})
		return session, tokens
	}
}

// TestEncodersMatchThePythonReference compares token ids exactly, and embeddings and logits to 1e-4.
func TestEncodersMatchThePythonReference(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	want := pythonReference(t, root)
	open := modelOpener(t, root)
	lanes := encode.NewLanes(1)
	t.Run("bi-encoder", func(t *testing.T) {
		session, tokens := open("bge-small-en-v1.5", onnxKernels)
		fed := &recorder{session: session}
		e := encode.NewBiEncoder(fed, tokens, encode.BiSpec{MaxTokens: 512, Pooling: encode.PoolCLS, Normalize: true, QueryPrefix: queryPrefix, Dimension: 384}, lanes)
		for i, text := range parityTexts() {
			got, err := e.EmbedQuery(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Texts[i].IDs, fed.last.IDs); diff != "" {
				t.Errorf("%.40q: ids %s", text, diff)
			}
			for d := range got {
				if math.Abs(float64(got[d])-want.Texts[i].Vector[d]) > 1e-4 {
					t.Errorf("%.40q: dimension %d is %v, want %v", text, d, got[d], want.Texts[i].Vector[d])
					break
				}
			}
		}
	})
	t.Run("cross-encoder", func(t *testing.T) {
		session, tokens := open("redkite-reranker-small-en", onnxKernels)
		fed := &recorder{session: session}
		e := encode.NewCrossEncoder(fed, tokens, encode.CrossSpec{MaxTokens: 512}, lanes)
		for i, p := range parityPairs() {
			got, err := e.Score(t.Context(), encode.Pairs{Query: p[0], Passages: []string{p[1]}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Pairs[i].IDs, fed.last.IDs); diff != "" {
				t.Errorf("%.20q: ids %s", p, diff)
			}
			if diff := cmp.Diff(want.Pairs[i].Types, fed.last.TypeIDs); diff != "" {
				t.Errorf("%.20q: types %s", p, diff)
			}
			if math.Abs(float64(got.Logits[0])-want.Pairs[i].Logit) > 1e-4 {
				t.Errorf("%.20q: logit %v, want %v", p, got.Logits[0], want.Pairs[i].Logit)
			}
		}
	})
}
