package milvus

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes put the child in a process group of its own and end it with this process, even after kill -9.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// holdThread keeps the calling goroutine on its thread: Linux sends Pdeathsig when the parent's thread ends.
func holdThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// port is a loopback port that is kept for the child, whether or not one listens there.
type port struct {
	number int
	socket int
}

// reservePort binds a free port without listening. gRPC's servers bind with SO_REUSEPORT, so the child may have it too,
// and the kernel gives it to nobody who asks for any free port.
func reservePort() (*port, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	p := &port{socket: socket}
	if err := p.bind(); err != nil {
		return nil, fmt.Errorf("%w (close: %v)", err, p.release())
	}
	return p, nil
}

func (p *port) bind() error {
	if err := unix.SetsockoptInt(p.socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fmt.Errorf("share port: %w", err)
	}
	if err := unix.Bind(p.socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("bind port: %w", err)
	}
	address, err := unix.Getsockname(p.socket)
	if err != nil {
		return fmt.Errorf("read port: %w", err)
	}
	bound, ok := address.(*unix.SockaddrInet4)
	if !ok {
		return fmt.Errorf("read port: address is a %T", address)
	}
	p.number = bound.Port
	return nil
}

func (p *port) release() error { return unix.Close(p.socket) }

// commandLine gives a process's arguments, or "".
func commandLine(_ context.Context, pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(raw, []byte{0}, []byte{' '}))
}
