// Package blobtest is what every store of blobs must do, as tests, and a real S3 server to do it with.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Store is the contract: after Put the blob is durable, after a failed one nothing is there; Open finds all of it or
// says rag.ErrNotFound; Delete may be repeated; List visits what was last written before a time.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader) error
	Open(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, before time.Time, visit func(key string) error) error
}

// Run checks a store that is empty. newKey makes its keys; stored lists what it holds, by whatever name.
func Run(t *testing.T, s Store, newKey func() string, stored func() []string) {
	x := &suite{store: s, newKey: newKey, stored: stored}
	t.Run("put, open, delete", x.putOpenDelete)
	t.Run("sizes", x.sizes)
	t.Run("a blob can be read from anywhere", x.seek)
	t.Run("a missing blob", x.missing)
	t.Run("a failed put leaves nothing", x.failedPut)
	t.Run("a canceled put leaves nothing", x.canceledPut)
	t.Run("a put that comes too late", x.latePut)
	t.Run("list", x.list)
	t.Run("a second put replaces", x.replace)
	t.Run("the same content at once", x.sameContent)
	t.Run("odd keys", x.oddKeys)
	t.Run("a large blob in little memory", x.large)
	if left := stored(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

type suite struct {
	store  Store
	newKey func() string
	stored func() []string
}

func (x *suite) put(t *testing.T, key string, content []byte) {
	t.Helper()
	if err := x.store.Put(t.Context(), key, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func (x *suite) get(t *testing.T, key string) []byte {
	t.Helper()
	r, size, err := x.store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil || int64(len(content)) != size {
		t.Errorf("read %d bytes of %d: %v", len(content), size, err)
	}
	return content
}

func (x *suite) delete(t *testing.T, key string) {
	t.Helper()
	if err := x.store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

// gone fails the test unless nothing can be read under key and the store holds nothing.
func (x *suite) gone(t *testing.T, key string) {
	t.Helper()
	if _, _, err := x.store.Open(t.Context(), key); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("opening what is not there: got %v", err)
	}
	if left := x.stored(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func (x *suite) putOpenDelete(t *testing.T) {
	key := x.newKey()
	x.put(t, key, []byte("twenty kites"))
	if got := x.get(t, key); string(got) != "twenty kites" {
		t.Errorf("got %q", got)
	}
	for range 2 { // the second finds nothing to remove
		x.delete(t, key)
	}
	x.gone(t, key)
}

// sizes are those around which a store changes its ways: nothing, one part, several parts.
func (x *suite) sizes(t *testing.T) {
	for _, size := range []int{0, 1, 5<<20 - 1, 5 << 20, 16<<20 - 1, 16 << 20, 16<<20 + 1, 21 << 20} {
		key, content := x.newKey(), noise(size)
		x.put(t, key, content)
		if got := x.get(t, key); !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back as %d others", size, len(got))
		}
		x.delete(t, key)
	}
}

func (x *suite) seek(t *testing.T) {
	key, content := x.newKey(), noise(1<<20)
	x.put(t, key, content)
	r, size, err := x.store.Open(t.Context(), key)
	if err != nil || size != 1<<20 {
		t.Fatalf("size %d, %v", size, err)
	}
	defer r.Close()
	x.delete(t, key) // an open blob stays readable
	for _, at := range []int64{size - 10, 0, 777_777, 10} {
		got := make([]byte, 10)
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, content[at:at+10]) {
			t.Errorf("at %d: got %x, want %x: %v", at, got, content[at:at+10], err)
		}
	}
	if end, err := r.Seek(0, io.SeekEnd); err != nil || end != size {
		t.Errorf("the end is at %d, want %d: %v", end, size, err)
	}
}

// list sees every blob once, none that is newer than what is asked for, and nothing that is no blob of redkite's.
func (x *suite) list(t *testing.T) {
	var want []string
	for range 3 {
		key := x.newKey()
		x.put(t, key, []byte("kite"))
		want = append(want, key)
	}
	x.put(t, "ab/report.pdf", []byte("another's"))
	slices.Sort(want)
	listed := func(before time.Time) []string {
		var got []string
		if err := x.store.List(t.Context(), before, func(key string) error { got = append(got, key); return nil }); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	if got := listed(time.Now().Add(time.Hour)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := listed(time.Now().Add(-time.Hour)); len(got) != 0 {
		t.Errorf("written before an hour ago: %q", got)
	}
	stop := errors.New("enough")
	if err := x.store.List(t.Context(), time.Now().Add(time.Hour), func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a visit that ends: %v", err)
	}
	for _, key := range append(want, "ab/report.pdf") {
		x.delete(t, key)
	}
}

func (x *suite) missing(t *testing.T) {
	key := x.newKey()
	x.gone(t, key)
	x.delete(t, key)
}

// failedPut breaks the reader as a limit or a lost connection does: the store passes the reason on.
func (x *suite) failedPut(t *testing.T) {
	reason := &rag.Problem{Kind: rag.ErrTooLarge, Code: "file_too_large", Message: "too large"}
	for _, size := range []int{0, 100, 16<<20 + 5, 30 << 20} {
		key := x.newKey()
		err := x.store.Put(t.Context(), key, io.MultiReader(bytes.NewReader(noise(size)), iotest.ErrReader(reason)))
		var problem *rag.Problem
		if !errors.As(err, &problem) || problem != reason {
			t.Errorf("broken after %d bytes: got %v", size, err)
		}
		x.gone(t, key)
	}
}

func (x *suite) canceledPut(t *testing.T) {
	for _, size := range []int64{100, 30 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		key := x.newKey()
		r := &watched{r: io.LimitReader(endless(), 2*size), at: size, then: cancel}
		if err := x.store.Put(ctx, key, r); !errors.Is(err, context.Canceled) || errors.Is(err, rag.ErrUnavailable) {
			t.Errorf("canceled after %d bytes: got %v", size, err)
		}
		x.gone(t, key)
	}
}

func (x *suite) latePut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := x.newKey()
	if err := x.store.Put(ctx, key, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	x.gone(t, key)
}

func (x *suite) replace(t *testing.T) {
	key := x.newKey()
	x.put(t, key, []byte("the first, which is longer"))
	x.put(t, key, []byte("the second"))
	if got := x.get(t, key); string(got) != "the second" {
		t.Errorf("got %q", got)
	}
	if got := x.stored(); len(got) != 1 {
		t.Errorf("the store holds %v", got)
	}
	x.delete(t, key)
}

// sameContent puts the same bytes many times at once: each is a blob of its own, and deleting one leaves the others.
func (x *suite) sameContent(t *testing.T) {
	content := noise(200_000)
	keys := make([]string, 16)
	var puts sync.WaitGroup
	for i := range keys {
		keys[i] = x.newKey()
		puts.Go(func() {
			if err := x.store.Put(t.Context(), keys[i], bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
	if got := x.stored(); len(got) != len(keys) {
		t.Errorf("%d puts made %d blobs", len(keys), len(got))
	}
	for _, key := range keys {
		if !bytes.Equal(x.get(t, key), content) {
			t.Errorf("%s: other bytes came back", key)
		}
		x.delete(t, key)
	}
}

func (x *suite) oddKeys(t *testing.T) {
	odd := []string{
		"plain", "a/b", "a_b", "ab/with space", "ab/ü-木", "ab/50%", "ab/50%2F", "ab/a+b", "ab/a&b=c?d#e", "ab/'\"<>",
		"ab/" + strings.Repeat("k", 200),
	}
	for _, key := range odd {
		x.put(t, key, []byte("content of "+key))
	}
	if got := x.stored(); len(got) != len(odd) {
		t.Errorf("%d keys made %d blobs: %q", len(odd), len(got), got)
	}
	for _, key := range odd {
		if got := x.get(t, key); string(got) != "content of "+key {
			t.Errorf("%q: got %q", key, got)
		}
		x.delete(t, key)
	}
	for _, key := range []string{"../../etc/passwd", "ab/../../../etc/passwd", "/etc/passwd"} {
		if r, _, err := x.store.Open(t.Context(), key); err == nil {
			r.Close()
			t.Errorf("%q was opened", key)
		}
	}
}

// large streams 200 MB in and out and looks at the heap on the way.
func (x *suite) large(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the large blob")
	}
	const size, most = 200 << 20, 96 << 20
	key, in, out := x.newKey(), sha256.New(), sha256.New()
	before := heap()
	peak := before
	look := func() { peak = max(peak, heap()) }
	if err := x.store.Put(t.Context(), key, &watched{r: io.LimitReader(endless(), size), hash: in, every: 8 << 20, look: look}); err != nil {
		t.Fatal(err)
	}
	r, n, err := x.store.Open(t.Context(), key)
	if err != nil || n != size {
		t.Fatalf("size %d, %v", n, err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, &watched{r: r, hash: out, every: 8 << 20, look: look}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(in.Sum(nil), out.Sum(nil)) {
		t.Error("other bytes came back")
	}
	t.Logf("heap grew by up to %d MiB for %d MiB", (peak-before)>>20, size>>20)
	if peak-before > most {
		t.Errorf("the heap grew by %d MiB", (peak-before)>>20)
	}
	x.delete(t, key)
}

func heap() uint64 {
	runtime.GC() // what is garbage already does not count
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// endless gives the same random bytes each time.
func endless() io.Reader { return rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", "kites")))) }

func noise(size int) []byte {
	content := make([]byte, size)
	_, _ = io.ReadFull(endless(), content) // never fails
	return content
}

// watched is a reader that does something on the way.
type watched struct {
	r     io.Reader
	hash  hash.Hash // of what was read, if any
	at    int64     // then is called once so many bytes were read
	then  func()
	every int64 // look is called each time so many more were read
	look  func()
	n     int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.hash != nil {
		w.hash.Write(p[:n])
	}
	before := w.n
	w.n += int64(n)
	if w.then != nil && before < w.at && w.n >= w.at {
		w.then()
	}
	if w.look != nil && before/w.every != w.n/w.every {
		w.look()
	}
	return n, err
}
