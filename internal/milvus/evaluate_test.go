package milvus

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// holds is what rag.Op's comment says a filter means, for one document's metadata.
func holds(f rag.Filter, m rag.Metadata) bool {
	switch f.Type {
	case rag.OpAnd:
		return !slices.ContainsFunc(f.Filters, func(c rag.Filter) bool { return !holds(c, m) })
	case rag.OpOr:
		return slices.ContainsFunc(f.Filters, func(c rag.Filter) bool { return holds(c, m) })
	case rag.OpNot:
		return !holds(f.Filters[0], m)
	case rag.OpNe:
		return !holds(rag.Filter{Type: rag.OpEq, Key: f.Key, Value: f.Value}, m)
	case rag.OpNin:
		return !holds(rag.Filter{Type: rag.OpIn, Key: f.Key, Value: f.Value}, m)
	}
	value, ok := m[f.Key]
	if !ok || value == nil {
		return false
	}
	switch f.Type {
	case rag.OpExists:
		return true
	case rag.OpIn:
		return slices.ContainsFunc(f.Value.([]any), func(v any) bool { c, ok := compare(value, v); return ok && c == 0 })
	case rag.OpContainsAny:
		list, ok := value.([]string)
		return ok && slices.ContainsFunc(f.Value.([]any), func(v any) bool { s, _ := v.(string); return slices.Contains(list, s) })
	}
	order, ok := compare(value, f.Value)
	if !ok {
		return false
	}
	switch f.Type {
	case rag.OpEq:
		return order == 0
	case rag.OpGt:
		return order > 0
	case rag.OpGte:
		return order >= 0
	case rag.OpLt:
		return order < 0
	}
	return order <= 0
}

// compare orders two values of one kind; those of different kinds have no order.
func compare(a, b any) (int, bool) {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	case bool:
		b, ok := b.(bool)
		if a == b {
			return 0, ok
		}
		return 1, ok
	}
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), true
		}
	}
	x, isX := float(a)
	y, isY := float(b)
	return cmp.Compare(x, y), isX && isY
}

// parsed reads a filter as a request brings it.
func parsed(text string) *rag.Filter {
	f, err := rag.ParseFilter([]byte(text), "/filter")
	if err != nil {
		panic(err)
	}
	return f
}

// text writes a filter as a request brings it.
func text(f rag.Filter) string {
	object := map[string]any{"type": f.Type}
	if len(f.Filters) > 0 {
		var parts []json.RawMessage
		for _, child := range f.Filters {
			parts = append(parts, json.RawMessage(text(child)))
		}
		object["filters"] = parts
	} else {
		object["key"] = f.Key
		if f.Type != rag.OpExists {
			object["value"] = f.Value
		}
	}
	out, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(out)
}
