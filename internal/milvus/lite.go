package milvus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// LiteConfig says how to run the embedded Milvus.
type LiteConfig struct {
	Command string // path of the milvus-lite program
	DataDir string // made if missing; one process at a time may use it
}

// Lite is Milvus Lite as a child process on a free loopback port. It is started again, with growing pauses, when it
// dies, and never outlives this process. Its output goes to milvus-lite.log in DataDir.
type Lite struct {
	cfg  LiteConfig
	log  *slog.Logger
	port int
	lock *os.File

	cancel context.CancelFunc
	done   chan struct{} // closed when the keeper has ended

	mu      sync.Mutex
	pid     int // of the child, or 0
	lastErr error
}

const (
	liteStart       = 60 * time.Second       // longest time the server may take to answer; a cold Python import is slow
	liteFirstPause  = 200 * time.Millisecond // before the first restart; doubles
	liteMostPause   = 15 * time.Second
	liteSteady      = time.Minute // a child that lived this long starts the pauses anew
	liteStop        = 10 * time.Second
	liteLogMost     = 10 << 20 // bytes; a longer log is set aside at a start
	liteProbe       = 100 * time.Millisecond
	liteLockName    = "lock"
	liteLogName     = "milvus-lite.log"
	liteLogOldName  = "milvus-lite.old.log"
	liteDataDirName = "lite"
)

// StartLite runs Milvus Lite and returns when it answers, or with the reason why it does not.
func StartLite(ctx context.Context, cfg LiteConfig, log *slog.Logger) (*Lite, error) {
	if _, err := exec.LookPath(cfg.Command); err != nil {
		return nil, &rag.Problem{
			Kind: rag.ErrNotFound, Code: "milvus_lite_missing", Err: err,
			Message: fmt.Sprintf("the embedded Milvus can't be run from %q; run 'make deps', set REDKITE_MILVUS_LITE_COMMAND, or use a server with REDKITE_MILVUS_ADDRESS", cfg.Command),
		}
	}
	if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("start milvus-lite: %w", err)
	}
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start milvus-lite: %w", err), lock.Close())
	}
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lite{cfg: cfg, log: log.With("component", "milvus-lite"), port: port, lock: lock, cancel: cancel, done: make(chan struct{})}
	go l.keep(keep)
	if err := l.awaitAnswer(ctx); err != nil {
		return nil, errors.Join(err, l.Stop(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// Address is the server's host:port, the same for as long as this process lives.
func (l *Lite) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port)) }

// PID is the child's process id, or 0 between two children.
func (l *Lite) PID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pid
}

// Stop ends the child: SIGTERM, and SIGKILL where that does not help within 10 s.
func (l *Lite) Stop(ctx context.Context) error {
	l.cancel()
	select {
	case <-l.done:
		return l.lock.Close()
	case <-ctx.Done():
		return fmt.Errorf("stop milvus-lite: %w", ctx.Err())
	}
}

// keep runs child after child until ctx ends.
func (l *Lite) keep(ctx context.Context) {
	defer close(l.done)
	pause := liteFirstPause
	for {
		started := time.Now()
		err := l.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > liteSteady {
			pause = liteFirstPause
		}
		l.setErr(err)
		l.log.WarnContext(ctx, "milvus-lite ended; starting it again", "error", err, "pause", pause.String(), "log", filepath.Join(l.cfg.DataDir, liteLogName))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, liteMostPause)
	}
}

// run starts one child and waits for its end.
func (l *Lite) run(ctx context.Context) error {
	output, err := openLog(l.cfg.DataDir)
	if err != nil {
		return err
	}
	defer output.Close()
	command := exec.CommandContext(ctx, l.cfg.Command, "server",
		"--data-dir", filepath.Join(l.cfg.DataDir, liteDataDirName), "--host", "127.0.0.1", "--port", strconv.Itoa(l.port))
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = childAttributes()
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = liteStop
	unlock := holdThread() // the child is tied to the thread that starts it
	defer unlock()
	if err := command.Start(); err != nil {
		return fmt.Errorf("start milvus-lite: %w", err)
	}
	l.setPID(command.Process.Pid)
	err = command.Wait()
	l.setPID(0)
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // what is left of its process group
	if err == nil {
		err = errors.New("exit status 0")
	}
	return err
}

func (l *Lite) setPID(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pid = pid
}

func (l *Lite) setErr(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr = err
}

// awaitAnswer returns when the server takes connections.
func (l *Lite) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liteStart)
	defer cancel()
	var dialer net.Dialer
	for {
		connection, err := dialer.DialContext(ctx, "tcp", l.Address())
		if err == nil {
			return connection.Close()
		}
		select {
		case <-time.After(liteProbe):
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("milvus-lite did not answer within %s (last exit: %v); its log is %s",
				liteStart, l.lastErr, filepath.Join(l.cfg.DataDir, liteLogName))
		}
	}
}

// freePort asks the system for a port that is free now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// lockDir makes sure that no other process serves the folder. The lock goes with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, liteLockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock milvus-lite's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, &rag.Problem{
			Kind: rag.ErrConflict, Code: "milvus_lite_in_use", Err: err,
			Message: fmt.Sprintf("another redkite uses the embedded Milvus in %s; stop it, or give this one another --data", dir),
		}
	}
	return f, nil
}

func openLog(dir string) (*os.File, error) {
	path := filepath.Join(dir, liteLogName)
	if info, err := os.Stat(path); err == nil && info.Size() > liteLogMost {
		if err := os.Rename(path, filepath.Join(dir, liteLogOldName)); err != nil {
			return nil, fmt.Errorf("set milvus-lite's log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open milvus-lite's log: %w", err)
	}
	return f, nil
}
