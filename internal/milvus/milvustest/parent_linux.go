package milvustest

import (
	"runtime"
	"syscall"
)

// attributes put a child in a process group of its own, which is told to end when this process ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// holdThread keeps the calling goroutine on its thread: Linux sends Pdeathsig when the parent's thread ends.
func holdThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
