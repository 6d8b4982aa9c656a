// Package milvustest runs a private Milvus server for tests: the full one of the Python package milvus, not Milvus Lite.
package milvustest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	// startTimeout bounds how long a server may take until it answers.
	startTimeout = 90 * time.Second
	// stopTimeout bounds how long it may take to end by itself.
	stopTimeout = 20 * time.Second
)

// Server is a server with its own data folder, on a loopback port. It goes with the test.
type Server struct {
	t       testing.TB
	command string
	answers func(address string) bool
	env     []string
	dir     string
	port    int
	keep    io.Closer     // the server ends when this, or the test's process, does
	stopped chan struct{} // closed when the running one has ended
	pid     int           // of the shell that leads its process group
}

// Start runs the program command, with env added to its environment, until answers says that it answers. It waits for
// servers that other tests have started, in whatever process, to be gone.
func Start(t testing.TB, command string, answers func(address string) bool, env ...string) *Server {
	t.Helper()
	alone(t)
	s := &Server{t: t, command: command, answers: answers, env: env}
	t.Cleanup(s.Stop)
	for range 3 { // its launcher may give our port to another part of the server; then it ends at once
		s.dir, s.port = t.TempDir(), FreePort(t)
		s.Launch()
		if s.Await() {
			return s
		}
		s.Stop()
	}
	log, _ := os.ReadFile(s.log())
	t.Fatalf("the Milvus server does not answer; its log ends: %s", log[max(0, len(log)-4000):])
	return nil
}

// alone holds the machine's one place for a server until the test is over: the etcd inside always takes the same port, so a
// second server would not start, or not come back after it was killed.
func alone(t testing.TB) {
	t.Helper()
	place, err := os.OpenFile(filepath.Join(os.TempDir(), "redkite-test-milvus-server.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { place.Close() })
	if err := syscall.Flock(int(place.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("wait for other tests' Milvus servers to be gone: %v", err)
	}
}

// FreePort gives a port on which nothing listens, and which the system gives to nobody who asks for any port: so it is
// still free when a server that was killed comes back.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(10000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}

// Address is host:port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *Server) log() string { return filepath.Join(s.dir, "server.log") }

// runServer runs a server, ends its process group when the input ends, as it does when the test's process dies, and ends
// when the server does.
const runServer = `exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ || kill -KILL 0; } <&3 3<&- 2>/dev/null &
exec 3<&-
wait $server`

// Launch starts the server on its data, and does not wait until it answers.
func (s *Server) Launch() {
	s.t.Helper()
	output, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer output.Close()
	launcher := exec.Command("/bin/sh", "-c", runServer, "sh", s.command, "--data", filepath.Join(s.dir, "data"), "--proxy-port", strconv.Itoa(s.port))
	launcher.Stdout, launcher.Stderr = output, output
	launcher.Env = append(os.Environ(), s.env...)
	launcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.keep, err = launcher.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := launcher.Start(); err != nil {
		s.t.Fatal(err)
	}
	stopped := make(chan struct{})
	s.pid, s.stopped = launcher.Process.Pid, stopped
	go func() {
		_ = launcher.Wait()
		close(stopped)
	}()
}

// Await reports whether the server answers before it ends or its time is over.
func (s *Server) Await() bool {
	answers := false
	poll(startTimeout, func() bool {
		if s.Ended() {
			return true
		}
		answers = s.answers(s.Address())
		return answers
	})
	return answers
}

// Ended reports whether the server has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// Kill ends the server and all its processes at once.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.pid, syscall.SIGKILL)
	<-s.stopped
	_ = s.keep.Close()
	if !poll(10*time.Second, func() bool { return syscall.Kill(-s.pid, 0) != nil }) {
		s.t.Errorf("processes of the group %d are left", s.pid)
	}
}

// Stop lets the server end, and ends what is left of it.
func (s *Server) Stop() {
	if s.pid == 0 {
		return
	}
	_ = syscall.Kill(-s.pid, syscall.SIGTERM)
	select {
	case <-s.stopped:
	case <-time.After(stopTimeout):
	}
	s.Kill()
}

// poll asks again and again until the answer is yes or the time is over.
func poll(limit time.Duration, ask func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if ask() {
			return true
		}
		<-time.After(50 * time.Millisecond)
	}
	return false
}
