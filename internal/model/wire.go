package model

import (
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/redkite/redkite/internal/protobuf"
)

// wire walks protocol buffer messages in a file, reading only the heads of their fields.
type wire struct {
	file  io.ReaderAt
	count int
}

// field is a field's place in the file; start and end enclose its content.
type field struct {
	number     protowire.Number
	kind       protowire.Type
	start, end int64
}

// fields visits the fields of the message that lies between start and end.
func (w *wire) fields(start, end int64, visit func(field) error) error {
	for at := start; at < end; {
		if w.count++; w.count > maxGraphFields {
			return fmt.Errorf("it has more than %d parts", maxGraphFields)
		}
		f, err := w.head(at, end)
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		at = f.end
	}
	return nil
}

// head reads a field's number, type and length.
func (w *wire) head(at, end int64) (field, error) {
	buf := make([]byte, min(20, end-at)) // two varints at most
	if n, err := w.file.ReadAt(buf, at); n < len(buf) {
		return field{}, fmt.Errorf("%w at byte %d: %w", protobuf.ErrCutOff, at, err)
	}
	number, kind, n := protowire.ConsumeTag(buf)
	if n < 0 {
		return field{}, fmt.Errorf("%w at byte %d", protobuf.ErrCutOff, at)
	}
	f := field{number: number, kind: kind, start: at + int64(n)}
	switch kind {
	case protowire.BytesType:
		length, m := protowire.ConsumeVarint(buf[n:])
		if m < 0 || length > uint64(end-f.start-int64(m)) {
			return field{}, fmt.Errorf("%w at byte %d", protobuf.ErrCutOff, at)
		}
		f.start += int64(m)
		f.end = f.start + int64(length)
	case protowire.VarintType, protowire.Fixed32Type, protowire.Fixed64Type:
		m := protowire.ConsumeFieldValue(number, kind, buf[n:])
		if m < 0 {
			return field{}, fmt.Errorf("%w at byte %d", protobuf.ErrCutOff, at)
		}
		f.end = f.start + int64(m)
	default:
		return field{}, fmt.Errorf("%w at byte %d", protobuf.ErrCutOff, at)
	}
	return f, nil
}

// bytes reads the content of a small field.
func (w *wire) bytes(f field) ([]byte, error) {
	if f.end-f.start > maxSmallMessage {
		return nil, fmt.Errorf("the part at byte %d is too large", f.start)
	}
	raw := make([]byte, f.end-f.start)
	if n, err := w.file.ReadAt(raw, f.start); n < len(raw) {
		return nil, fmt.Errorf("%w at byte %d: %w", protobuf.ErrCutOff, f.start, err)
	}
	return raw, nil
}
