//go:build !(cgo && linux && amd64)

package bert

import (
	"context"
	"errors"

	"github.com/redkite/redkite/internal/encode"
)

// Encoder can't be had here.
type Encoder struct{}

// Open gives ErrUnsuited.
func Open(string, Kernels) (*Encoder, error) {
	return nil, errors.Join(ErrUnsuited, errors.New("redkite's kernels are for Linux on x86-64, with cgo"))
}

// Supported gives nothing.
func Supported() []Kernels { return nil }

// Kernels is empty.
func (*Encoder) Kernels() Kernels { return "" }

// Close does nothing.
func (*Encoder) Close() error { return nil }

// Run gives ErrUnsuited.
func (*Encoder) Run(context.Context, *encode.Batch, func(encode.Output) error) error {
	return ErrUnsuited
}
