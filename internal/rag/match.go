package rag

import (
	"cmp"
	"slices"
	"strings"
)

// Matches is what Op says a filter means, for one document's metadata as the catalog keeps it. Milvus answers the same
// (internal/milvus has a test of both).
func (f Filter) Matches(m Metadata) bool {
	switch f.Type {
	case OpAnd:
		return !slices.ContainsFunc(f.Filters, func(c Filter) bool { return !c.Matches(m) })
	case OpOr:
		return slices.ContainsFunc(f.Filters, func(c Filter) bool { return c.Matches(m) })
	case OpNot:
		return !f.Filters[0].Matches(m)
	case OpNe:
		return !Filter{Type: OpEq, Key: f.Key, Value: f.Value}.Matches(m)
	case OpNin:
		return !Filter{Type: OpIn, Key: f.Key, Value: f.Value}.Matches(m)
	}
	value, ok := m[f.Key]
	if !ok || value == nil {
		return false
	}
	switch f.Type {
	case OpExists:
		return true
	case OpIn:
		return slices.ContainsFunc(f.Value.([]any), func(v any) bool { c, ok := compareValues(value, v); return ok && c == 0 })
	case OpContainsAny:
		list, ok := value.([]string)
		return ok && slices.ContainsFunc(f.Value.([]any), func(v any) bool { s, _ := v.(string); return slices.Contains(list, s) })
	}
	order, ok := compareValues(value, f.Value)
	if !ok {
		return false
	}
	switch f.Type {
	case OpEq:
		return order == 0
	case OpGt:
		return order > 0
	case OpGte:
		return order >= 0
	case OpLt:
		return order < 0
	}
	return order <= 0
}

// compareValues orders two values of one kind; those of different kinds have no order.
func compareValues(a, b any) (int, bool) {
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

func float(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
