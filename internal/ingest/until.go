package ingest

import (
	"context"

	"github.com/redkite/redkite/internal/chunk"
)

// offsets is a tokenizer as cutting needs it.
type offsets func(text string) ([][2]int, error)

// Offsets gives the byte offsets of every token of text.
func (o offsets) Offsets(text string) ([][2]int, error) { return o(text) }

// longText is how many bytes take a tokenizer, which knows no context, a good part of a second.
const longText = 256 << 10

// until ends cutting with its context: a job that is canceled while a large document is cut must stop too. A long text
// that is being tokenized then is left behind: it ends in some seconds, and what it gives is dropped.
func until(ctx context.Context, t chunk.Tokenizer) chunk.Tokenizer {
	return offsets(func(text string) ([][2]int, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(text) < longText {
			return t.Offsets(text)
		}
		type result struct {
			offsets [][2]int
			err     error
		}
		done := make(chan result, 1)
		go func() {
			var r result
			r.err = guarded("tokenizer", func() (err error) {
				r.offsets, err = t.Offsets(text)
				return err
			})
			done <- r
		}()
		select {
		case r := <-done:
			return r.offsets, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}
