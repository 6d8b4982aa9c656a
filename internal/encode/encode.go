// Package encode turns texts into embeddings (bi-encoder) and pairs of texts into relevance logits (cross-encoder).
//
//	text -> token ids -> [CLS] ids [SEP] -> run -> pool -> unit length
//	pair -> token ids -> [CLS] query [SEP] passage [SEP] -> run -> logit
//
// Every run holds one text or one pair, and runs are parallel, one a slot of Lanes. On a CPU that was measured as fast
// as any batch and faster than padded ones; it makes a result independent of what else was asked (a quantised model
// takes its scales over the whole batch); and each run can be cancelled alone.
package encode

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
)

// ErrNotFinite says that a model gave a number that is none, or a vector of zeros. Nothing of such a run is used.
var ErrNotFinite = errors.New("the model gave an output that is not finite, or a vector of zeros")

// Session runs a model. Run may be called by many goroutines, ends soon after ctx does, and keeps no part of b. It calls
// read with the first output, which is gone when read returns.
type Session interface {
	Run(ctx context.Context, b *Batch, read func(Output) error) error
}

// Tokenizer gives token ids without special tokens, and says where those go.
type Tokenizer interface {
	Encode(text string) ([]int32, error)
	Template() Template
}

// Output is a run's first output, row by row.
type Output struct {
	Data  []float32
	Shape []int64
}

// each calls work for 0 to n-1, in that order, with up to slots calls at once, each in a slot of the lane. It stops
// giving out work when enough says so (nil never does) or at the first error, waits for what runs, and returns that error.
func each(ctx context.Context, lanes *Lanes, lane Lane, n int, enough func() bool, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	give := func() func(ctx context.Context) error {
		if enough != nil && enough() {
			return nil
		}
		i := int(next.Add(1)) - 1
		if i >= n {
			return nil
		}
		return func(ctx context.Context) error { return work(ctx, i) }
	}
	var wg sync.WaitGroup
	for range min(n, lanes.Size()) {
		wg.Go(func() {
			if err := lanes.Series(ctx, lane, give); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// finite reports whether x is a number and not infinite.
func finite(x float32) bool {
	return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
}
