//go:build cgo

package bert

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lm
#include <stdlib.h>
#include "kernel.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/redkite/redkite/internal/encode"
)

// idleRuns is how many runs' memory is kept for later runs: more than one a core is never in use.
const idleRuns = 64

// Encoder is a loaded model. Many goroutines may run it at once, each run on its goroutine's thread alone.
type Encoder struct {
	sizes     sizes
	kernels   Kernels
	shape     C.shape
	layers    []C.layer
	words     *C.int8_t
	scales    *C.float
	types     *C.float // nil where there are none
	positions *C.float
	norm      C.norm
	head      []head
	owned     []unsafe.Pointer // C's memory, besides packed weights
	idle      chan *work

	runs   sync.RWMutex // held shared by runs, and alone by Close
	closed bool
}

// sizes are what of a network is not in C's memory.
type sizes struct {
	hidden, vocabulary, kinds, tokens int
	mean, unit                        bool
}

type head struct {
	inputs, outputs int
	weight, bias    *C.float
}

// work is what one run writes.
type work struct {
	space  C.workspace
	output []float32
}

// Supported lists the kernels that this machine has, slower ones first.
func Supported() []Kernels {
	x := cpu.X86
	if !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL || !x.HasAVX512VNNI || !x.HasAVX512BF16 || !x.HasFMA {
		return nil
	}
	if !x.HasAMXTile || !x.HasAMXInt8 || !x.HasAMXBF16 || C.bert_amx_permitted() == 0 {
		return []Kernels{VNNI}
	}
	return []Kernels{VNNI, AMX}
}

// Open loads a graph that models/build wrote, to be run with these kernels; empty means the fastest that this machine has. A
// graph or a machine that is not for this package gives ErrUnsuited.
func Open(path string, kernels Kernels) (*Encoder, error) {
	supported := Supported()
	if kernels == "" && len(supported) > 0 {
		kernels = supported[len(supported)-1]
	}
	if !slices.Contains(supported, kernels) {
		return nil, fmt.Errorf("%w: this processor has no AVX-512 with VNNI and BF16, or no %s", ErrUnsuited, kernels)
	}
	n, err := readNetwork(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsuited, err)
	}
	return newEncoder(n, kernels)
}

func newEncoder(n *network, kernels Kernels) (*Encoder, error) {
	e := &Encoder{kernels: kernels, idle: make(chan *work, idleRuns), sizes: sizes{
		hidden: n.hidden, vocabulary: len(n.wordScales), kinds: len(n.types) / n.hidden, tokens: n.tokens(), mean: n.mean, unit: n.unit,
	}}
	if err := e.load(n); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Kernels says what products are run with.
func (e *Encoder) Kernels() Kernels { return e.kernels }

// load copies a network's weights into C's memory.
func (e *Encoder) load(n *network) error {
	e.shape = C.shape{hidden: C.int(n.hidden), heads: C.int(n.heads), wide: C.int(n.wide)}
	if e.kernels == AMX {
		e.shape.amx = 1
	}
	e.words = (*C.int8_t)(C.CBytes(n.words))
	e.owned = append(e.owned, unsafe.Pointer(e.words))
	e.scales, e.types, e.positions, e.norm = e.floats(n.wordScales), e.floats(n.types), e.floats(n.positions), e.norms(n.norm)
	for _, b := range n.layers {
		l := C.layer{attention_norm: e.norms(b.attentionNorm), last_norm: e.norms(b.lastNorm)}
		if b.firstOnly {
			l.first_only = 1
		}
		query := e.floats(b.query.smooth)
		keyValue := query
		if !b.joined {
			keyValue = e.floats(b.keyValue.smooth)
		}
		whole := e.pack(&l.query, b.query, query) && e.pack(&l.key_value, b.keyValue, keyValue) &&
			e.pack(&l.output, b.output, e.floats(b.output.smooth)) && e.pack(&l.up, b.up, e.floats(b.up.smooth)) &&
			e.pack(&l.down, b.down, e.floats(b.down.smooth))
		e.layers = append(e.layers, l)
		if !whole {
			return errors.New("load encoder: out of memory")
		}
	}
	for _, d := range n.head {
		e.head = append(e.head, head{inputs: d.inputs, outputs: d.outputs, weight: e.floats(d.weight), bias: e.floats(d.bias)})
	}
	return nil
}

// floats copies numbers into C's memory; none are nil.
func (e *Encoder) floats(values []float32) *C.float {
	if len(values) == 0 {
		return nil
	}
	p := C.CBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values)))
	e.owned = append(e.owned, p)
	return (*C.float)(p)
}

func (e *Encoder) norms(n norms) C.norm {
	return C.norm{weight: e.floats(n.weight), bias: e.floats(n.bias)}
}

func (e *Encoder) pack(p *C.product, l linear, smooth *C.float) bool {
	*p = C.product{inputs: C.int(l.inputs), outputs: C.int(l.outputs), scale: e.floats(l.scale), bias: e.floats(l.bias), smooth: smooth}
	return C.bert_pack(p, (*C.int8_t)(unsafe.Pointer(unsafe.SliceData(l.weight)))) != 0
}

