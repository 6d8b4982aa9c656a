package milvus

import (
	"fmt"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// fieldColumn gathers a declared field's values of all rows.
func fieldColumn(f rag.Field, rows []Row, lite bool) (entity.Column, error) {
	name := columnOf(f.Name)
	switch f.Type {
	case rag.FieldInt:
		values, err := gather(f, rows, missingInt, func(v any) int64 { n, _ := v.(int64); return n })
		return entity.NewColumnInt64(name, values), err
	case rag.FieldFloat:
		values, err := gather(f, rows, missingFloat, func(v any) float64 { x, _ := float(v); return x })
		return entity.NewColumnDouble(name, values), err
	case rag.FieldBool:
		values, err := gather(f, rows, missingBool, func(v any) int8 { b, _ := v.(bool); return boolColumn(b) })
		return entity.NewColumnInt8(name, values), err
	case rag.FieldString:
		values, err := gather(f, rows, missingString, func(v any) string { s, _ := v.(string); return present + s })
		return entity.NewColumnVarChar(name, values), err
	case rag.FieldStrings:
		if lite {
			values, err := gather(f, rows, missingString, func(v any) string { l, _ := v.([]string); return joined(l) })
			return entity.NewColumnVarChar(name, values), err
		}
		values, err := gather(f, rows, [][]byte{}, func(v any) [][]byte { l, _ := v.([]string); return elements(l) })
		return entity.NewColumnVarCharArray(name, values), err
	}
	return nil, fmt.Errorf("field %s has the unknown type %q", f.Name, f.Type)
}

// elements writes a list that is there for an array column.
func elements(list []string) [][]byte {
	out := [][]byte{[]byte(listMark)}
	for _, s := range marked(list) {
		out = append(out, []byte(s))
	}
	return out
}

// gather gives write's form of each row's value, or missing.
func gather[T any](f rag.Field, rows []Row, missing T, write func(any) T) ([]T, error) {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i] = missing
		value, ok := normal(row.Metadata[f.Name])
		if !ok {
			continue
		}
		if err := checkField(f, value); err != nil {
			return nil, rag.Invalid("/metadata/"+f.Name, "metadata %q of document %d: %v", f.Name, row.Document, err)
		}
		values[i] = write(value)
	}
	return values, nil
}
