package app

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

// paced runs everything alike, and takes as long as it is told for a text's length.
type paced func(width int) time.Duration

func (p paced) Run(_ context.Context, b *encode.Batch, read func(encode.Output) error) error {
	time.Sleep(p(b.Width))
	return read(encode.Output{Data: []float32{1, 0}, Shape: []int64{1, 2}})
}

// TestPassagesDecideWhoRuns: kernels that are quick with short texts alone are not taken, those that are quick with
// passages are, whatever short texts and the first run of a length take.
func TestPassagesDecideWhoRuns(t *testing.T) {
	slowAtFirst := func(long time.Duration) paced {
		runs := 0
		return func(width int) time.Duration {
			if width < 100 {
				return time.Millisecond
			}
			if runs++; runs == 1 {
				return time.Second
			}
			return long
		}
	}
	reference := paced(func(width int) time.Duration { return time.Duration(width) * 100 * time.Microsecond })
	for name, test := range map[string]struct {
		own   paced
		asked bool
		taken bool
	}{
		"quick with short texts alone": {own: func(width int) time.Duration { return time.Duration(width*width) * 2 * time.Microsecond }},
		"quick with passages":          {own: slowAtFirst(8 * time.Millisecond), taken: true},
		"as quick":                     {own: slowAtFirst(17 * time.Millisecond)},
		"as quick, and asked for":      {own: slowAtFirst(17 * time.Millisecond), asked: true, taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := preferable(t.Context(), test.own, reference, test.asked); (err == nil) != test.taken {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
