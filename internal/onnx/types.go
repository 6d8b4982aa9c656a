package onnx

// Options shape a session.
type Options struct {
	// IntraOpThreads share the work inside one run. 1, the default for 0, is right where runs are parallel to each
	// other: it was measured fastest, and nothing spins while Milvus needs the cores.
	IntraOpThreads int
}
