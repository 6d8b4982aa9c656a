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
	Command string // the milvus-lite program: a path, or a name on the PATH
	DataDir string // made if missing; one process at a time may use it
	LogFile string // of the program's output; defaults to milvus-lite.log in DataDir. The one before it ends in .old
}

// Lite is Milvus Lite as a child process on a loopback port. It is watched, started again with growing pauses when it
// dies or hangs, and never outlives this process (on Linux; elsewhere the next start ends one that did).
type Lite struct {
	cfg    LiteConfig
	log    *slog.Logger
	lock   *os.File
	port   *port
	output *logFile

	stop    context.CancelFunc
	stopped chan struct{} // closed when the keeper has ended

	mu   sync.Mutex
	pid  int   // of the child, or 0
	last error // why the last child ended
}

const (
	liteStart      = 90 * time.Second       // longest time to the first answer; a cold Python import is slow
	liteFirstPause = 200 * time.Millisecond // before the first restart; doubles
	liteMostPause  = 15 * time.Second
	liteSteady     = time.Minute      // a child that lived this long starts the pauses anew
	liteInterrupt  = 10 * time.Second // to write down what is in memory, after SIGINT
	liteTerminate  = 3 * time.Second  // to end, after SIGTERM
	liteProbe      = 100 * time.Millisecond
	liteWatch      = 5 * time.Second // between two looks at a running child
	liteHung       = 12              // looks without an answer, one after the other, that end a child
	liteLogMost    = 5 << 20         // bytes of a log before it is set aside
)

// The files in DataDir.
const (
	liteLockName = "lock"
	litePIDName  = "milvus-lite.pid"
	liteLogName  = "milvus-lite.log"
	liteDataName = "lite"
)

// StartLite runs Milvus Lite and returns when it answers, or with the reason why it does not. ctx bounds the start
// only; the child runs until Stop.
func StartLite(ctx context.Context, cfg LiteConfig, log *slog.Logger) (*Lite, error) {
	command, err := exec.LookPath(cfg.Command)
	if err != nil {
		return nil, &rag.Problem{
			Kind: rag.ErrNotFound, Code: "milvus_lite_missing", Err: err,
			Message: fmt.Sprintf("the embedded Milvus can't be run from %q; run 'make deps', set REDKITE_MILVUS_LITE_COMMAND, or use a server with REDKITE_MILVUS_ADDRESS", cfg.Command),
		}
	}
	cfg.Command = command
	if cfg.LogFile == "" {
		cfg.LogFile = filepath.Join(cfg.DataDir, liteLogName)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("start milvus-lite: %w", err)
	}
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	l := &Lite{cfg: cfg, log: log.With("component", "milvus-lite"), lock: lock, stopped: make(chan struct{})}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start milvus-lite: %w", err), l.release())
	}
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.keep(keep)
	if err := l.awaitAnswer(ctx); err != nil {
		return nil, errors.Join(err, l.Stop(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// prepare takes over from a child that outlived its parent, and gets a port and a log.
func (l *Lite) prepare(ctx context.Context) error {
	if err := l.endOrphan(ctx); err != nil {
		return err
	}
	var err error
	if l.port, err = reservePort(); err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	l.output, err = openLog(l.cfg.LogFile, liteLogMost)
	return err
}

// Address is the server's host:port, the same for as long as this process lives.
func (l *Lite) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port.number)) }

// PID is the child's process id, or 0 between two children.
func (l *Lite) PID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pid
}

// Stop ends the child: SIGINT lets it write down what is in memory, then SIGTERM, then SIGKILL.
func (l *Lite) Stop(ctx context.Context) error {
	l.stop()
	select {
	case <-l.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop milvus-lite: %w", ctx.Err())
	}
}

// release gives back what the start took.
func (l *Lite) release() error {
	var errs []error
	if l.output != nil {
		errs = append(errs, l.output.Close())
	}
	if l.port != nil {
		errs = append(errs, l.port.release())
	}
	return errors.Join(append(errs, l.lock.Close())...)
}

