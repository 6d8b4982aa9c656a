//go:build !linux

package milvus

import "syscall"

// childAttributes put the child in a process group of its own.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// holdThread is of use on Linux only.
func holdThread() (release func()) { return func() {} }
