package milvus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Expressions that every row and no row fulfils, for comparisons that the values alone decide.
const (
	always = "(chunk_id != 0 or chunk_id != 1)"
	never  = "(chunk_id == 0 and chunk_id == 1)"
)

// compile writes a filter as a Milvus expression; no filter is "". A declared field is its typed column, any other key
// is read from the dynamic field. Negations are moved down to the comparisons, where the answer for a missing key is
// written out: the servers do not agree on what "not" makes of it. lite says for which server.
func compile(f *rag.Filter, fields []rag.Field, lite bool) (string, error) {
	if f == nil {
		return "", nil
	}
	c := compiler{fields: map[string]rag.Field{}, lite: lite}
	for _, field := range fields {
		c.fields[field.Name] = field
	}
	return c.compile(*f, "/filter", false)
}

type compiler struct {
	fields map[string]rag.Field
	lite   bool
}

// compile writes f, or its negation; at is the JSON pointer of f in the request.
func (c compiler) compile(f rag.Filter, at string, negate bool) (string, error) {
	switch f.Type {
	case rag.OpAnd, rag.OpOr:
		parts := make([]string, len(f.Filters))
		for i, child := range f.Filters {
			part, err := c.compile(child, fmt.Sprintf("%s/filters/%d", at, i), negate)
			if err != nil {
				return "", err
			}
			parts[i] = part
		}
		if (f.Type == rag.OpAnd) != negate {
			return all(parts), nil
		}
		return anyOf(parts), nil
	case rag.OpNot:
		if len(f.Filters) != 1 {
			return "", rag.Invalid(at+"/filters", "\"not\" takes exactly one filter")
		}
		return c.compile(f.Filters[0], at+"/filters/0", !negate)
	case rag.OpNe:
		f.Type, negate = rag.OpEq, !negate
	case rag.OpNin:
		f.Type, negate = rag.OpIn, !negate
	}
	if err := rag.CheckKey(f.Key); err != nil {
		return "", rag.Invalid(at+"/key", "%v", err)
	}
	values, err := operands(f, at)
	if err != nil {
		return "", err
	}
	if field, ok := c.fields[f.Key]; ok {
		return c.declared(field, comparison{op: f.Type, values: values, negate: negate, at: at})
	}
	return c.undeclared(f.Key, comparison{op: f.Type, values: values, negate: negate, at: at})
}

// comparison is one condition on one key, "ne" and "nin" written as negations.
type comparison struct {
	op     rag.Op // exists, eq, in, gt, gte, lt, lte or contains_any
	values []any  // normal; one but for in and contains_any, none for exists
	negate bool
	at     string
}

// operands gives a comparison's values in their normal types.
func operands(f rag.Filter, at string) ([]any, error) {
	raw := []any{f.Value}
	switch f.Type {
	case rag.OpExists:
		return nil, nil
	case rag.OpIn, rag.OpContainsAny:
		list, ok := f.Value.([]any)
		if !ok {
			return nil, rag.Invalid(at+"/value", "%q needs a list", f.Type)
		}
		raw = list
	case rag.OpEq, rag.OpGt, rag.OpGte, rag.OpLt, rag.OpLte:
	default:
		return nil, rag.Invalid(at+"/type", "unknown filter type %q", f.Type)
	}
	values := make([]any, len(raw))
	for i, v := range raw {
		value, ok := normal(v)
		if _, list := value.([]string); !ok || list {
			return nil, rag.Invalid(at+"/value", "a value of %q must be a string, a number or a boolean", f.Type)
		}
		values[i] = value
	}
	return values, nil
}

// undeclared compares a key of the dynamic field. A value of another type is not found under the kind that is asked.
func (c compiler) undeclared(key string, q comparison) (string, error) {
	if q.op == rag.OpExists {
		var parts []string
		for _, kind := range []string{kindString, kindNumber, kindBool, kindList} {
			parts = append(parts, "(exists "+pathOf(kind, key)+")")
		}
		if q.negate {
			return "(not " + strings.Join(parts, " and not ") + ")", nil
		}
		return anyOf(parts), nil
	}
	found, at := c.match(key, q)
	if q.negate {
		return "((not (exists " + at + ")) or " + found + ")", nil
	}
	return found, nil
}

