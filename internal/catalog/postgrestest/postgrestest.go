// Package postgrestest runs a private PostgreSQL server for tests.
package postgrestest

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
)

// startTimeout bounds how long a server may take until it answers.
const startTimeout = 60 * time.Second

// Server is a PostgreSQL server with its own data folder, reached by a socket in that folder. It goes with the test.
type Server struct {
	programs string // folder of initdb and postgres
	dir      string // the data, and the socket
	as       *syscall.SysProcAttr
	keep     io.Closer // the server ends when this, or the test's process, does
	done     chan error
}

// Start makes and starts a server. Where PostgreSQL is not installed the test is skipped.
func Start(t *testing.T) *Server {
	t.Helper()
	programs := find()
	if programs == "" {
		t.Skip("PostgreSQL's server is not installed; Debian's package is postgresql")
	}
	dir, err := os.MkdirTemp("", "redkite-postgres-") // short, as a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{programs: programs, dir: dir}
	if s.as, err = unprivileged(dir); err != nil {
		t.Fatal(err)
	}
	initdb := exec.CommandContext(t.Context(), filepath.Join(programs, "initdb"), "--pgdata", s.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = s.as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Restart(t)
	t.Cleanup(s.stop)
	return s
}

// find gives the folder of the newest server's programs; empty where there is none.
func find() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql@*/bin/initdb"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return filepath.Dir(slices.MaxFunc(found, func(a, b string) int {
				return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
			}))
		}
	}
	return ""
}

// unprivileged lets root run the server as another user, which it insists on, and gives that user the folder.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}},
			errors.Join(uidErr, gidErr, os.Chown(dir, uid, gid))
	}
	return nil, errors.New("there is no user postgres or nobody to run the server as")
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Restart starts the server after Kill, and waits until it answers.
func (s *Server) Restart(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(startTimeout)
	for {
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		err := s.await(deadline)
		if err == nil {
			return
		}
		// Of a server that was killed some processes may still hold its memory; then a new one refuses to start.
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.log())
			t.Fatalf("postgres does not answer: %v\n%s", err, log)
		}
	}
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

// runServer runs a server, ends it when the input ends, as it does when the test's process dies, and ends when it does.
const runServer = `exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ || kill -QUIT $server; } <&3 3<&- 2>/dev/null &
exec 3<&-
wait $server`

// start runs the server below a shell.
func (s *Server) start() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", runServer, "sh",
		filepath.Join(s.programs, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "shared_buffers=32MB", "-c", "max_connections=200")
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = s.as, s.dir, log, log
	if s.keep, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.done = make(chan error, 1)
	go func() { s.done <- cmd.Wait() }()
	return nil
}

// await waits until the server answers. It gives up on one that has ended.
func (s *Server) await(deadline time.Time) error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := db.Ping()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case ended := <-s.done:
			s.done <- ended // for stop
			return errors.Join(err, ended)
		case <-ticker.C:
		}
	}
}

// pid is the server's main process; 0 where there is none.
func (s *Server) pid() int {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0
	}
	return pid
}

// Kill ends the server and all its processes at once, as a power cut would, but for what the disk has.
func (s *Server) Kill(t *testing.T) {
	t.Helper()
	main := s.pid()
	if main == 0 {
		t.Error("postgres does not run")
		return
	}
	children := childrenOf(main)
	for _, pid := range append([]int{main}, children...) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
	_ = s.keep.Close()
	<-s.done
}

// childrenOf lists the processes that a process started, where the system tells.
func childrenOf(parent int) []int {
	var children []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // state, parent
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children
}

func (s *Server) stop() {
	_ = s.keep.Close()
	<-s.done
}

func (s *Server) url(database string) string {
	return "postgres://postgres@/" + database + "?" + url.Values{"host": {s.dir}}.Encode()
}

// Database makes an empty database and gives its address.
func (s *Server) Database(t *testing.T) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	s.Exec(t, s.url("postgres"), "CREATE DATABASE "+name)
	return s.url(name)
}

// Exec runs a statement in a database.
func (s *Server) Exec(t *testing.T, address, statement string, args ...any) int64 {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.ExecContext(context.WithoutCancel(t.Context()), statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
