package app

import (
	"context"
	"slices"

	"github.com/redkite/redkite/internal/encode"
)

// recorder runs a session and keeps the batch it was fed last.
type recorder struct {
	session encode.Session
	last    encode.Batch
}

func (r *recorder) Run(ctx context.Context, b *encode.Batch, read func(encode.Output) error) error {
	r.last = encode.Batch{IDs: slices.Clone(b.IDs), TypeIDs: slices.Clone(b.TypeIDs), Rows: b.Rows, Width: b.Width}
	return r.session.Run(ctx, b, read)
}
