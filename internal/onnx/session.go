//go:build cgo

package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/redkite/redkite/internal/encode"
)

// The inputs of text models.
const (
	inputIDs   = "input_ids"
	inputMask  = "attention_mask"
	inputTypes = "token_type_ids"
)

// idleRuns is how many run options a session keeps for later runs: more than one a core is never in use.
const idleRuns = 64

// Session is a loaded model. Many goroutines may run it at once.
type Session struct {
	runtime *Runtime
	native  *ort.DynamicAdvancedSession
	inputs  []string // names, in the model's order
	output  string   // name of the one that Run gives, the model's first
	idle    chan *ort.RunOptions

	runs   sync.RWMutex // held shared by runs, and alone by Close
	closed bool
}

// Close waits for runs in flight and frees the model. Later runs give ErrClosed.
func (s *Session) Close() error {
	s.runs.Lock()
	defer s.runs.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.runtime.sessionClosed()
	var failures []error
	for len(s.idle) > 0 {
		failures = append(failures, (<-s.idle).Destroy())
	}
	return errors.Join(append(failures, s.native.Destroy())...)
}

// Run feeds a batch through the model and calls read with the model's first output, which lies in ONNX Runtime's memory
// and is gone when read returns. When ctx ends the run is told to stop between two operators, and Run returns the
// context's error once the C call is over; so the batch may be reused as soon as Run has returned.
func (s *Session) Run(ctx context.Context, b *encode.Batch, read func(encode.Output) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.runs.RLock()
	defer s.runs.RUnlock()
	if s.closed {
		return ErrClosed
	}
	var pins runtime.Pinner // C keeps pointers into the batch while it runs
	defer pins.Unpin()
	inputs, err := s.tensors(b, &pins)
	defer destroy(inputs)
	if err != nil {
		return err
	}
	outputs := make([]ort.Value, 1)
	defer func() { destroy(outputs) }()
	if err := s.call(ctx, inputs, outputs); err != nil {
		return err
	}
	tensor, ok := outputs[0].(*ort.Tensor[float32])
	if !ok {
		return fmt.Errorf("run model: output %q holds no 32-bit floats", s.output)
	}
	return read(encode.Output{Data: tensor.GetData(), Shape: tensor.GetShape()})
}

// call runs the native session and stops it when ctx ends.
func (s *Session) call(ctx context.Context, inputs, outputs []ort.Value) error {
	options, err := s.runOptions()
	if err != nil {
		return fmt.Errorf("run model: %w", err)
	}
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = options.Terminate()
	})
	err = s.native.RunWithOptions(inputs, outputs, options)
	if stop() {
		s.keep(options)
	} else {
		<-terminated // Terminate must not touch options after they are gone
		err = errors.Join(err, options.Destroy())
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("run model: %w", err)
	}
	return nil
}

// runOptions gives options that were never told to terminate.
func (s *Session) runOptions() (*ort.RunOptions, error) {
	select {
	case options := <-s.idle:
		return options, nil
	default:
		return ort.NewRunOptions()
	}
}

func (s *Session) keep(options *ort.RunOptions) {
	select {
	case s.idle <- options:
	default:
		_ = options.Destroy()
	}
}

// tensors wraps the batch's slices as the model's inputs, in the model's order. On an error it gives those made.
func (s *Session) tensors(b *encode.Batch, pins *runtime.Pinner) ([]ort.Value, error) {
	if n := b.Rows * b.Width; n == 0 || len(b.IDs) < n || len(b.Mask) < n || len(b.TypeIDs) < n {
		return nil, fmt.Errorf("run model: a batch of %d x %d with %d ids", b.Rows, b.Width, len(b.IDs))
	}
	shape := ort.NewShape(int64(b.Rows), int64(b.Width))
	values := make([]ort.Value, 0, len(s.inputs))
	for _, name := range s.inputs {
		data := b.IDs
		switch name {
		case inputMask:
			data = b.Mask
		case inputTypes:
			data = b.TypeIDs
		}
		pins.Pin(&data[0])
		tensor, err := ort.NewTensor(shape, data)
		if err != nil {
			return values, fmt.Errorf("run model: %w", err)
		}
		values = append(values, tensor)
	}
	return values, nil
}

// destroy frees values; outputs that a failed run did not make are nil.
func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil {
			_ = v.Destroy()
		}
	}
}