// keep runs child after child until ctx ends. It holds its thread: Linux ends a child with the thread that made it.
func (l *Lite) keep(ctx context.Context) {
	defer close(l.stopped)
	defer func() {
		if err := l.release(); err != nil {
			l.log.WarnContext(ctx, "release milvus-lite", "error", err)
		}
	}()
	defer holdThread()()
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
		l.setChild(0, err)
		l.log.WarnContext(ctx, "milvus-lite ended, starting it again", "error", err, "pause", pause.String(), "log_file", l.cfg.LogFile)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, liteMostPause)
	}
}

// run starts one child and waits for its end. It ends it when ctx ends or when it no longer answers.
func (l *Lite) run(ctx context.Context) error {
	command := exec.Command(l.cfg.Command, "server", "--data-dir", l.dataDir(),
		"--host", "127.0.0.1", "--port", strconv.Itoa(l.port.number))
	command.Stdout, command.Stderr = l.output, l.output
	command.SysProcAttr = childAttributes()
	command.WaitDelay = liteTerminate
	command.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", l.cfg.Command, err)
	}
	pid := command.Process.Pid
	l.setChild(pid, nil)
	l.writePID(ctx, pid)
	ended := make(chan struct{})
	watched := make(chan error, 1)
	go func() { watched <- l.watch(ctx, pid, ended) }()
	err := command.Wait()
	close(ended)
	if hung := <-watched; hung != nil {
		err = hung
	}
	l.setChild(0, err)
	_ = syscall.Kill(-pid, syscall.SIGKILL) // what is left of its process group, mostly nothing
	if err == nil {
		err = errors.New("exit status 0")
	}
	return err
}

// watch ends a child when ctx ends, or when it has not answered for a minute; the error then says so.
func (l *Lite) watch(ctx context.Context, pid int, ended <-chan struct{}) error {
	probe := New(Config{Address: l.Address, Timeout: liteWatch}, slog.New(slog.DiscardHandler))
	defer func() { _ = probe.Close() }()
	tick := time.NewTicker(liteWatch)
	defer tick.Stop()
	silent, answered := 0, false
	for {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			end(pid, ended)
			return nil
		case <-tick.C:
		}
		if _, err := probe.Ping(ctx); err == nil {
			silent, answered = 0, true
			continue
		}
		if silent++; silent >= liteHung && (answered || time.Duration(silent)*liteWatch >= liteStart) {
			l.log.WarnContext(ctx, "milvus-lite does not answer, ending it", "pid", pid)
			end(pid, ended)
			return fmt.Errorf("no answer in %d tries", silent)
		}
	}
}

// end asks a process to end, more and more firmly, until ended is closed. SIGINT is what makes milvus-lite close its
// files; nothing is lost without, its log of writes is read at the next start.
func end(pid int, ended <-chan struct{}) {
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, liteInterrupt}, {syscall.SIGTERM, liteTerminate}}
	for _, step := range steps {
		_ = syscall.Kill(-pid, step.signal)
		select {
		case <-ended:
			return
		case <-time.After(step.wait):
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

func (l *Lite) dataDir() string { return filepath.Join(l.cfg.DataDir, liteDataName) }

func (l *Lite) setChild(pid int, ended error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pid = pid
	if ended != nil {
		l.last = ended
	}
}

// awaitAnswer returns when the server answers. One that ends at once three times is not waited for any longer.
func (l *Lite) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liteStart)
	defer cancel()
	probe := New(Config{Address: l.Address, Timeout: liteWatch}, slog.New(slog.DiscardHandler))
	defer func() { _ = probe.Close() }()
	for deaths := 0; ; {
		if _, err := probe.Ping(ctx); err == nil && l.PID() != 0 {
			return nil
		}
		l.mu.Lock()
		last := l.last
		if last != nil {
			deaths++
			l.last = nil
		}
		l.mu.Unlock()
		if deaths == 3 {
			return fmt.Errorf("start milvus-lite: it ends at once (%w); its log ends: %s", last, l.output.tail())
		}
		select {
		case <-time.After(liteProbe):
		case <-ctx.Done():
			return fmt.Errorf("start milvus-lite: no answer (%w); its log ends: %s", ctx.Err(), l.output.tail())
		}
	}
}
