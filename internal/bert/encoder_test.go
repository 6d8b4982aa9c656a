//go:build cgo && linux && amd64

package bert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/redkite/redkite/internal/encode"
)

// eachKernel runs a test for the kernels that this machine has; one without any has nothing to test.
func eachKernel(t *testing.T, test func(t *testing.T, k Kernels)) {
	t.Helper()
	if len(Supported()) == 0 {
		t.Skip("this processor has no AVX-512 with VNNI and BF16: ONNX Runtime runs everything here")
	}
	for _, k := range Supported() {
		t.Run(string(k), func(t *testing.T) { test(t, k) })
	}
}

func opened(t testing.TB, n *network, k Kernels) *Encoder {
	t.Helper()
	e, err := newEncoder(n, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func batch(width, vocabulary int) *encode.Batch {
	b := &encode.Batch{Rows: 1, Width: width}
	for i := range width {
		b.IDs = append(b.IDs, int64((7+i*i*31)%vocabulary))
		b.TypeIDs = append(b.TypeIDs, int64(2*i/width))
		b.Mask = append(b.Mask, 1)
	}
	return b
}

func run(t testing.TB, e *Encoder, b *encode.Batch) []float32 {
	t.Helper()
	var out []float32
	err := e.Run(t.Context(), b, func(o encode.Output) error {
		out = slices.Clone(o.Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func cosine(a []float32, b []float64) float64 {
	var product, first, second float64
	for i := range a {
		product += float64(a[i]) * b[i]
		first += float64(a[i]) * float64(a[i])
		second += b[i] * b[i]
	}
	return product / math.Sqrt(first*second)
}

// TestAgainstPlainGo compares with the reference, for every shape that the kernels make a difference of: heads of 32 and 64
// numbers, pooling of the first token and of all, and lengths around what is computed at once.
func TestAgainstPlainGo(t *testing.T) {
	widths := []int{1, 2, 3, 15, 16, 17, 31, 32, 33, 34, 95, 96, 97, 98, 111, 128, 193, 512}
	networks := []*network{randomNetwork(128, 4, 256, 2, false), randomNetwork(128, 2, 192, 3, true), randomNetwork(64, 1, 64, 1, true)}
	want := make([][][]float64, len(networks))
	for i, n := range networks {
		for _, width := range widths {
			b := batch(width, 100)
			want[i] = append(want[i], n.reference(b.IDs, b.TypeIDs))
		}
	}
	eachKernel(t, func(t *testing.T, k Kernels) {
		for i, n := range networks {
			e := opened(t, n, k)
			for j, width := range widths {
				if c := cosine(run(t, e, batch(width, 100)), want[i][j]); !(c > 0.9995) {
					t.Errorf("%d numbers, %d heads, %d tokens: cosine %v with the reference", n.hidden, n.heads, width, c)
				}
			}
		}
	})
}

// TestBundledModels compares the models that come with redkite with the reference, logits included.
func TestBundledModels(t *testing.T) {
	bi, err := readNetwork("../../models/bge-small-en-v1.5/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	cross, err := readNetwork("../../models/redkite-reranker-small-en/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if bi.hidden != 384 || len(bi.layers) != 12 || len(bi.head) != 0 || cross.wide != 1536 || len(cross.layers) != 6 || len(cross.head) != 2 {
		t.Fatalf("read networks of %d and %d layers", len(bi.layers), len(cross.layers))
	}
	widths := []int{3, 16, 41}
	var embeddings, logits [][]float64
	for _, width := range widths {
		b := batch(width, 20000)
		embeddings, logits = append(embeddings, bi.reference(b.IDs, b.TypeIDs)), append(logits, cross.reference(b.IDs, b.TypeIDs))
	}
	eachKernel(t, func(t *testing.T, k Kernels) {
		first, second := opened(t, bi, k), opened(t, cross, k)
		for i, width := range widths {
			b := batch(width, 20000)
			if c := cosine(run(t, first, b), embeddings[i]); !(c > 0.995) {
				t.Errorf("bi-encoder, %d tokens: cosine %v", width, c)
			}
			if got, want := run(t, second, b)[0], logits[i][0]; !(math.Abs(float64(got)-want) < 0.15) {
				t.Errorf("cross-encoder, %d tokens: logit %v, want %v", width, got, want)
			}
		}
	})
}

func TestConcurrentRunsAreAlike(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernels) {
		e := opened(t, randomNetwork(128, 4, 256, 2, true), k)
		want := map[int][]float32{}
		for width := 1; width < 200; width += 13 {
			want[width] = run(t, e, batch(width, 100))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for width, want := range want {
					if got := run(t, e, batch(width, 100)); !slices.Equal(got, want) {
						t.Errorf("%d tokens: another run beside it changed the output", width)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestRunRefuses(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernels) {
		e := opened(t, randomNetwork(64, 2, 64, 1, true), k)
		good := batch(4, 100)
		bad := map[string]*encode.Batch{
			"no tokens":       {Rows: 1},
			"two rows":        {Rows: 2, Width: 2, IDs: good.IDs, TypeIDs: good.TypeIDs, Mask: good.Mask},
			"fewer ids":       {Rows: 1, Width: 5, IDs: good.IDs, TypeIDs: good.TypeIDs, Mask: good.Mask},
			"too long":        batch(513, 100),
			"id too large":    {Rows: 1, Width: 1, IDs: []int64{100}, TypeIDs: []int64{0}},
			"negative id":     {Rows: 1, Width: 1, IDs: []int64{-1}, TypeIDs: []int64{0}},
			"type too large":  {Rows: 1, Width: 1, IDs: []int64{1}, TypeIDs: []int64{2}},
			"negative typeid": {Rows: 1, Width: 1, IDs: []int64{1}, TypeIDs: []int64{-1}},
		}
		for name, b := range bad {
			if err := e.Run(t.Context(), b, func(encode.Output) error { return nil }); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if err := e.Run(ctx, good, func(encode.Output) error { return nil }); !errors.Is(err, cause) {
			t.Errorf("a canceled run: %v", err)
		}
		if err := errors.Join(e.Close(), e.Close()); err != nil {
			t.Error(err)
		}
		if err := e.Run(t.Context(), good, func(encode.Output) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open("../../models/bge-small-en-v1.5/model.onnx", "abacus"); !errors.Is(err, ErrUnsuited) {
		t.Errorf("kernels that there are not: %v", err)
	}
	eachKernel(t, func(t *testing.T, k Kernels) {
		if _, err := Open("../../models/manifest.yaml", k); !errors.Is(err, ErrUnsuited) {
			t.Errorf("a file that is no graph: %v", err)
		}
	})
}

// BenchmarkRun is one run of one text on one thread.
func BenchmarkRun(b *testing.B) {
	for _, model := range []string{"bge-small-en-v1.5", "redkite-reranker-small-en"} {
		n, err := readNetwork("../../models/" + model + "/model.onnx")
		if err != nil {
			b.Fatal(err)
		}
		for _, k := range Supported() {
			e := opened(b, n, k)
			for _, width := range []int{16, 64, 200, 512} {
				input := batch(width, 20000)
				b.Run(fmt.Sprintf("%s/%s/%d", model, k, width), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := e.Run(b.Context(), input, func(encode.Output) error { return nil }); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
