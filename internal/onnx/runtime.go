//go:build cgo

// Package onnx runs models with ONNX Runtime (through github.com/yalue/onnxruntime_go). A run ends soon after its
// context does, and nothing that C still reads is freed before C has returned.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/redkite/redkite/internal/rag"
)

// oldest is the first version of ONNX Runtime with the functions that the Go package calls.
const oldest = "1.24"

// Runtime is the process's ONNX Runtime environment; there can be one at a time.
type Runtime struct {
	path string

	mu     sync.Mutex
	open   int // sessions not yet closed
	closed bool
}

// Open loads the shared library of ONNX Runtime and starts its environment. A library that is missing, for another
// machine, or too old gives a rag.Problem that says so.
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
	err := checkLibrary(libraryPath)
	if err == nil {
		ort.SetSharedLibraryPath(libraryPath)
		err = ort.InitializeEnvironment(ort.WithLogLevelError())
	}
	if err != nil {
		return nil, &rag.Problem{
			Kind: rag.ErrUnsupported, Code: "onnxruntime_unfit", Err: err,
			Message: fmt.Sprintf("ONNX Runtime's library at %s can't be used; it must be version %s or later, built for %s on %s; run 'make deps', or set REDKITE_ONNXRUNTIME_LIBRARY",
				libraryPath, oldest, runtime.GOOS, runtime.GOARCH),
		}
	}
	if err := ort.DisableTelemetry(); err != nil {
		return nil, errors.Join(fmt.Errorf("turn telemetry off: %w", err), ort.DestroyEnvironment())
	}
	return &Runtime{path: libraryPath}, nil
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
	s, err := load(modelPath, r.path, o)
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

func load(modelPath, libraryPath string, o Options) (*Session, error) {
	options, err := sessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	if err := provide(options, o.Provider, libraryPath); err != nil {
		return nil, err
	}
	inputs, outputs, err := ort.GetInputOutputInfo(modelPath)
	if err != nil {
		return nil, err
	}
	s := &Session{idle: make(chan *ort.RunOptions, idleRuns)}
	if s.inputs, s.output, err = ports(inputs, outputs); err != nil {
		return nil, err
	}
	s.native, err = ort.NewDynamicAdvancedSession(modelPath, s.inputs, []string{s.output}, options)
	return s, err
}

// ports picks what is fed and what is read; a model that wants anything else is refused here and not in a run.
func ports(inputs, outputs []ort.InputOutputInfo) (in []string, out string, err error) {
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, "", errors.New("the model has no inputs or no outputs")
	}
	fed := false
	for _, port := range inputs {
		switch port.Name {
		case inputIDs:
			fed = true
		case inputMask, inputTypes:
		default:
			return nil, "", fmt.Errorf("input %q is not one that text models have (input_ids, attention_mask, token_type_ids)", port.Name)
		}
		if port.DataType != ort.TensorElementDataTypeInt64 {
			return nil, "", fmt.Errorf("input %q wants %s, and int64 is what is fed", port.Name, port.DataType)
		}
		in = append(in, port.Name)
	}
	if !fed {
		return nil, "", errors.New("the model has no input input_ids")
	}
	if outputs[0].DataType != ort.TensorElementDataTypeFloat {
		return nil, "", fmt.Errorf("output %q holds %s, and 32-bit floats are what is read", outputs[0].Name, outputs[0].DataType)
	}
	return in, outputs[0].Name, nil
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
	if Saturates() {
		err = errors.Join(err, options.AddSessionConfigEntry("session.x64quantprecision", "1"))
	}
	if err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}
