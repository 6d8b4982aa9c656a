package onnx

import "errors"

// Providers that a session can run on.
const (
	CPU      = "cpu"
	CUDA     = "cuda"
	OpenVINO = "openvino"
	CoreML   = "coreml"
	DirectML = "directml"
)

// Options shape a session.
type Options struct {
	// IntraOpThreads share the work inside one run. 1, the default for 0, is right where runs are parallel to each
	// other: it was measured fastest, and nothing spins while Milvus needs the cores.
	IntraOpThreads int

	// Provider runs the model's operators; those that it does not have run on the CPU. Empty means CPU.
	Provider string
}

// ErrClosed says that a session was closed before a run began.
var ErrClosed = errors.New("the model's session is closed")
