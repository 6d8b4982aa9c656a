package milvus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// program finds a server's program: the variable, else below .deps. A missing one fails the test, unless -short skips it.
func program(t testing.TB, variable, path string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out the tests against a server")
	}
	set := os.Getenv(variable)
	if set == "" {
		set = filepath.Join("../..", path)
	}
	full, err := filepath.Abs(set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("%s is missing (%v): run 'make deps deps-test', or set %s", path, err, variable)
	}
	return full
}

func liteProgram(t testing.TB) string {
	return program(t, "REDKITE_MILVUS_LITE_COMMAND", ".deps/milvus-lite/bin/milvus-lite")
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil { // a log after the end would be a panic
		w.t.Logf("%s", p)
	}
	return len(p), nil
}

// startLite runs an embedded Milvus for the length of a test.
func startLite(t testing.TB, dir string) *Lite {
	t.Helper()
	lite, err := StartLite(t.Context(), LiteConfig{Command: liteProgram(t), DataDir: dir}, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lite.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return lite
}

// realServer is the standalone server of the Python package milvus. It can be stopped and started on the same data.
type realServer struct {
	t       testing.TB
	command string
	dir     string
	port    *port
	stopped chan struct{} // of the running one
	pid     int
}

// startServer runs a real Milvus for the length of a test.
func startServer(t testing.TB) *realServer {
	t.Helper()
	s := &realServer{t: t, command: program(t, "REDKITE_TEST_MILVUS_SERVER", ".deps/milvus-server/bin/milvus-server")}
	t.Cleanup(func() { s.stop() })
	for range 3 { // its launcher may give our port to another part of the server; then it ends at once
		s.dir = t.TempDir()
		free, err := reservePort()
		must(t, err)
		must(t, free.release()) // Go's listeners do not share ports
		s.port = free
		if s.start() {
			return s
		}
		s.stop()
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "server.log"))
	t.Fatalf("the server does not answer; its log ends: %s", log[max(0, len(log)-4000):])
	return nil
}

func (s *realServer) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port.number) }

// start reports whether the server answers.
func (s *realServer) start() bool {
	s.t.Helper()
	output, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	started := make(chan error)
	s.stopped = make(chan struct{})
	go func() {
		defer holdThread()() // the launcher ends with this process, even when a test panics, and ends its child
		defer close(s.stopped)
		launcher := exec.Command(s.command, "--data", filepath.Join(s.dir, "data"), "--proxy-port", strconv.Itoa(s.port.number))
		launcher.Stdout, launcher.Stderr = output, output
		launcher.SysProcAttr = childAttributes()
		endWithParent(launcher.SysProcAttr, syscall.SIGTERM)
		err := launcher.Start()
		if err == nil {
			s.pid = launcher.Process.Pid
		}
		started <- err
		if err == nil {
			_ = launcher.Wait()
		}
		_ = output.Close()
	}()
	if err := <-started; err != nil {
		s.t.Fatal(err)
	}
	c := newClient(s.t, s.address())
	answers := false
	eventually(90*time.Second, func() bool {
		select {
		case <-s.stopped:
			return true
		default:
			_, err := c.Ping(s.t.Context())
			answers = err == nil
			return answers
		}
	})
	return answers
}

// stop ends the launcher and whatever it started.
func (s *realServer) stop() {
	if s.pid == 0 {
		return
	}
	_ = syscall.Kill(-s.pid, syscall.SIGTERM)
	select {
	case <-s.stopped:
	case <-time.After(20 * time.Second):
	}
	_ = syscall.Kill(-s.pid, syscall.SIGKILL)
	<-s.stopped
	if !eventually(10*time.Second, func() bool { return syscall.Kill(-s.pid, 0) != nil }) {
		s.t.Errorf("processes of the group %d are left", s.pid)
	}
}

func newClient(t testing.TB, address string) *Client {
	t.Helper()
	c := New(Config{Address: func() string { return address }}, testLog(t))
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// eventually asks again and again until the answer is yes or the time is over.
func eventually(limit time.Duration, ask func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if ask() {
			return true
		}
		<-time.After(100 * time.Millisecond)
	}
	return false
}