// Close waits for runs in flight and frees the model. Later runs give ErrClosed.
func (e *Encoder) Close() error {
	e.runs.Lock()
	defer e.runs.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	for len(e.idle) > 0 {
		w := <-e.idle
		C.bert_free(&w.space)
	}
	for i := range e.layers {
		l := &e.layers[i]
		for _, p := range []*C.product{&l.query, &l.key_value, &l.output, &l.up, &l.down} {
			C.bert_unpack(p)
		}
	}
	for _, p := range e.owned {
		C.free(p)
	}
	return nil
}

// Run feeds a batch of one row through the model and calls read with its output: an embedding [1, dimension] of unit
// length, or logits [1, n]. What read gets is gone when it returns. When ctx ends, Run returns its error after at most
// one layer more.
func (e *Encoder) Run(ctx context.Context, b *encode.Batch, read func(encode.Output) error) error {
	e.runs.RLock()
	defer e.runs.RUnlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.check(b); err != nil {
		return fmt.Errorf("run model: %w", err)
	}
	w, err := e.work()
	if err != nil {
		return err
	}
	defer e.keep(w)
	kinds := (*C.int64_t)(nil)
	if e.types != nil {
		kinds = (*C.int64_t)(unsafe.SliceData(b.TypeIDs))
	}
	C.bert_embed(&e.shape, &w.space, e.words, e.scales, e.types, e.positions, e.norm, (*C.int64_t)(unsafe.SliceData(b.IDs)), kinds, C.int(b.Width))
	if !e.runLayers(ctx, w, b.Width) {
		return context.Cause(ctx)
	}
	w.output = e.pool(w, b.Width)
	return read(encode.Output{Data: w.output, Shape: []int64{1, int64(len(w.output))}})
}

// runLayers reports whether all were run; ctx may end before. It is one call of C: each return from C has to wait for its
// turn among the goroutines, and beside a busy ingestion that made runs half as long again.
func (e *Encoder) runLayers(ctx context.Context, w *work, width int) bool {
	if ctx.Err() != nil {
		return false
	}
	flag := (*int32)(unsafe.Pointer(&w.space.stop))
	atomic.StoreInt32(flag, 0)
	set := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		atomic.StoreInt32(flag, 1)
		close(set)
	})
	done := C.bert_layers(&e.shape, unsafe.SliceData(e.layers), C.int(len(e.layers)), &w.space, C.int(width))
	if !forget() {
		<-set // so that it is not set in the workspace's next run
	}
	return int(done) == len(e.layers)
}

// check refuses what the kernels would read beyond their tables for.
func (e *Encoder) check(b *encode.Batch) error {
	n := e.sizes
	if b.Rows != 1 || b.Width < 1 || b.Width > n.tokens || len(b.IDs) < b.Width || len(b.TypeIDs) < b.Width {
		return fmt.Errorf("a batch of %d x %d with %d ids, want one row of 1 to %d", b.Rows, b.Width, len(b.IDs), n.tokens)
	}
	for i, id := range b.IDs[:b.Width] {
		if id < 0 || id >= int64(n.vocabulary) {
			return fmt.Errorf("token id %d at %d is not in the vocabulary of %d", id, i, n.vocabulary)
		}
		if n.kinds > 0 && (b.TypeIDs[i] < 0 || b.TypeIDs[i] >= int64(n.kinds)) {
			return fmt.Errorf("type id %d at %d, want less than %d", b.TypeIDs[i], i, n.kinds)
		}
	}
	return nil
}

func (e *Encoder) work() (*work, error) {
	select {
	case w := <-e.idle:
		return w, nil
	default:
	}
	w := &work{}
	if C.bert_workspace(&w.space, &e.shape, C.int(e.sizes.tokens)) == 0 {
		return nil, errors.New("run model: out of memory")
	}
	return w, nil
}

func (e *Encoder) keep(w *work) {
	select {
	case e.idle <- w:
	default:
		C.bert_free(&w.space)
	}
}

// pool makes the model's output of the last layer's.
func (e *Encoder) pool(w *work, width int) []float32 {
	h := e.sizes.hidden
	x := unsafe.Slice((*float32)(unsafe.Pointer(w.space.x)), width*h)
	y := append(w.output[:0], x[:h]...)
	if e.sizes.mean {
		for i := h; i < len(x); i++ {
			y[i%h] += x[i]
		}
		for i := range y {
			y[i] /= float32(width)
		}
	}
	if e.sizes.unit {
		var squares float64
		for _, v := range y {
			squares += float64(v) * float64(v)
		}
		length := float32(math.Sqrt(squares))
		for i := range y {
			y[i] /= length
		}
		return y
	}
	for i, d := range e.head {
		z := make([]float32, d.outputs)
		C.bert_linear((*C.float)(unsafe.SliceData(y)), d.weight, d.bias, C.int(d.inputs), C.int(d.outputs), (*C.float)(unsafe.SliceData(z)))
		if y = z; i < len(e.head)-1 {
			for j := range y {
				y[j] = float32(math.Tanh(float64(y[j])))
			}
		}
	}
	return y
}
