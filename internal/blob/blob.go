// Package blob keeps uploaded originals: in a folder (Dir) or in a bucket of an S3-compatible store (S3). What Put has
// accepted survives a power cut; gocloud.dev's file driver does not sync, so Dir is our own and S3 alone uses gocloud.dev.
package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"path"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// keyBytes is how many random bytes a key has.
const keyBytes = 16

// NewKey makes a key that no other blob has: 128 random bits in hex, below one of 256 folders.
func NewKey() string {
	var b [keyBytes]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	name := hex.EncodeToString(b[:])
	return path.Join(name[:2], name)
}

// original reports whether a key is one that NewKey makes, and no other's.
func original(key string) bool {
	folder, name, ok := strings.Cut(key, "/")
	raw, err := hex.DecodeString(name)
	return ok && err == nil && len(raw) == keyBytes && folder == name[:2] && name == strings.ToLower(name)
}

// missing says that there is no blob under key.
func missing(key string) error { return rag.NotFound("the stored original %s is missing", key) }

// source stops a copy when the context ends, and tells afterwards how reading went.
type source struct {
	ctx     context.Context
	r       io.Reader
	err     error // why reading failed
	drained bool  // reading came to the end
}

func (s *source) Read(p []byte) (n int, err error) {
	if err = s.ctx.Err(); err == nil {
		n, err = s.r.Read(p)
	}
	switch {
	case err == io.EOF: // never wrapped, by io.Reader's contract
		s.drained = true
	case err != nil:
		s.err = err
	}
	return n, err
}
