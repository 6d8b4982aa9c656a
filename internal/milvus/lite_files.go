package milvus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// lockDir makes sure that no other process serves the folder. The lock goes with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, liteLockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock the embedded Milvus's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, &rag.Problem{
			Kind: rag.ErrConflict, Code: "milvus_lite_in_use", Err: err,
			Message: fmt.Sprintf("another redkite uses the embedded Milvus in %s; stop it, or give this one another folder with --data", dir),
		}
	}
	return f, nil
}

// writePID notes the child, for the next start to find it if this process is killed where Pdeathsig does not exist.
func (l *Lite) writePID(ctx context.Context, pid int) {
	if err := os.WriteFile(filepath.Join(l.cfg.DataDir, litePIDName), []byte(strconv.Itoa(pid)), 0o640); err != nil {
		l.log.WarnContext(ctx, "note milvus-lite's process id", "pid", pid, "error", err)
	}
}

// endOrphan ends the child of a redkite that was killed, if it is still there and still the one that was noted: this
// process holds the folder's lock, so nobody else wants it.
func (l *Lite) endOrphan(ctx context.Context) error {
	raw, err := os.ReadFile(filepath.Join(l.cfg.DataDir, litePIDName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the process id of the last milvus-lite: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 || !l.isOurs(ctx, pid) {
		return nil
	}
	l.log.WarnContext(ctx, "ending a milvus-lite that outlived its redkite", "pid", pid)
	for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(pid, signal)
		for deadline := time.Now().Add(liteTerminate << i); time.Now().Before(deadline); {
			if !l.isOurs(ctx, pid) {
				return nil
			}
			select {
			case <-time.After(liteProbe):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return fmt.Errorf("process %d still uses %s; end it first", pid, l.dataDir())
}

// isOurs reports whether a process is a milvus-lite on this folder.
func (l *Lite) isOurs(ctx context.Context, pid int) bool {
	line := commandLine(ctx, pid)
	return strings.Contains(line, "server") && strings.Contains(line, "--data-dir") && strings.Contains(line, l.dataDir())
}

// logFile is a log that is set aside, as .old, when it has grown too long.
type logFile struct {
	path string
	most int64

	mu   sync.Mutex
	file *os.File
	size int64
	last []byte // the end of what was written
}

// logTail is how much of a log an error message shows.
const logTail = 2000

func openLog(path string, most int64) (*logFile, error) {
	l := &logFile{path: path, most: most}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open milvus-lite's log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open milvus-lite's log: %w", err), f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write appends to the log. It never fails, since the child would end: what can't be written is left out.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, p...)
	if len(l.last) > logTail {
		l.last = append([]byte(nil), l.last[len(l.last)-logTail:]...)
	}
	if l.size+int64(len(p)) > l.most {
		_ = l.file.Close()
		_ = os.Rename(l.path, l.path+".old")
		if err := l.open(); err != nil {
			return len(p), nil
		}
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
	return len(p), nil
}

// Close ends the log.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// tail gives the end of what was written since the log was opened.
func (l *logFile) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.last))
}
