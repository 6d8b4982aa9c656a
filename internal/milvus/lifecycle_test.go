package milvus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestNoServer(t *testing.T) {
	free, err := reservePort()
	must(t, err)
	must(t, free.release())
	c := newClient(t, fmt.Sprintf("127.0.0.1:%d", free.number))
	g := generation(1)
	began := time.Now()
	_, pingErr := c.Ping(t.Context())
	_, searchErr := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 1})
	for _, err := range []error{pingErr, searchErr, c.Ensure(t.Context(), g), c.Upsert(t.Context(), g, []Row{{Chunk: 1, Dense: unit(1)}}), c.Visible(t.Context(), g, []rag.ChunkID{1})} {
		var p *rag.Problem
		if !errors.Is(err, rag.ErrUnavailable) || !errors.As(err, &p) || p.Code != "milvus_unavailable" {
			t.Errorf("got %v", err)
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("five refusals took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Ping(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("the caller's cancellation: got %v", err)
	}
}

// TestSilentServer has a server that takes connections and says nothing.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	address := listener.Addr().String()
	c := New(Config{Address: func() string { return address }, Timeout: 500 * time.Millisecond}, testLog(t))
	defer c.Close()
	began := time.Now()
	if _, err := c.Search(t.Context(), generation(1), Search{Vector: unit(0), Limit: 1}); !errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("the client's deadline: got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a deadline of 500 ms took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("the caller's deadline: got %v", err)
	}
}

// relay passes connections on to a server, and can hold everything back.
type relay struct {
	listener net.Listener
	stalled  atomic.Bool
	mu       sync.Mutex
	open     []net.Conn
}

func newRelay(t *testing.T, target string) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{listener: listener}
	t.Cleanup(func() { _ = listener.Close(); r.cut() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, client, server)
			r.mu.Unlock()
			go r.pass(client, server)
			go r.pass(server, client)
		}
	}()
	return r
}

func (r *relay) pass(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		for r.stalled.Load() {
			<-time.After(10 * time.Millisecond)
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
	r.stalled.Store(false)
}

func TestStalledAndCutServer(t *testing.T) {
	lite := startLite(t, t.TempDir())
	r := newRelay(t, lite.Address())
	address := r.listener.Addr().String()
	c := New(Config{Address: func() string { return address }, Timeout: 700 * time.Millisecond}, testLog(t))
	defer c.Close()
	g := generation(1)
	fill(t, c, g, []Row{{Chunk: 1, Document: 1, Dense: unit(1)}})

	r.stalled.Store(true)
	began := time.Now()
	if err := c.Upsert(t.Context(), g, []Row{{Chunk: 2, Document: 1, Dense: unit(2)}}); !errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("a stalled server: got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Search(ctx, g, Search{Vector: unit(0), Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stalled server and the caller's deadline: got %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("deadlines of 0.7 s and 0.2 s took %s", took)
	}
	r.stalled.Store(false)
	if diff := cmp.Diff([]rag.ChunkID{1}, search(t, c, g, 1, parsed(`{"type":"not","filters":[{"type":"exists","key":"x"}]}`))); diff != "" && len(search(t, c, g, 1, nil)) != 1 {
		t.Errorf("after the stall: %s", diff)
	}
	r.cut()
	if !eventually(10*time.Second, func() bool { _, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 1}); return err == nil }) {
		t.Error("the client does not work again after its connection was cut")
	}
}

// TestServerComesBack restarts a real server under a client.
func TestServerComesBack(t *testing.T) {
	s := startServer(t)
	c := newClient(t, s.Address())
	g := generation(1, rag.Field{Name: "year", Type: rag.FieldInt})
	fill(t, c, g, []Row{{Chunk: 1, Document: 1, Dense: unit(1), Metadata: rag.Metadata{"year": int64(1)}}})
	s.Stop()
	began := time.Now()
	_, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 1})
	if !errors.Is(err, rag.ErrUnavailable) || time.Since(began) > 5*time.Second {
		t.Errorf("while it is down: %v after %s", err, time.Since(began))
	}
	s.Launch()
	if !s.Await() {
		t.Fatal("the server does not answer again")
	}
	awaitRows(t, c, g)
	if diff := cmp.Diff([]rag.ChunkID{1}, search(t, c, g, 1, nil)); diff != "" {
		t.Error(diff)
	}
}

