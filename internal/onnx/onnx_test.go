//go:build cgo

package onnx_test

import (
	"context"
	"debug/elf"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/onnx"
	"github.com/redkite/redkite/internal/rag"
)

const (
	biEncoder    = "../../models/bge-small-en-v1.5/model.onnx"
	crossEncoder = "../../models/redkite-reranker-small-en/model.onnx"
)

func library(t testing.TB) string {
	t.Helper()
	path := os.Getenv("REDKITE_ONNXRUNTIME_LIBRARY")
	if path == "" {
		path = "../../.deps/lib/libonnxruntime.so"
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("ONNX Runtime is missing, run 'make deps': %v", err)
	}
	return path
}

func open(t testing.TB) *onnx.Runtime {
	t.Helper()
	r, err := onnx.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func load(t testing.TB, r *onnx.Runtime, path string) *onnx.Session {
	t.Helper()
	s, err := r.Load(path, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// batch is a row of width tokens that begins with first.
func batch(width int, first int64) *encode.Batch {
	b := &encode.Batch{IDs: make([]int64, width), TypeIDs: make([]int64, width), Mask: make([]int64, width), Rows: 1, Width: width}
	for i := range b.IDs {
		b.IDs[i], b.Mask[i] = 1000+int64(i*37%20000), 1
	}
	b.IDs[0] = first
	return b
}

func TestLibrariesThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, err := os.ReadFile(library(t))
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "old.so")
	source := write("old.c", []byte(`const void *get(unsigned v){return 0;} const char *version(void){return "1.10.0";}
struct base{const void*(*a)(unsigned);const char*(*b)(void);}; static struct base b={get,version}; const struct base *OrtGetApiBase(void){return &b;}`))
	if out, err := exec.CommandContext(t.Context(), "gcc", "-shared", "-fPIC", "-o", old, source).CombinedOutput(); err != nil {
		t.Fatalf("build a library of an old version: %v: %s", err, out)
	}
	tests := []struct{ name, path, code string }{
		{"missing", filepath.Join(dir, "none.so"), "onnxruntime_missing"},
		{"no library", write("text.so", []byte("not a library")), "onnxruntime_unfit"},
		{"cut short", write("cut.so", raw[:4096]), "onnxruntime_unfit"},
		{"too old", old, "onnxruntime_unfit"},
	}
	if runtime.GOOS == "linux" {
		other := append([]byte(nil), raw[:1<<20]...)
		machine := elf.EM_AARCH64
		if runtime.GOARCH == "arm64" {
			machine = elf.EM_X86_64
		}
		other[18], other[19] = byte(machine), byte(machine>>8)
		tests = append(tests, struct{ name, path, code string }{"another machine's", write("other.so", other), "onnxruntime_unfit"})
	}
	for _, test := range tests {
		r, err := onnx.Open(test.path)
		if err == nil {
			t.Errorf("%s: it was opened: %v", test.name, r.Close())
			continue
		}
		var problem *rag.Problem
		if !errors.As(err, &problem) || problem.Code != test.code || !strings.Contains(problem.Message, test.path) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

func TestModelsAndProvidersThatDoNotFit(t *testing.T) {
	r := open(t)
	broken := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(broken, []byte("not a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, o := range map[string]onnx.Options{broken: {}, filepath.Join(t.TempDir(), "none.onnx"): {}} {
		if _, err := r.Load(path, o); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	for _, provider := range []string{onnx.CUDA, onnx.OpenVINO, onnx.CoreML, onnx.DirectML} { // the CPU library has none of them
		_, err := r.Load(biEncoder, onnx.Options{Provider: provider})
		var problem *rag.Problem
		if !errors.As(err, &problem) || problem.Code != "execution_provider_missing" || !strings.Contains(err.Error(), provider) {
			t.Errorf("%s: got %v", provider, err)
		}
	}
	if _, err := r.Load(biEncoder, onnx.Options{Provider: "abacus"}); !errors.Is(err, rag.ErrInvalid) {
		t.Errorf("an unknown provider: got %v", err)
	}
}

func TestTokenIDsOutOfRangeAreAnError(t *testing.T) {
	s := load(t, open(t), biEncoder)
	for _, id := range []int64{30522, 1 << 40, -40000, math.MinInt64} {
		err := s.Run(t.Context(), batch(8, id), func(encode.Output) error { t.Errorf("id %d gave an output", id); return nil })
		if err == nil {
			t.Errorf("id %d: no error", id)
		}
	}
	if err := s.Run(t.Context(), batch(8, 101), func(o encode.Output) error { return nil }); err != nil {
		t.Errorf("a good run after bad ones: %v", err)
	}
	if err := s.Run(t.Context(), batch(600, 101), func(encode.Output) error { return nil }); err == nil {
		t.Error("more tokens than the model has places for: no error")
	}
}

// TestRunsAreCancelled cancels runs of the longest text at every moment, from several goroutines, and then sees the
// session give the right output, and close.
func TestRunsAreCancelled(t *testing.T) {
	s := load(t, open(t), biEncoder)
	vector := func() (out []float32) {
		if err := s.Run(t.Context(), batch(64, 101), func(o encode.Output) error { out = append(out, o.Data...); return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := vector()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 25 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(worker*25+i)*time.Millisecond)
				err := s.Run(ctx, batch(512, 101), func(encode.Output) error { return nil })
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for i, x := range vector() {
		if x != before[i] {
			t.Fatalf("after cancelled runs dimension %d is %v, want %v", i, x, before[i])
		}
	}
}

func TestCloseInOrder(t *testing.T) {
	r, err := onnx.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Load(crossEncoder, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err == nil {
		t.Error("the runtime closed under an open session")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Run(t.Context(), batch(8, 101), nil); !errors.Is(err, onnx.ErrClosed) {
		t.Errorf("a run after Close: got %v", err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

// BenchmarkRun is one run by length, on one thread; allocations do not grow with it.
func BenchmarkRun(b *testing.B) {
	r := open(b)
	for name, path := range map[string]string{"bi-encoder": biEncoder, "cross-encoder": crossEncoder} {
		s := load(b, r, path)
		for _, width := range []int{16, 64, 128, 256, 512} {
			b.Run(name+"/"+map[int]string{16: "016", 64: "064", 128: "128", 256: "256", 512: "512"}[width], func(b *testing.B) {
				row := batch(width, 101)
				b.ReportAllocs()
				for b.Loop() {
					if err := s.Run(b.Context(), row, func(encode.Output) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(width*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}

// BenchmarkCancel measures how long a run of 512 tokens goes on after its context has ended.
func BenchmarkCancel(b *testing.B) {
	s := load(b, open(b), biEncoder)
	row := batch(512, 101)
	var longest time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var ended time.Time
		timer := time.AfterFunc(20*time.Millisecond, func() { ended = time.Now(); cancel() })
		if err := s.Run(ctx, row, func(encode.Output) error { return nil }); err == nil {
			b.Fatal("the run was not cancelled")
		}
		longest = max(longest, time.Since(ended))
		timer.Stop()
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
}
