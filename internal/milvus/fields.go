package milvus

import (
	"fmt"
	"math"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// Milvus 2.3 knows no nulls, so a document that lacks a declared field gets a value that no document may have. An
// empty list stands for a missing one.
const (
	missingInt    = math.MinInt64 + 1 // its digits can be written in an expression; those of MinInt64 can't
	missingFloat  = -math.MaxFloat64
	missingBool   = -1
	missingString = "\uF8FF(missing)" // a private-use character
)

// CheckMetadata refuses a document's metadata that its collection can't hold or filter by, naming the key.
func CheckMetadata(fields []rag.Field, m rag.Metadata) error {
	for key, value := range m {
		if err := rag.CheckKey(key); err != nil {
			return rag.Invalid("/metadata", "%v", err)
		}
		if !plain(value) {
			return rag.Invalid("/metadata/"+key, "metadata %q must be a string, a number, a boolean, or a list of strings", key)
		}
	}
	for _, f := range fields {
		value, ok := m[f.Name]
		if !ok || value == nil {
			continue
		}
		if _, err := fieldValue(f, value); err != nil {
			return rag.Invalid("/metadata/"+f.Name, "metadata %q: %v", f.Name, err)
		}
	}
	return nil
}

// plain reports whether a metadata value is of a kind that filters know.
func plain(value any) bool {
	switch v := value.(type) {
	case nil, string, bool, float64, float32, int, int64:
		return true
	case []string:
		return true
	case []any:
		for _, item := range v {
			if _, ok := item.(string); !ok {
				return false
			}
		}
		return true
	}
	return false
}

// fieldValue turns a metadata value into what the field's column holds: int64, float64, int8, string or []string.
func fieldValue(f rag.Field, value any) (any, error) {
	switch f.Type {
	case rag.FieldInt:
		n, ok := whole(value)
		if !ok || n <= missingInt {
			return nil, fmt.Errorf("the collection declares it as a whole number")
		}
		return n, nil
	case rag.FieldFloat:
		x, ok := number(value)
		if !ok || x <= missingFloat || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("the collection declares it as a number")
		}
		return x, nil
	case rag.FieldBool:
		b, ok := value.(bool)
		if !ok {
			return nil, fmt.Errorf("the collection declares it as true or false")
		}
		if b {
			return int8(1), nil
		}
		return int8(0), nil
	case rag.FieldString:
		s, ok := value.(string)
		if !ok || s == missingString {
			return nil, fmt.Errorf("the collection declares it as a string")
		}
		if len(s) > maxFieldString {
			return nil, fmt.Errorf("a declared string has at most %d bytes", maxFieldString)
		}
		return s, nil
	}
	return stringList(value)
}

func stringList(value any) ([]string, error) {
	var out []string
	switch v := value.(type) {
	case []string:
		out = v
	case []any:
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("the collection declares it as a list of strings")
			}
			out = append(out, s)
		}
	default:
		return nil, fmt.Errorf("the collection declares it as a list of strings")
	}
	if len(out) > maxFieldItems {
		return nil, fmt.Errorf("a declared list has at most %d strings", maxFieldItems)
	}
	for _, s := range out {
		if len(s) > maxFieldString {
			return nil, fmt.Errorf("a string of a declared list has at most %d bytes", maxFieldString)
		}
	}
	return out, nil
}

// whole reads a whole number; JSON gives numbers as float64.
func whole(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return 0, false
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	}
	return 0, false
}

// fieldColumn gathers a declared field's values of all rows.
func fieldColumn(f rag.Field, rows []Row) (entity.Column, error) {
	name := column(f.Name)
	switch f.Type {
	case rag.FieldInt:
		values, err := gather(f, rows, int64(missingInt))
		return entity.NewColumnInt64(name, values), err
	case rag.FieldFloat:
		values, err := gather(f, rows, float64(missingFloat))
		return entity.NewColumnDouble(name, values), err
	case rag.FieldBool:
		values, err := gather(f, rows, int8(missingBool))
		return entity.NewColumnInt8(name, values), err
	case rag.FieldString:
		values, err := gather(f, rows, missingString)
		return entity.NewColumnVarChar(name, values), err
	case rag.FieldStrings:
		lists, err := gather(f, rows, []string{})
		values := make([][][]byte, len(lists))
		for i, items := range lists {
			values[i] = make([][]byte, len(items))
			for j, item := range items {
				values[i][j] = []byte(item)
			}
		}
		return entity.NewColumnVarCharArray(name, values), err
	}
	return nil, fmt.Errorf("field %s has the unknown type %q", f.Name, f.Type)
}

func gather[T any](f rag.Field, rows []Row, missing T) ([]T, error) {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i] = missing
		raw, ok := row.Metadata[f.Name]
		if !ok || raw == nil {
			continue
		}
		value, err := fieldValue(f, raw)
		if err != nil {
			return nil, rag.Invalid("/metadata/"+f.Name, "metadata %q: %v", f.Name, err)
		}
		typed, ok := value.(T)
		if !ok {
			return nil, fmt.Errorf("field %s: a %T where a %T is held", f.Name, value, missing)
		}
		values[i] = typed
	}
	return values, nil
}
