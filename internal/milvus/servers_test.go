package milvus

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/milvus/milvustest"
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

// startServer runs a real Milvus for the length of a test.
func startServer(t testing.TB) *milvustest.Server {
	t.Helper()
	return milvustest.Start(t, program(t, "REDKITE_TEST_MILVUS_SERVER", ".deps/milvus-server/bin/milvus-server"), func(address string) bool {
		c := New(Config{Address: func() string { return address }}, slog.New(slog.DiscardHandler))
		defer c.Close()
		_, err := c.Ping(t.Context())
		return err == nil
	})
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
