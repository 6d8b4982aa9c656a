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
	"sync"
	"sync/atomic"
)

// Session runs a model. Run may be called by many goroutines, ends soon after ctx does, and keeps no part of b.
type Session interface {
	Run(ctx context.Context, b Batch) (Output, error)
}

// Tokenizer gives token ids without special tokens, and says where those go.
type Tokenizer interface {
	Encode(text string) ([]int32, error)
	Template() Template
}

// Batch is what one run reads: three matrices of Rows x Width, row by row.
type Batch struct {
	IDs, TypeIDs, Mask []int64
	Rows, Width        int
}

// Output is a run's first output.
type Output struct {
	Data  []float32
	Shape []int64
}

// Template says where a model wants its special tokens: Prefix A Suffix for one text, Prefix A Between B Suffix for a
// pair. Type ids are 0 up to and including Between, and PairType from B on.
type Template struct {
	Prefix, Between, Suffix []int32
	PairType                int64
}

// single assembles the batch of one text, its ids clipped so that all is at most maxTokens wide.
func (t Template) single(ids []int32, maxTokens int) Batch {
	room := max(0, maxTokens-len(t.Prefix)-len(t.Suffix))
	b := newBatch(len(t.Prefix) + min(room, len(ids)) + len(t.Suffix))
	b.append(0, t.Prefix, ids[:min(room, len(ids))], t.Suffix)
	return b
}

// pair assembles the batch of a query and a passage. Where both do not fit, the longer one loses tokens from its end
// until they do, as Hugging Face's longest_first does.
func (t Template) pair(query, passage []int32, maxTokens int) Batch {
	special := len(t.Prefix) + len(t.Between) + len(t.Suffix)
	q, p := longestFirst(len(query), len(passage), max(0, maxTokens-special))
	b := newBatch(special + q + p)
	b.append(0, t.Prefix, query[:q], t.Between)
	b.append(t.PairType, passage[:p], t.Suffix)
	return b
}

// longestFirst gives how many tokens of two texts are kept when room tokens fit. As in Hugging Face's tokenizers the
// shorter text is kept whole where it is at most half the room, and else both get half, the second one the odd token.
func longestFirst(a, b, room int) (int, int) {
	if a+b <= room {
		return a, b
	}
	shorter := min(a, b)
	longer := room - shorter
	if shorter > room || longer < shorter {
		shorter = room / 2
		longer = shorter + room%2
	}
	if a > b {
		return longer, shorter
	}
	return shorter, longer
}

func newBatch(width int) Batch {
	all := make([]int64, 3*width)
	return Batch{IDs: all[:0:width], TypeIDs: all[width : width : 2*width], Mask: all[2*width : 2*width : 3*width], Rows: 1, Width: width}
}

func (b *Batch) append(typeID int64, parts ...[]int32) {
	for _, part := range parts {
		for _, id := range part {
			b.IDs = append(b.IDs, int64(id))
			b.TypeIDs = append(b.TypeIDs, typeID)
			b.Mask = append(b.Mask, 1)
		}
	}
}

// each calls work for 0 to n-1, in that order, with up to slots calls at once, each in a slot of the lane. It stops
// giving out work at the first error, waits for what runs, and returns that error.
func each(ctx context.Context, lanes *Lanes, lane Lane, n int, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	one := func() (more bool, err error) {
		release, err := lanes.Acquire(ctx, lane)
		if err != nil {
			return false, err
		}
		defer release()
		i := int(next.Add(1)) - 1
		if i >= n {
			return false, nil
		}
		return true, work(ctx, i)
	}
	var wg sync.WaitGroup
	for range min(n, lanes.Size()) {
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = one(); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
