//go:build !cgo

// Package tokenizer needs cgo; this stub lets everything else be built and tested without it.
package tokenizer

import (
	"errors"

	"github.com/redkite/redkite/internal/encode"
)

// ErrNoCGO says that the binary was built without cgo and can't tokenise.
var ErrNoCGO = errors.New("this redkite was built without cgo: build with CGO_ENABLED=1 and a C compiler")

// Tokenizer can't be had without cgo.
type Tokenizer struct{}

// Open gives ErrNoCGO.
func Open(string) (*Tokenizer, error) { return nil, ErrNoCGO }

// Template gives nothing.
func (*Tokenizer) Template() encode.Template { return encode.Template{} }

// Encode gives ErrNoCGO.
func (*Tokenizer) Encode(string) ([]int32, error) { return nil, ErrNoCGO }

// Offsets gives ErrNoCGO.
func (*Tokenizer) Offsets(string) ([][2]int, error) { return nil, ErrNoCGO }

// Close does nothing.
func (*Tokenizer) Close() error { return nil }
