package onnx

// Options shape a session.
type Options struct {
	// IntraOpThreads share the work inside one run. 1, the default for 0, is right where runs are parallel to each
	// other: it was measured fastest, and nothing spins while Milvus needs the cores.
	IntraOpThreads int
}

// Port is an input or output of a model.
type Port struct {
	Name  string
	Type  string  // of the elements, as ONNX Runtime names it
	Shape []int64 // -1 where the graph leaves a dimension open
}
