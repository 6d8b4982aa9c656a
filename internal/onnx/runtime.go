//go:build cgo

// Package onnx runs models with ONNX Runtime (through github.com/yalue/onnxruntime_go). A run ends soon after its
// context does, and nothing that C still reads is freed before C has returned.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/redkite/redkite/internal/rag"
)

// Runtime is the process's ONNX Runtime environment; there can be one at a time.
type Runtime struct {
	mu     sync.Mutex
	open   int // sessions not yet closed
	closed bool
}

// Open loads the shared library of ONNX Runtime and starts its environment.
func Open(libraryPath string) (*Runtime, error) {
	if ort.IsInitialized() {
		return nil, errors.New("open ONNX Runtime: it is open already in this process")
	}
	if _, err := os.Stat(libraryPath); err != nil {
		return nil, &rag.Problem{
			Kind: rag.ErrNotFound, Code: "onnxruntime_missing", Err: err,
			Message: fmt.Sprintf("ONNX Runtime's library is not at %s; run 'make deps', or set REDKITE_ONNXRUNTIME_LIBRARY", libraryPath),
		}
	}
	ort.SetSharedLibraryPath(libraryPath)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return nil, fmt.Errorf("open ONNX Runtime at %s: %w", libraryPath, err)
	}
	if err := ort.DisableTelemetry(); err != nil {
		return nil, errors.Join(fmt.Errorf("turn telemetry off: %w", err), ort.DestroyEnvironment())
	}
	return &Runtime{}, nil
}

// Version is ONNX Runtime's own.
func (r *Runtime) Version() string { return ort.GetVersion() }

// Close ends the environment. Sessions must be closed before.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if r.open > 0 {
		return fmt.Errorf("close ONNX Runtime: %d sessions are still open", r.open)
	}
	r.closed = true
	return ort.DestroyEnvironment()
}

// Load opens a model.
func (r *Runtime) Load(modelPath string, o Options) (*Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("load model: ONNX Runtime is closed")
	}
	s, err := load(modelPath, o)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", modelPath, err)
	}
	s.runtime = r
	r.open++
	return s, nil
}

func (r *Runtime) sessionClosed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}

func load(modelPath string, o Options) (*Session, error) {
	options, err := sessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	inputs, outputs, err := ort.GetInputOutputInfoWithOptions(modelPath, options)
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, errors.New("the model has no inputs or no outputs")
	}
	s := &Session{output: outputs[0].Name}
	for _, in := range inputs {
		if in.Name != inputIDs && in.Name != inputMask && in.Name != inputTypes {
			return nil, fmt.Errorf("input %q is not one that text models have (input_ids, attention_mask, token_type_ids)", in.Name)
		}
		s.inputs = append(s.inputs, in.Name)
	}
	s.native, err = ort.NewDynamicAdvancedSession(modelPath, s.inputs, []string{s.output}, options)
	return s, err
}

// sessionOptions are for many short runs at once on one session. The memory pattern is off because every width would
// get its own.
func sessionOptions(o Options) (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		options.SetIntraOpNumThreads(max(1, o.IntraOpThreads)),
		options.SetInterOpNumThreads(1),
		options.SetExecutionMode(ort.ExecutionModeSequential),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		options.SetMemPattern(false),
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}
