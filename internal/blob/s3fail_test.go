package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/redkite/redkite/internal/blob/blobtest"
	"github.com/redkite/redkite/internal/rag"
)

// calls does each thing that S3 can do.
func calls(s *S3) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"put":       func(ctx context.Context) error { return s.Put(ctx, NewKey(), strings.NewReader("x")) },
		"put large": func(ctx context.Context) error { return s.Put(ctx, NewKey(), bytes.NewReader(make([]byte, 20<<20))) },
		"open": func(ctx context.Context) error {
			_, _, err := s.Open(ctx, NewKey())
			return err
		},
		"delete": func(ctx context.Context) error { return s.Delete(ctx, NewKey()) },
		"ping":   s.Ping,
	}
}

// away fails the test unless err says: wait.
func away(t *testing.T, what string, err error) {
	t.Helper()
	var p *rag.Problem
	if !errors.Is(err, rag.ErrUnavailable) || errors.Is(err, ErrSetup) || !errors.As(err, &p) || p.Code != "storage_unavailable" {
		t.Errorf("%s: got %v", what, err)
	}
}

func TestS3AwayAndBack(t *testing.T) {
	server := blobtest.NewServer(t, "../..")
	s := openS3(t, S3Config{URL: server.URL("")})
	key := NewKey()
	if err := s.Put(t.Context(), key, strings.NewReader("kites")); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	for name, call := range calls(s) {
		away(t, name, call(t.Context()))
	}
	away(t, "check", s.Check(t.Context()))
	server.Start()
	f, _, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestS3GoesAwayMidway stops the server while an upload runs.
func TestS3GoesAwayMidway(t *testing.T) {
	server := blobtest.NewServer(t, "../..")
	s := openS3(t, S3Config{URL: server.URL("")})
	key := NewKey()
	half := bytes.NewReader(make([]byte, 20<<20))
	stop := readerFunc(func([]byte) (int, error) { server.Stop(); return 0, io.EOF })
	away(t, "put", s.Put(t.Context(), key, io.MultiReader(half, stop, bytes.NewReader(make([]byte, 20<<20)))))
	server.Start()
	if _, _, err := s.Open(t.Context(), key); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("half an upload can be opened: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestS3SetUpWrongly(t *testing.T) {
	server := blobtest.NewServer(t, "../..")
	right := server.URL("")
	tests := []struct {
		name, url, access, secret, code string
	}{
		{"no such bucket", strings.Replace(right, blobtest.Bucket, "elsewhere", 1), blobtest.Access, blobtest.Secret, "storage_bucket_missing"},
		{"unknown key", right, "crow", "a-secret-word", "storage_refused"},
		{"wrong secret", right, blobtest.Access, "a-secret-word", "storage_refused"},
		{"no credentials", right, "", "", "storage_credentials"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", test.access)
			t.Setenv("AWS_SECRET_ACCESS_KEY", test.secret)
			s := openS3(t, S3Config{URL: test.url})
			for name, err := range map[string]error{"check": s.Check(t.Context()), "ping": s.Ping(t.Context())} {
				var p *rag.Problem
				if !errors.Is(err, ErrSetup) || !errors.As(err, &p) || p.Code != test.code || !errors.Is(err, rag.ErrUnavailable) {
					t.Errorf("%s: got %v", name, err)
				}
				if err != nil && strings.Contains(err.Error(), "a-secret-word") {
					t.Errorf("%s: the secret is shown: %v", name, err)
				}
			}
		})
	}
}

// TestS3ThatIsSilent takes connections and says nothing, so that only the idle timeout ends a call; and a caller's own
// deadline is the caller's.
func TestS3ThatIsSilent(t *testing.T) {
	fakeCredentials(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := openS3(t, S3Config{URL: blobtest.URL(listener.Addr().String(), "b", ""), Idle: 50 * time.Millisecond})
	for name, call := range calls(s) {
		away(t, name, call(t.Context()))
	}
	patient := openS3(t, S3Config{URL: blobtest.URL(listener.Addr().String(), "b", "")})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := patient.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("the caller's deadline: got %v", err)
	}
}

// TestS3ThatStopsHalfway sends half of an object and then nothing.
func TestS3ThatStopsHalfway(t *testing.T) {
	fakeCredentials(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "2000")
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	s := openS3(t, S3Config{URL: blobtest.URL(server.Listener.Addr().String(), "b", ""), Idle: 50 * time.Millisecond})
	_, _, err := s.Open(t.Context(), "key")
	away(t, "open", err)
}

// TestS3TriesAgain answers that it is too busy at first.
func TestS3TriesAgain(t *testing.T) {
	fakeCredentials(t)
	var puts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if puts.Add(1) == 1 {
			http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	s := openS3(t, S3Config{URL: blobtest.URL(server.Listener.Addr().String(), "b", "")})
	if err := s.Put(t.Context(), NewKey(), strings.NewReader("x")); err != nil || puts.Load() != 2 {
		t.Errorf("%d requests, %v", puts.Load(), err)
	}
}

// TestSlowClient gives its bytes more slowly than the store's patience lasts: only the store is meant by it.
func TestSlowClient(t *testing.T) {
	server := blobtest.NewServer(t, "../..")
	const idle = time.Second // enough for a busy machine's disk
	s := openS3(t, S3Config{URL: server.URL(""), Idle: idle})
	slow := readerFunc(func([]byte) (int, error) {
		<-time.After(3 * idle / 2) // time is what this is about
		return 0, io.EOF
	})
	r := io.MultiReader(bytes.NewReader(make([]byte, 20<<20)), slow, iotest.OneByteReader(strings.NewReader("the end")))
	key := NewKey()
	if err := s.Put(t.Context(), key, r); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

func fakeCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
}

func TestAddresses(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	right := []string{
		"s3://b?region=eu-central-1", "s3://b?region=eu-central-1&prefix=/a/b/", "s3://b/?endpoint=http://127.0.0.1:9000",
		"s3://b?endpoint=https%3A%2F%2Fstore.example&region=x&use_path_style=false&request_checksum_calculation=when_required",
	}
	for _, address := range right {
		openS3(t, S3Config{URL: address})
	}
	wrong := map[string]string{
		"s3://b":                            "AWS_REGION",
		"s3://":                             "must be s3://bucket",
		"gs://b":                            "must be s3://bucket",
		"/srv/blobs":                        "must be s3://bucket",
		"s3://key:a-secret-word@b?region=x": "AWS_SECRET_ACCESS_KEY",
		"s3://b\x7fa-secret-word":           "is no address",
		"s3://b/folder?region=x":            "prefix=",
		"s3://b?region=x&endpoint=127.0.0.1:9000":                  "endpoint must be",
		"s3://b?region=x&endpoint=http://key:a-secret-word@h:9000": "endpoint must be",
		"s3://b?region=x&regoin=y":                                 "regoin",
		"s3://b?region=x&secret_access_key=a-secret-word":          "secret_access_key",
		"s3://b?region=x&a-secret-word=%zz":                        "can't be read",
	}
	for address, want := range wrong {
		_, err := OpenS3(t.Context(), S3Config{URL: address, Spool: t.TempDir()})
		if !errors.Is(err, rag.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "a-secret-word") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}
