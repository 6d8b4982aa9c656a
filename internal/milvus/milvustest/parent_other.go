//go:build !linux

package milvustest

import "syscall"

// attributes put a child in a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// holdThread is of use on Linux only.
func holdThread() (release func()) { return func() {} }