// awaitRows waits until a server that is back has the collection again, with chunk 1. It may need a moment; until then it is
// unavailable, nothing else.
func awaitRows(t *testing.T, c *Client, g Generation) {
	t.Helper()
	var err error
	if !eventually(time.Minute, func() bool {
		err = c.Visible(t.Context(), g, []rag.ChunkID{1})
		if err != nil && !errors.Is(err, rag.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	}) {
		t.Fatalf("after the restart: %v", err)
	}
}

// TestLiteKilled ends the child as a crash would, right after a write that was not flushed.
func TestLiteKilled(t *testing.T) {
	lite := startLite(t, t.TempDir())
	c := newClient(t, lite.Address())
	g := generation(1)
	for i := range 3 {
		first := rag.ChunkID(i*100 + 1)
		var rows []Row
		for j := range 100 {
			rows = append(rows, Row{Chunk: first + rag.ChunkID(j), Document: 1, Dense: unit(i*100 + j)})
		}
		must(t, c.Ensure(t.Context(), g))
		must(t, c.Upsert(t.Context(), g, rows))
		must(t, c.Visible(t.Context(), g, []rag.ChunkID{first, first + 99}))
		must(t, c.Delete(t.Context(), g, []rag.ChunkID{first}))
		address, pid := lite.Address(), lite.PID()
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		if !eventually(time.Minute, func() bool { _, err := c.Ping(t.Context()); return err == nil && lite.PID() != pid }) {
			t.Fatal("it does not come back")
		}
		if lite.Address() != address {
			t.Errorf("the address moved from %s to %s", address, lite.Address())
		}
		if n, err := c.Count(t.Context(), g); n != (i+1)*99 || err != nil {
			t.Errorf("after kill %d: %d rows, %v; want %d", i+1, n, err, (i+1)*99)
		}
	}
}

func TestLiteStopsAndKeepsRows(t *testing.T) {
	dir := t.TempDir()
	first, err := StartLite(t.Context(), LiteConfig{Command: liteProgram(t), DataDir: dir}, testLog(t))
	must(t, err)
	g := generation(1)
	fill(t, newClient(t, first.Address()), g, []Row{{Chunk: 1, Document: 1, Dense: unit(1)}})
	if _, err := StartLite(t.Context(), LiteConfig{Command: liteProgram(t), DataDir: dir}, testLog(t)); !errors.Is(err, rag.ErrConflict) {
		t.Errorf("a second one on the same folder: got %v", err)
	}
	pid := first.PID()
	began := time.Now()
	must(t, first.Stop(t.Context()))
	t.Logf("stop took %s", time.Since(began))
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the child is still there")
	}
	must(t, first.Stop(t.Context())) // again does no harm
	if n, err := newClient(t, startLite(t, dir).Address()).Count(t.Context(), g); n != 1 || err != nil {
		t.Errorf("after a stop: %d rows, %v", n, err)
	}
}

// TestLiteOrphan leaves a child behind, as a redkite killed on a system without Pdeathsig would.
func TestLiteOrphan(t *testing.T) {
	dir := t.TempDir()
	command := liteProgram(t)
	orphan := exec.Command(command, "server", "--data-dir", filepath.Join(dir, liteDataName), "--host", "127.0.0.1", "--port", "0")
	must(t, orphan.Start())
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	must(t, os.WriteFile(filepath.Join(dir, litePIDName), fmt.Append(nil, orphan.Process.Pid), 0o600))
	if !eventually(time.Minute, func() bool { _, err := os.Stat(filepath.Join(dir, liteDataName, "LOCK")); return err == nil }) {
		t.Fatal("the orphan does not start")
	}
	startLite(t, dir)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = orphan.Process.Kill()
		t.Error("the orphan is still there")
	}
}

