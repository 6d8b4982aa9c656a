package blobtest

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is a real S3 server (versitygw) on this machine, over a folder. It can be stopped and started again.
type Server struct {
	t       testing.TB
	program string
	dir     string
	address string
	stdin   io.Closer     // of the running one: closed, it ends
	stopped chan struct{} // of the running one
}

// The bucket of a Server and the credentials that it takes.
const (
	Bucket = "originals"
	Access = "kite"
	Secret = "forked-tail"
)

// NewServer starts a server for the length of a test and sets its credentials in the environment. root is the way to the
// module's root.
func NewServer(t *testing.T, root string) *Server {
	t.Helper()
	program := os.Getenv("REDKITE_TEST_VERSITYGW")
	if program == "" {
		program = filepath.Join(root, ".deps", "versitygw")
	}
	program, err := filepath.Abs(program)
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		t.Fatalf("versitygw is missing (%v): run 'make deps-test', or set REDKITE_TEST_VERSITYGW", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", Access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", Secret)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	s := &Server{t: t, program: program, dir: t.TempDir(), address: FreeAddress(t)}
	for _, name := range []string{"objects/" + Bucket, "metadata"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// FreeAddress gives an address on this machine where nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// URL is the setting blob-url for the server's bucket and a prefix.
func (s *Server) URL(prefix string) string { return URL(s.address, Bucket, prefix) }

// URL is the setting blob-url for a bucket of the S3 server at address.
func URL(address, bucket, prefix string) string {
	q := url.Values{"endpoint": {"http://" + address}, "region": {"us-east-1"}}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return "s3://" + bucket + "?" + q.Encode()
}

// Start runs the server on the data and address that it had before, and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	// The shell ends the server when its input ends, so also when this process is killed.
	command := exec.Command("/bin/sh", "-c", `"$@" </dev/null & read -r _; kill $!; wait`, "sh", s.program, "--quiet",
		"--access", Access, "--secret", Secret, "--port", s.address,
		"posix", "--sidecar", filepath.Join(s.dir, "metadata"), filepath.Join(s.dir, "objects"))
	command.Stdout, command.Stderr = log, log
	if s.stdin, err = command.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.stopped = make(chan struct{})
	go func() {
		defer close(s.stopped)
		_ = command.Wait()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	text, _ := os.ReadFile(log.Name())
	s.t.Fatalf("the S3 server does not answer; its log: %s", text)
}

// Stop ends the server; its data stays.
func (s *Server) Stop() {
	if s.stdin == nil {
		return
	}
	_ = s.stdin.Close()
	<-s.stopped
	s.stdin = nil
}

// Objects lists the files behind the bucket, unfinished uploads included, with slashes, from the bucket's folder on.
func (s *Server) Objects() []string {
	s.t.Helper()
	bucket := filepath.Join(s.dir, "objects", Bucket)
	return Files(s.t, bucket)
}

// Files lists the files below a folder, with slashes, from that folder on.
func Files(t testing.TB, folder string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(folder)+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
