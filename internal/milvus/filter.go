package milvus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// compile writes a filter as a Milvus expression; none is "". A declared field is its typed column, any other key is
// read from the metadata column. Every value is written as a literal of its type, every key has passed rag.CheckKey.
func compile(f *rag.Filter, fields []rag.Field, lite bool) (string, error) {
	if f == nil {
		return "", nil
	}
	c := compiler{lite: lite, fields: make(map[string]rag.Field, len(fields))}
	for _, field := range fields {
		c.fields[field.Name] = field
	}
	return c.compile(*f, "/filter")
}

type compiler struct {
	fields map[string]rag.Field
	lite   bool // Milvus Lite takes "in" on columns only
}

func (c compiler) compile(f rag.Filter, at string) (string, error) {
	switch f.Type {
	case rag.OpAnd, rag.OpOr:
		parts := make([]string, len(f.Filters))
		for i, child := range f.Filters {
			part, err := c.compile(child, fmt.Sprintf("%s/filters/%d", at, i))
			if err != nil {
				return "", err
			}
			parts[i] = part
		}
		return "(" + strings.Join(parts, " "+string(f.Type)+" ") + ")", nil
	case rag.OpNot:
		part, err := c.compile(f.Filters[0], at+"/filters/0")
		return "(not " + part + ")", err
	case rag.OpNe: // not equal, or missing
		f.Type = rag.OpEq
		part, err := c.compile(f, at)
		return "(not " + part + ")", err
	case rag.OpNin:
		f.Type = rag.OpIn
		part, err := c.compile(f, at)
		return "(not " + part + ")", err
	}
	if field, ok := c.fields[f.Key]; ok {
		return declared(field, f, at)
	}
	return c.undeclared(f)
}

// declared compares a typed column.
func declared(field rag.Field, f rag.Filter, at string) (string, error) {
	name := column(field.Name)
	if field.Type == rag.FieldStrings {
		return listColumn(name, f, at)
	}
	if f.Type == rag.OpExists {
		return fmt.Sprintf("(%s != %s)", name, missingLiteral(field.Type)), nil
	}
	if f.Type == rag.OpContainsAny {
		return "", rag.Invalid(at+"/type", "\"contains_any\" needs a list; field %q is declared as %s", f.Key, field.Type)
	}
	if f.Type == rag.OpIn {
		literals := []string{}
		for i, value := range f.Value.([]any) {
			l, err := fieldLiteral(field, value, fmt.Sprintf("%s/value/%d", at, i))
			if err != nil {
				return "", err
			}
			literals = append(literals, l)
		}
		return fmt.Sprintf("(%s in [%s])", name, strings.Join(literals, ", ")), nil
	}
	l, err := fieldLiteral(field, f.Value, at+"/value")
	if err != nil {
		return "", err
	}
	if f.Type == rag.OpEq {
		return fmt.Sprintf("(%s == %s)", name, l), nil
	}
	if field.Type == rag.FieldBool {
		return "", rag.Invalid(at+"/type", "field %q is declared as bool and has no order; use \"eq\"", f.Key)
	}
	return fmt.Sprintf("(%s %s %s and %s != %s)", name, symbol(f.Type), l, name, missingLiteral(field.Type)), nil
}

// listColumn asks a column of string lists.
func listColumn(name string, f rag.Filter, at string) (string, error) {
	switch f.Type {
	case rag.OpExists:
		return fmt.Sprintf("(not (array_length(%s) == 0))", name), nil
	case rag.OpContainsAny:
		return fmt.Sprintf("array_contains_any(%s, [%s])", name, literals(f.Value.([]any))), nil
	}
	return "", rag.Invalid(at+"/type", "field %q is declared as a list of strings; use \"contains_any\" or \"exists\"", f.Key)
}

// undeclared compares a key of the metadata column. A document that lacks the key, or has a value of another type
// there, does not match; "exists" is asked first because a comparison with what is missing is neither true nor false
// in Milvus, and would stay so under "not".
func (c compiler) undeclared(f rag.Filter) (string, error) {
	path := columnMetadata + "[" + quote(f.Key) + "]"
	var condition string
	switch f.Type {
	case rag.OpExists:
		return "(exists " + path + ")", nil
	case rag.OpContainsAny:
		condition = fmt.Sprintf("json_contains_any(%s, [%s])", path, literals(f.Value.([]any)))
	case rag.OpIn:
		condition = c.oneOf(path, f.Value.([]any))
	default:
		condition = fmt.Sprintf("%s %s %s", path, symbol(f.Type), literal(f.Value))
	}
	return fmt.Sprintf("((exists %s) and (%s))", path, condition), nil
}

// oneOf asks whether a key of the metadata column has one of the values.
func (c compiler) oneOf(path string, values []any) string {
	if !c.lite {
		return fmt.Sprintf("%s in [%s]", path, literals(values))
	}
	equal := make([]string, len(values))
	for i, v := range values {
		equal[i] = path + " == " + literal(v)
	}
	return strings.Join(equal, " or ")
}

func symbol(op rag.Op) string {
	switch op {
	case rag.OpGt:
		return ">"
	case rag.OpGte:
		return ">="
	case rag.OpLt:
		return "<"
	case rag.OpLte:
		return "<="
	}
	return "=="
}

// fieldLiteral writes a value that is compared with a declared field, which must be of its type.
func fieldLiteral(field rag.Field, value any, at string) (string, error) {
	v, err := fieldValue(field, value)
	if err != nil {
		return "", rag.Invalid(at, "filter by %q: %v", field.Name, err)
	}
	return literal(v), nil
}

func missingLiteral(t rag.FieldType) string {
	switch t {
	case rag.FieldInt:
		return literal(int64(missingInt))
	case rag.FieldFloat:
		return literal(float64(missingFloat))
	case rag.FieldBool:
		return literal(int8(missingBool))
	}
	return literal(missingString)
}

func literals(values []any) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = literal(v)
	}
	return strings.Join(out, ", ")
}

// literal writes a value in Milvus's expression language.
func literal(value any) string {
	switch v := value.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case int8:
		return strconv.FormatInt(int64(v), 10)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case bool:
		return strconv.FormatBool(v)
	case string:
		return quote(v)
	}
	return quote(fmt.Sprint(value))
}

// quote writes a string literal that nothing inside can end: quotes, backslashes and control characters are escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
