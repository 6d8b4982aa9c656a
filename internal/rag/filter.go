package rag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Op is a filter operator.
type Op string

// The operators. Comparisons on a key that a document lacks are false; so "ne" and "nin", which negate "eq" and "in",
// are true for it. "contains_any" asks whether a string list shares a value with the given list.
const (
	OpEq          Op = "eq"
	OpNe          Op = "ne"
	OpGt          Op = "gt"
	OpGte         Op = "gte"
	OpLt          Op = "lt"
	OpLte         Op = "lte"
	OpIn          Op = "in"
	OpNin         Op = "nin"
	OpContainsAny Op = "contains_any"
	OpExists      Op = "exists"
	OpAnd         Op = "and"
	OpOr          Op = "or"
	OpNot         Op = "not"
)

// Limits on a filter; they bound the work that one request can ask of Milvus.
const (
	maxFilterDepth  = 8
	maxFilterNodes  = 100
	maxFilterValues = 1000
	maxKeyLength    = 64
	maxStringLength = 1024
)

// Filter is a condition on a document's metadata: a comparison (Key, Value) or a combination (Filters). A Filter made
// by ParseFilter is valid; Value is then a string, int64, float64, bool or nil (exists), or for in, nin and
// contains_any a []any of strings, of numbers, or of booleans.
type Filter struct {
	Type    Op
	Key     string
	Value   any
	Filters []Filter
}

// ParseFilter reads and checks a filter; pointer is the JSON pointer of data inside its request. No data, or null, is
// no filter: nil. Every refusal is a Problem of kind ErrInvalid that points at the offending part.
func ParseFilter(data []byte, pointer string) (*Filter, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, nil
	}
	p := filterParser{}
	f, err := p.parse(data, pointer, 1)
	if err != nil {
		return nil, err
	}
	return &f, nil
}

type filterParser struct{ nodes int }

