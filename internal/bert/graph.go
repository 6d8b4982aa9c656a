package bert

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/redkite/redkite/internal/protobuf"
)

// Field numbers of onnx.proto (ONNX IR, unchanged since its first version).
const (
	modelProducer    = 2
	modelGraph       = 7
	graphNode        = 1
	graphInitializer = 5
	nodeInput        = 1
	nodeOutput       = 2
	nodeType         = 4
	nodeAttribute    = 5
	attributeName    = 1
	attributeInt     = 3
	tensorDimension  = 1
	tensorType       = 2
	tensorName       = 8
	tensorRaw        = 9
)

// Element types of tensors.
const (
	typeFloat = 1
	typeInt8  = 3
	typeInt64 = 7
)

// producer is what models/build signs its graphs with.
const producer = "redkite"

// graph is an ONNX file's nodes, in their order, and its weights.
type graph struct {
	producer string
	nodes    []node
	weights  map[string]tensor
}

type node struct {
	kind            string
	inputs, outputs []string
	numbers         map[string]int64 // attributes that are whole numbers
}

type tensor struct {
	kind  uint64
	shape []int64
	raw   []byte // little-endian
}

// readGraph reads a file whole; weights stay where they lie in it.
func readGraph(path string) (*graph, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read graph: %w", err)
	}
	g := &graph{weights: map[string]tensor{}}
	err = protobuf.Fields(raw, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case modelProducer:
			g.producer = string(value)
		case modelGraph:
			return protobuf.Fields(value, g.field)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read graph %s: %w", path, err)
	}
	return g, nil
}

func (g *graph) field(number protowire.Number, value []byte, _ uint64) error {
	switch number {
	case graphNode:
		n := node{numbers: map[string]int64{}}
		err := protobuf.Fields(value, n.field)
		g.nodes = append(g.nodes, n)
		return err
	case graphInitializer:
		var name string
		var t tensor
		err := protobuf.Fields(value, func(number protowire.Number, value []byte, n uint64) error {
			switch number {
			case tensorDimension:
				return t.dimensions(value, n)
			case tensorType:
				t.kind = n
			case tensorName:
				name = string(value)
			case tensorRaw:
				t.raw = value
			}
			return nil
		})
		g.weights[name] = t
		return err
	}
	return nil
}

func (n *node) field(number protowire.Number, value []byte, _ uint64) error {
	switch number {
	case nodeInput:
		n.inputs = append(n.inputs, string(value))
	case nodeOutput:
		n.outputs = append(n.outputs, string(value))
	case nodeType:
		n.kind = string(value)
	case nodeAttribute:
		var name string
		var whole int64
		err := protobuf.Fields(value, func(number protowire.Number, value []byte, i uint64) error {
			switch number {
			case attributeName:
				name = string(value)
			case attributeInt:
				whole = int64(i)
			}
			return nil
		})
		n.numbers[name] = whole
		return err
	}
	return nil
}

// dimensions takes one dimension, or several packed into a field.
func (t *tensor) dimensions(packed []byte, n uint64) error {
	if packed == nil {
		t.shape = append(t.shape, int64(n))
		return nil
	}
	for len(packed) > 0 {
		n, used := protowire.ConsumeVarint(packed)
		if used < 0 {
			return protobuf.ErrCutOff
		}
		t.shape = append(t.shape, int64(n))
		packed = packed[used:]
	}
	return nil
}

// floats gives a tensor of 32-bit floats of that many numbers.
func (t tensor) floats(count int) ([]float32, error) {
	if t.kind != typeFloat || len(t.raw) != 4*count {
		return nil, fmt.Errorf("a weight of type %d and %d bytes, want %d 32-bit floats", t.kind, len(t.raw), count)
	}
	out := make([]float32, count)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.raw[4*i:]))
	}
	return out, nil
}

// matrix gives a tensor of 8-bit numbers and its two dimensions.
func (t tensor) matrix() (raw []byte, rows, columns int, err error) {
	if t.kind != typeInt8 || len(t.shape) != 2 || int64(len(t.raw)) != t.shape[0]*t.shape[1] {
		return nil, 0, 0, fmt.Errorf("a weight of type %d and shape %v, want a matrix of 8-bit numbers", t.kind, t.shape)
	}
	return t.raw, int(t.shape[0]), int(t.shape[1]), nil
}

// last is the length of a tensor's last dimension.
func (t tensor) last() int {
	if len(t.shape) == 0 {
		return 0
	}
	return int(t.shape[len(t.shape)-1])
}

// is reports whether a tensor is exactly these 64-bit numbers.
func (t tensor) is(numbers ...int64) bool {
	if t.kind != typeInt64 || len(t.raw) != 8*len(numbers) {
		return false
	}
	for i, n := range slices.All(numbers) {
		if int64(binary.LittleEndian.Uint64(t.raw[8*i:])) != n {
			return false
		}
	}
	return true
}