// match writes a comparison of a key that is there, or its negation, and the path that it reads.
func (c compiler) match(key string, q comparison) (expression, at string) {
	if len(q.values) == 0 { // "in" or "contains_any" of nothing
		return map[bool]string{false: never, true: always}[q.negate], pathOf(kindString, key)
	}
	kind := kindNumber
	switch q.values[0].(type) {
	case string:
		kind = kindString
	case bool:
		kind = kindBool
	}
	if q.op == rag.OpContainsAny {
		kind = kindList
	}
	at = pathOf(kind, key)
	switch q.op {
	case rag.OpContainsAny:
		return c.contains(at, "json_contains_any", q), at
	case rag.OpIn:
		return c.oneOf(at, kind, q), at
	}
	return "(" + at + " " + symbol(q.op, q.negate) + " " + literal(q.values[0]) + ")", at
}

// oneOf writes "in" for a path. Milvus Lite takes no path there, real servers one type of value at a time.
func (c compiler) oneOf(at, kind string, q comparison) string {
	if c.lite || kind == kindBool {
		parts := make([]string, len(q.values))
		for i, v := range q.values {
			parts[i] = at + " " + symbol(rag.OpEq, q.negate) + " " + literal(v)
		}
		if q.negate {
			return all(parts)
		}
		return anyOf(parts)
	}
	var whole, other []string
	for _, v := range q.values {
		if _, ok := v.(int64); ok && !strings.Contains(literal(v), ".") {
			whole = append(whole, literal(v))
		} else {
			other = append(other, literal(v))
		}
	}
	var parts []string
	for _, list := range [][]string{whole, other} {
		if len(list) > 0 {
			parts = append(parts, "("+at+" in ["+strings.Join(list, ", ")+"])")
		}
	}
	if q.negate {
		return "(not " + strings.Join(parts, " and not ") + ")"
	}
	return anyOf(parts)
}

// contains writes "contains_any" for a list column or path: for Milvus Lite over the joined string, else with the
// server's function.
func (c compiler) contains(at, function string, q comparison) string {
	if c.lite {
		parts := make([]string, len(q.values))
		for i, v := range q.values {
			s, _ := v.(string)
			parts[i] = "(" + at + " like " + quote("%,"+token(s)+",%") + ")"
		}
		if q.negate {
			return "(not " + strings.Join(parts, " and not ") + ")"
		}
		return anyOf(parts)
	}
	literals := make([]string, len(q.values))
	for i, v := range q.values {
		s, _ := v.(string)
		literals[i] = quote(present + s)
	}
	call := function + "(" + at + ", [" + strings.Join(literals, ", ") + "])"
	if q.negate {
		return "(not " + call + ")"
	}
	return "(" + call + ")"
}

// pathOf names an undeclared key of one kind.
func pathOf(kind, key string) string { return "$meta[" + quote(kind+key) + "]" }

// symbol is the operator of a comparison between values that are there, or of its negation.
func symbol(op rag.Op, negate bool) string {
	symbols := map[rag.Op][2]string{
		rag.OpEq: {"==", "!="}, rag.OpGt: {">", "<="}, rag.OpGte: {">=", "<"}, rag.OpLt: {"<", ">="}, rag.OpLte: {"<=", ">"},
	}
	if negate {
		return symbols[op][1]
	}
	return symbols[op][0]
}

func all(parts []string) string   { return "(" + strings.Join(parts, " and ") + ")" }
func anyOf(parts []string) string { return "(" + strings.Join(parts, " or ") + ")" }

// literal writes a normal value.
func literal(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case bool:
		return fmt.Sprint(v)
	}
	return numberLiteral(value)
}

// quote writes a string literal that nothing inside can end. It uses only the escapes that every server knows.
func quote(s string) string {
	escapes := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	return `"` + escapes.Replace(strings.ToValidUTF8(s, "\uFFFD")) + `"`
}

// kindOf names the types of a comparison's values, for messages.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}

// mismatch refuses a value that a declared field can't be compared with.
func mismatch(field rag.Field, q comparison, i int) error {
	at := q.at + "/value"
	if q.op == rag.OpIn || q.op == rag.OpContainsAny {
		at = fmt.Sprintf("%s/%d", at, i)
	}
	return rag.Invalid(at, "field %q is declared as %s and can't be compared with %s", field.Name, field.Type, kindOf(q.values[i]))
}

func isOrder(op rag.Op) bool {
	return slices.Contains([]rag.Op{rag.OpGt, rag.OpGte, rag.OpLt, rag.OpLte}, op)
}
