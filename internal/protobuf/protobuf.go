// Package protobuf walks protocol buffer messages field by field, without their schema: what is needed of an ONNX file is
// little.
package protobuf

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrCutOff says that what was read is no whole message.
var ErrCutOff = errors.New("the file is cut off or damaged")

// Fields visits the fields of a message, in their order: value of a bytes field, n of a number. Fields of 32 and 64 fixed
// bits come with neither. The errors are visit's, and ErrCutOff.
func Fields(raw []byte, visit func(number protowire.Number, value []byte, n uint64) error) error {
	for len(raw) > 0 {
		number, kind, used := protowire.ConsumeTag(raw)
		if used < 0 {
			return ErrCutOff
		}
		raw = raw[used:]
		var value []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			value, used = protowire.ConsumeBytes(raw)
		case protowire.VarintType:
			n, used = protowire.ConsumeVarint(raw)
		default:
			used = protowire.ConsumeFieldValue(number, kind, raw)
		}
		if used < 0 {
			return ErrCutOff
		}
		raw = raw[used:]
		if err := visit(number, value, n); err != nil {
			return err
		}
	}
	return nil
}