// TestLiteDiesWithItsParent kills a process that runs Milvus Lite, this test binary itself.
func TestLiteDiesWithItsParent(t *testing.T) {
	const variable = "REDKITE_TEST_LITE_PARENT"
	if dir := os.Getenv(variable); dir != "" {
		lite, err := StartLite(t.Context(), LiteConfig{Command: liteProgram(t), DataDir: dir}, slog.New(slog.DiscardHandler))
		must(t, err)
		fmt.Fprintln(os.Stderr, "CHILD", lite.PID())
		<-time.After(time.Minute)
		return
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("only Linux ends a child with its parent; elsewhere TestLiteOrphan's way holds")
	}
	liteProgram(t)
	parent := exec.Command(os.Args[0], "-test.run", "^TestLiteDiesWithItsParent$")
	parent.Env = append(os.Environ(), variable+"="+t.TempDir())
	output, err := parent.StderrPipe()
	must(t, err)
	must(t, parent.Start())
	defer func() { _ = parent.Process.Kill(); _ = parent.Wait() }()
	var pid int
	var said bytes.Buffer
	if _, err := fmt.Fscanf(io.TeeReader(output, &said), "CHILD %d\n", &pid); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	must(t, parent.Process.Kill())
	if !eventually(10*time.Second, func() bool { return !strings.Contains(commandLine(t.Context(), pid), "milvus") }) {
		t.Errorf("child %d outlives its parent", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestLiteCannotStart(t *testing.T) {
	_, err := StartLite(t.Context(), LiteConfig{Command: filepath.Join(t.TempDir(), "milvus-lite"), DataDir: t.TempDir()}, testLog(t))
	if !errors.Is(err, rag.ErrNotFound) || !strings.Contains(err.Error(), "make deps") || !strings.Contains(err.Error(), "REDKITE_MILVUS_LITE_COMMAND") {
		t.Errorf("a missing program: got %v", err)
	}
	broken := filepath.Join(t.TempDir(), "milvus-lite")
	must(t, os.WriteFile(broken, []byte("#!/bin/sh\necho no module named milvus_lite >&2\nexit 1\n"), 0o700))
	dir := t.TempDir()
	_, err = StartLite(t.Context(), LiteConfig{Command: broken, DataDir: dir}, testLog(t))
	if err == nil || !strings.Contains(err.Error(), "no module named") {
		t.Errorf("a broken program: got %v", err)
	}
	must(t, first(lockDir(dir)).Close()) // the folder is free again
}

func first[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path, 1000)
	must(t, err)
	for i := range 100 {
		if _, err := fmt.Fprintf(l, "line %04d of a long log\n", i); err != nil {
			t.Fatal(err)
		}
	}
	must(t, l.Close())
	for _, name := range []string{path, path + ".old"} {
		if info, err := os.Stat(name); err != nil || info.Size() > 1000 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", filepath.Base(name), info, err)
		}
	}
	if !strings.HasSuffix(l.tail(), "line 0099 of a long log") {
		t.Errorf("tail %q", l.tail())
	}
}

func TestNewServer(t *testing.T) {
	for version, want := range map[string][2]bool{ // lite, sparse
		"v2.3.5-lite": {false, false}, "milvus_lite-3.2.2": {true, true}, "2.6.1": {false, true}, "v2.4.0": {false, true},
		"v2.3.22": {false, false}, "3.0": {false, true}, "": {false, false}, "master-2024": {false, false},
	} {
		s := newServer(version)
		if got := [2]bool{s.lite, s.sparse()}; got != want {
			t.Errorf("%q: lite, sparse %v, want %v", version, got, want)
		}
	}
}