func (p *filterParser) parse(data []byte, at string, depth int) (Filter, error) {
	if p.nodes++; p.nodes > maxFilterNodes {
		return Filter{}, Invalid(at, "a filter may have at most %d conditions", maxFilterNodes)
	}
	if depth > maxFilterDepth {
		return Filter{}, Invalid(at, "a filter may be nested at most %d deep", maxFilterDepth)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil || raw == nil {
		return Filter{}, Invalid(at, "a filter must be a JSON object such as {\"type\":\"eq\",\"key\":\"lang\",\"value\":\"en\"}")
	}
	var op string
	if err := json.Unmarshal(raw["type"], &op); err != nil {
		return Filter{}, Invalid(at+"/type", "a filter needs a type: eq, ne, gt, gte, lt, lte, in, nin, contains_any, exists, and, or, not")
	}
	switch Op(op) {
	case OpAnd, OpOr, OpNot:
		return p.combination(Op(op), raw, at, depth)
	case OpEq, OpNe, OpGt, OpGte, OpLt, OpLte, OpIn, OpNin, OpContainsAny, OpExists:
		return p.comparison(Op(op), raw, at)
	}
	return Filter{}, Invalid(at+"/type", "unknown filter type %q; use eq, ne, gt, gte, lt, lte, in, nin, contains_any, exists, and, or, not", clip(op))
}

func (p *filterParser) combination(op Op, raw map[string]json.RawMessage, at string, depth int) (Filter, error) {
	if err := onlyKeys(raw, at, "type", "filters"); err != nil {
		return Filter{}, err
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(raw["filters"], &parts); err != nil || len(parts) == 0 {
		return Filter{}, Invalid(at+"/filters", "%q needs a list of filters that is not empty", op)
	}
	if op == OpNot && len(parts) != 1 {
		return Filter{}, Invalid(at+"/filters", "\"not\" takes exactly one filter")
	}
	f := Filter{Type: op}
	for i, part := range parts {
		child, err := p.parse(part, fmt.Sprintf("%s/filters/%d", at, i), depth+1)
		if err != nil {
			return Filter{}, err
		}
		f.Filters = append(f.Filters, child)
	}
	return f, nil
}

func (p *filterParser) comparison(op Op, raw map[string]json.RawMessage, at string) (Filter, error) {
	if err := onlyKeys(raw, at, "type", "key", "value"); err != nil {
		return Filter{}, err
	}
	f := Filter{Type: op}
	if err := json.Unmarshal(raw["key"], &f.Key); err != nil {
		return Filter{}, Invalid(at+"/key", "%q needs a key, a string", op)
	}
	if err := CheckKey(f.Key); err != nil {
		return Filter{}, Invalid(at+"/key", "%v", err)
	}
	if op == OpExists {
		if v, ok := raw["value"]; ok && string(bytes.TrimSpace(v)) != "true" {
			return Filter{}, Invalid(at+"/value", "\"exists\" takes no value; to ask for absence put it inside \"not\"")
		}
		return f, nil
	}
	value, err := scalarOrList(raw["value"], at+"/value")
	if err != nil {
		return Filter{}, err
	}
	f.Value = value
	return f, checkOperand(f, at+"/value")
}

// checkOperand reports an operand whose type the operator can't take.
func checkOperand(f Filter, at string) error {
	list, isList := f.Value.([]any)
	switch f.Type {
	case OpIn, OpNin, OpContainsAny:
		if !isList || len(list) == 0 {
			return Invalid(at, "%q needs a list of values that is not empty", f.Type)
		}
		if len(list) > maxFilterValues {
			return Invalid(at, "%q takes at most %d values", f.Type, maxFilterValues)
		}
		for i, v := range list {
			if kindOf(v) != kindOf(list[0]) {
				return Invalid(fmt.Sprintf("%s/%d", at, i), "the values of %q must be of one type", f.Type)
			}
		}
		if _, ok := list[0].(string); f.Type == OpContainsAny && !ok {
			return Invalid(at, "\"contains_any\" takes strings")
		}
	case OpGt, OpGte, OpLt, OpLte:
		if k := kindOf(f.Value); isList || k == "bool" {
			return Invalid(at, "%q needs a number or a string", f.Type)
		}
	default:
		if isList {
			return Invalid(at, "%q needs a single value; for a list use \"in\" or \"contains_any\"", f.Type)
		}
	}
	return nil
}

// CheckKey reports whether a metadata key can be filtered by: a letter or underscore, then letters, digits,
// underscores, hyphens or dots (a dot is part of the name, not a path).
func CheckKey(key string) error {
	if key == "" || len(key) > maxKeyLength {
		return fmt.Errorf("a metadata key has 1 to %d characters", maxKeyLength)
	}
	for i, r := range key {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if letter || i > 0 && (r >= '0' && r <= '9' || r == '-' || r == '.') {
			continue
		}
		return fmt.Errorf("metadata key %q: use letters, digits, '_', '-' and '.', starting with a letter or '_'", clip(key))
	}
	return nil
}

func onlyKeys(raw map[string]json.RawMessage, at string, allowed ...string) error {
	for key := range raw {
		known := false
		for _, a := range allowed {
			known = known || key == a
		}
		if !known {
			return Invalid(at+"/"+escapePointer(clip(key)), "unknown filter member %q; this filter takes %s", clip(key), strings.Join(allowed, ", "))
		}
	}
	return nil
}

func scalarOrList(data json.RawMessage, at string) (any, error) {
	if len(data) == 0 {
		return nil, Invalid(at, "this filter needs a value")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, Invalid(at, "value can't be read")
	}
	if list, ok := v.([]any); ok {
		out := make([]any, len(list))
		for i, item := range list {
			s, err := scalar(item, fmt.Sprintf("%s/%d", at, i))
			if err != nil {
				return nil, err
			}
			out[i] = s
		}
		return out, nil
	}
	return scalar(v, at)
}

func scalar(v any, at string) (any, error) {
	switch v := v.(type) {
	case string:
		if len(v) > maxStringLength {
			return nil, Invalid(at, "a filter string has at most %d bytes", maxStringLength)
		}
		return v, nil
	case bool:
		return v, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil || math.IsInf(f, 0) {
			return nil, Invalid(at, "number %s is out of range", clip(v.String()))
		}
		return f, nil
	}
	return nil, Invalid(at, "a filter value must be a string, a number, a boolean, or a list of them")
}

// kindOf names a scalar's JSON type.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	}
	return "number"
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "..."
	}
	return s
}
