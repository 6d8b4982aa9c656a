package milvus

import (
	"fmt"
	"math"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// declared compares a typed column. Missing stands below every value, so that ">" and ">=" need no care and "<" and
// "<=" leave it out.
func (c compiler) declared(field rag.Field, q comparison) (string, error) {
	column := columnOf(field.Name)
	if field.Type == rag.FieldStrings {
		return c.declaredList(field, column, q)
	}
	if q.op == rag.OpContainsAny {
		return "", rag.Invalid(q.at+"/type", "field %q is declared as %s; \"contains_any\" is for lists, use \"in\"", field.Name, field.Type)
	}
	if field.Type == rag.FieldBool && isOrder(q.op) {
		return "", rag.Invalid(q.at+"/type", "field %q is declared as bool and has no order; use \"eq\"", field.Name)
	}
	missing := missingLiteral(field.Type)
	if q.op == rag.OpExists {
		return "(" + column + map[bool]string{false: " != ", true: " == "}[q.negate] + missing + ")", nil
	}
	literals := make([]string, 0, len(q.values))
	for i, value := range q.values {
		converted, fate, ok := convert(field, &q, value)
		if !ok {
			return "", mismatch(field, q, i)
		}
		switch {
		case fate == undecided:
			literals = append(literals, converted)
		case fate == everyValue: // so it asks whether there is one
			return "(" + column + map[bool]string{false: " != ", true: " == "}[q.negate] + missing + ")", nil
		}
	}
	if len(literals) == 0 {
		return map[bool]string{false: never, true: always}[q.negate], nil
	}
	if q.op == rag.OpIn {
		return "(" + column + map[bool]string{false: " in [", true: " not in ["}[q.negate] + strings.Join(literals, ", ") + "])", nil
	}
	expression := column + " " + symbol(q.op, q.negate) + " " + literals[0]
	if q.op == rag.OpLt || q.op == rag.OpLte {
		if q.negate {
			return "(" + expression + " or " + column + " == " + missing + ")", nil
		}
		return "(" + expression + " and " + column + " != " + missing + ")", nil
	}
	return "(" + expression + ")", nil
}

// declaredList asks a column of string lists.
func (c compiler) declaredList(field rag.Field, column string, q comparison) (string, error) {
	switch {
	case q.op == rag.OpExists && c.lite:
		return "(" + column + map[bool]string{false: " != ", true: " == "}[q.negate] + quote(missingString) + ")", nil
	case q.op == rag.OpExists:
		return "(" + map[bool]string{false: "", true: "not "}[q.negate] + "array_contains(" + column + ", " + quote(listMark) + "))", nil
	case q.op != rag.OpContainsAny:
		return "", rag.Invalid(q.at+"/type", "field %q is declared as string[]; use \"contains_any\" or \"exists\"", field.Name)
	}
	for i, value := range q.values {
		if _, ok := value.(string); !ok {
			return "", mismatch(field, q, i)
		}
	}
	if len(q.values) == 0 {
		return map[bool]string{false: never, true: always}[q.negate], nil
	}
	return c.contains(column, "array_contains_any", q), nil
}

// fate is what a comparison comes to for every value that the column can hold, where that is known beforehand.
type fate int

const (
	undecided fate = iota
	noValue        // true of none
	everyValue
)

// convert writes a filter's value as a literal of the field's column; it may change q.op to an equal one, as "> 2.5" of
// whole numbers is ">= 3". A value of a type that the field is not compared with is not ok.
func convert(field rag.Field, q *comparison, value any) (string, fate, bool) {
	switch field.Type {
	case rag.FieldInt:
		return convertInt(q, value)
	case rag.FieldFloat:
		x, ok := float(value)
		if !ok {
			return "", undecided, false
		}
		if x <= missingFloat {
			return "", below(q.op), true
		}
		return floatLiteral(x), undecided, true
	case rag.FieldBool:
		b, ok := value.(bool)
		return fmt.Sprint(boolColumn(b)), undecided, ok
	case rag.FieldString:
		s, ok := value.(string)
		return quote(present + s), undecided, ok
	}
	return "", undecided, false
}

func convertInt(q *comparison, value any) (string, fate, bool) {
	switch v := value.(type) {
	case int64:
		if v <= missingInt {
			return "", below(q.op), true
		}
		return numberLiteral(v), undecided, true
	case float64: // a fraction, or beyond int64
		switch {
		case v <= missingInt:
			return "", below(q.op), true
		case v >= math.MaxInt64:
			return "", above(q.op), true
		case q.op == rag.OpEq || q.op == rag.OpIn:
			return "", noValue, true
		case q.op == rag.OpGt || q.op == rag.OpGte:
			q.op = rag.OpGte
			return numberLiteral(int64(math.Ceil(v))), undecided, true
		}
		q.op = rag.OpLte
		return numberLiteral(int64(math.Floor(v))), undecided, true
	}
	return "", undecided, false
}

// below is the fate of a comparison with something smaller than every value.
func below(op rag.Op) fate {
	if op == rag.OpGt || op == rag.OpGte {
		return everyValue
	}
	return noValue
}

// above is the fate of a comparison with something larger than every value.
func above(op rag.Op) fate {
	if op == rag.OpLt || op == rag.OpLte {
		return everyValue
	}
	return noValue
}

func missingLiteral(t rag.FieldType) string {
	switch t {
	case rag.FieldInt:
		return numberLiteral(int64(missingInt))
	case rag.FieldFloat:
		return floatLiteral(missingFloat)
	case rag.FieldBool:
		return fmt.Sprint(missingBool)
	}
	return quote(missingString)
}

func boolColumn(b bool) int8 {
	if b {
		return missingBool + 2
	}
	return missingBool + 1
}
