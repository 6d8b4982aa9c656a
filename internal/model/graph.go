package model

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/redkite/redkite/internal/protobuf"
)

// Port is one input or output of a graph.
type Port struct {
	Name  string
	Type  string  // int64, float32, ... ; "type N" for what has no common name
	Shape []int64 // -1 where the length is free; nil where the file doesn't say
}

// Graph is what an ONNX file says of itself, weights aside.
type Graph struct {
	Inputs   []Port
	Outputs  []Port
	External []string // files beside the ONNX file that hold weights, each once, as the file names them
}

// Field numbers of onnx.proto (ONNX IR, unchanged since its first version).
const (
	modelGraph          = 7
	graphInitializer    = 5
	graphInput          = 11
	graphOutput         = 12
	graphSparse         = 15
	tensorName          = 8
	tensorExternalData  = 13
	portName            = 1
	portType            = 2
	typeTensor          = 1
	tensorElementType   = 1
	tensorShape         = 2
	shapeDimension      = 1
	dimensionValue      = 1
	entryKey, entryText = 1, 2
)

// Limits that a sane file stays far below.
const (
	maxGraphFields  = 4_000_000
	maxSmallMessage = 1 << 20 // of a port, a tensor's name, a reference to a file
)

// ReadGraph reads the inputs and outputs of an ONNX file. Weights are skipped over, never read, so a file of
// gigabytes costs as little as a small one.
func ReadGraph(path string) (Graph, error) {
	f, err := os.Open(path)
	if err != nil {
		return Graph{}, fmt.Errorf("read ONNX file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Graph{}, fmt.Errorf("read ONNX file: %w", err)
	}
	r := &graphReader{wire: wire{file: f}, initializers: map[string]bool{}}
	if err := r.model(info.Size()); err != nil {
		return Graph{}, fmt.Errorf("read ONNX file %s: %w", path, err)
	}
	return r.finish(), nil
}

type graphReader struct {
	wire         wire
	graph        Graph
	found        bool
	initializers map[string]bool
}

func (r *graphReader) model(size int64) error {
	err := r.wire.fields(0, size, func(f field) error {
		if f.number != modelGraph || f.kind != protowire.BytesType {
			return nil
		}
		r.found = true
		return r.wire.fields(f.start, f.end, r.graphField)
	})
	if err == nil && (!r.found || len(r.graph.Outputs) == 0) {
		return errors.New("it holds no graph; it is no ONNX model, or it was cut off")
	}
	return err
}

func (r *graphReader) graphField(f field) error {
	if f.kind != protowire.BytesType {
		return nil
	}
	switch f.number {
	case graphInput, graphOutput:
		raw, err := r.wire.bytes(f)
		if err != nil {
			return err
		}
		port, err := readPort(raw)
		if err != nil {
			return err
		}
		if f.number == graphInput {
			r.graph.Inputs = append(r.graph.Inputs, port)
		} else {
			r.graph.Outputs = append(r.graph.Outputs, port)
		}
	case graphInitializer:
		return r.wire.fields(f.start, f.end, r.tensorField)
	case graphSparse:
		return errors.New("it has sparse weights, which are not supported")
	}
	return nil
}

func (r *graphReader) tensorField(f field) error {
	if f.kind != protowire.BytesType || f.number != tensorName && f.number != tensorExternalData {
		return nil
	}
	raw, err := r.wire.bytes(f)
	if err != nil {
		return err
	}
	if f.number == tensorName {
		r.initializers[string(raw)] = true
		return nil
	}
	entry := map[protowire.Number]string{}
	err = protobuf.Fields(raw, func(number protowire.Number, value []byte, _ uint64) error {
		entry[number] = string(value)
		return nil
	})
	if entry[entryKey] == "location" && !slices.Contains(r.graph.External, entry[entryText]) {
		r.graph.External = append(r.graph.External, entry[entryText])
	}
	return err
}

// finish leaves out inputs that are weights: files of old ONNX versions list those among the inputs.
func (r *graphReader) finish() Graph {
	r.graph.Inputs = slices.DeleteFunc(r.graph.Inputs, func(p Port) bool { return r.initializers[p.Name] })
	return r.graph
}

// readPort reads a ValueInfoProto.
func readPort(raw []byte) (Port, error) {
	var p Port
	err := protobuf.Fields(raw, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case portName:
			p.Name = string(value)
		case portType:
			return protobuf.Fields(value, func(number protowire.Number, value []byte, _ uint64) error {
				if number != typeTensor {
					return nil
				}
				return p.readTensorType(value)
			})
		}
		return nil
	})
	return p, err
}

func (p *Port) readTensorType(raw []byte) error {
	return protobuf.Fields(raw, func(number protowire.Number, value []byte, n uint64) error {
		switch number {
		case tensorElementType:
			p.Type = elementType(n)
		case tensorShape:
			p.Shape = []int64{}
			return protobuf.Fields(value, func(number protowire.Number, value []byte, _ uint64) error {
				if number != shapeDimension {
					return nil
				}
				length := int64(-1)
				err := protobuf.Fields(value, func(number protowire.Number, _ []byte, n uint64) error {
					if number == dimensionValue && n > 0 && n < math.MaxInt32 {
						length = int64(n)
					}
					return nil
				})
				p.Shape = append(p.Shape, length)
				return err
			})
		}
		return nil
	})
}

// elementType names a TensorProto.DataType.
func elementType(n uint64) string {
	names := map[uint64]string{1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 16: "bfloat16"}
	if name, ok := names[n]; ok {
		return name
	}
	return fmt.Sprintf("type %d", n)
}
