//go:build !linux

package milvus

import "syscall"

func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}
