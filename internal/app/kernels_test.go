package app

import (
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redkite/redkite/internal/bert"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/onnx"
)

// allKernels are those that this machine can run the bundled models with.
func allKernels() []string {
	all := []string{onnxKernels}
	for _, k := range bert.Supported() {
		all = append(all, string(k))
	}
	return all
}

// TestKernelsAgree runs the texts and pairs of the parity test with redkite's kernels and with ONNX Runtime's. The two
// round differently, so this is looser than the parity test, which holds ONNX Runtime's to the reference.
func TestKernelsAgree(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	open := modelOpener(t, root)
	lanes := encode.NewLanes(1)
	embed := func(kernels string) (vectors [][]float32) {
		session, tokens := open("bge-small-en-v1.5", kernels)
		e := encode.NewBiEncoder(session, tokens, encode.BiSpec{MaxTokens: 512, Pooling: encode.PoolCLS, Normalize: true, Dimension: 384}, lanes)
		for _, text := range parityTexts() {
			v, err := e.EmbedQuery(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			vectors = append(vectors, v)
		}
		return vectors
	}
	score := func(kernels string) (logits []float32) {
		session, tokens := open("redkite-reranker-small-en", kernels)
		e := encode.NewCrossEncoder(session, tokens, encode.CrossSpec{MaxTokens: 512}, lanes)
		for _, p := range parityPairs() {
			s, err := e.Score(t.Context(), encode.Pairs{Query: p[0], Passages: []string{p[1]}})
			if err != nil {
				t.Fatal(err)
			}
			logits = append(logits, s.Logits...)
		}
		return logits
	}
	wantVectors, wantLogits := embed(onnxKernels), score(onnxKernels)
	for _, kernels := range allKernels()[1:] {
		for i, v := range embed(kernels) {
			product := 0.0
			for d := range v {
				product += float64(v[d]) * float64(wantVectors[i][d])
			}
			if product < 0.99 {
				t.Errorf("%s, %.40q: cosine %v with ONNX Runtime's", kernels, parityTexts()[i], product)
			}
		}
		for i, logit := range score(kernels) {
			if math.Abs(float64(logit-wantLogits[i])) > 0.4 {
				t.Errorf("%s, %.20q: logit %v, ONNX Runtime's is %v", kernels, parityPairs()[i], logit, wantLogits[i])
			}
		}
	}
}

// TestKernelsThatAreNotThere sees that kernels asked for by name are never replaced silently.
func TestKernelsThatAreNotThere(t *testing.T) {
	runtime, err := onnx.Open(settings(t, t.TempDir()).ONNXRuntimeLibrary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := runtime.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, kernels := range []bert.Kernels{"abacus", bert.VNNI, bert.AMX} {
		s, _, err := openSession(t.Context(), runtime, "../../models/bge-small-en-v1.5/model.onnx", howToRun{kernels: string(kernels)}, slog.New(slog.DiscardHandler))
		if slices.Contains(bert.Supported(), kernels) != (err == nil) {
			t.Errorf("%s: %v", kernels, err)
		}
		if err != nil && !errors.Is(err, bert.ErrUnsuited) {
			t.Errorf("%s: %v is not ErrUnsuited", kernels, err)
		}
		if err == nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
