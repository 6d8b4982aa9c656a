//go:build !linux

package milvus

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"syscall"
)

// childAttributes put the child in a process group of its own.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// holdThread is of use on Linux only.
func holdThread() (release func()) { return func() {} }

// port is a loopback port that was free when it was asked for.
type port struct{ number int }

func reservePort() (*port, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, number, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	return &port{number: n}, listener.Close()
}

func (p *port) release() error { return nil }

// commandLine gives a process's arguments, or "".
func commandLine(ctx context.Context, pid int) string {
	out, err := exec.CommandContext(ctx, "ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
