//go:build !cgo

// Package onnx needs cgo; this stub lets everything else be built and tested without it.
package onnx

import (
	"context"
	"errors"

	"github.com/redkite/redkite/internal/encode"
)

// ErrNoCGO says that the binary was built without cgo and can't run models.
var ErrNoCGO = errors.New("this redkite was built without cgo: build with CGO_ENABLED=1 and a C compiler")

// Runtime can't be had without cgo.
type Runtime struct{}

// Session can't be had without cgo.
type Session struct{}

// Open gives ErrNoCGO.
func Open(string) (*Runtime, error) { return nil, ErrNoCGO }

// Version is empty.
func (*Runtime) Version() string { return "" }

// Close does nothing.
func (*Runtime) Close() error { return nil }

// Load gives ErrNoCGO.
func (*Runtime) Load(string, Options) (*Session, error) { return nil, ErrNoCGO }

// Close does nothing.
func (*Session) Close() error { return nil }

// Run gives ErrNoCGO.
func (*Session) Run(context.Context, *encode.Batch, func(encode.Output) error) error { return ErrNoCGO }
