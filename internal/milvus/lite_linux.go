package milvus

import (
	"runtime"
	"syscall"
)

// childAttributes put the child in a process group of its own and end it with this process, even after kill -9.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// holdThread keeps the calling goroutine on its thread: Linux sends Pdeathsig when the parent's thread ends.
func holdThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
