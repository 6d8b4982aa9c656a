package milvus

import (
	"errors"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

func pointerOf(err error) string {
	var p *rag.Problem
	if errors.As(err, &p) && errors.Is(err, rag.ErrInvalid) {
		return p.Pointer
	}
	return ""
}

// FuzzCompile looks for a value that ends its quotes. Taken apart by the servers' rules, an expression must have the
// same shape as one of harmless values, and its string literals must be what the filter said.
func FuzzCompile(f *testing.F) {
	for _, s := range nasty() {
		f.Add(s, "year", 1.5)
	}
	f.Add("x", "lang.x-y_z", -1e300)
	f.Add("x", "tags", 0.0)
	f.Fuzz(func(t *testing.T, value, key string, x float64) {
		for _, lite := range []bool{true, false} {
			for _, op := range []rag.Op{rag.OpEq, rag.OpNe, rag.OpGt, rag.OpLte, rag.OpIn, rag.OpNin, rag.OpContainsAny, rag.OpExists} {
				check(t, rag.Filter{Type: op, Key: key}, value, "harmless", lite)
				check(t, rag.Filter{Type: op, Key: key}, x, 1.5, lite)
			}
		}
	})
}

// check compares the expressions of one filter with two values.
func check(t *testing.T, f rag.Filter, value, harmless any, lite bool) {
	with := func(v any) (string, error) {
		switch f.Type {
		case rag.OpIn, rag.OpNin, rag.OpContainsAny:
			f.Value = []any{v, v}
		case rag.OpExists:
			f.Value = nil
		default:
			f.Value = v
		}
		return compile(&f, allFields(), lite)
	}
	got, err := with(value)
	if err != nil {
		if !errors.Is(err, rag.ErrInvalid) {
			t.Errorf("an error that is not the user's: %v", err)
		}
		return
	}
	want, err := with(harmless)
	if err != nil {
		t.Errorf("%v compiles, %v does not: %v", value, harmless, err)
		return
	}
	shape, literals, ok := dissect(got)
	plain, _, _ := dissect(want)
	if _, number := value.(float64); !ok || !number && shape != plain {
		t.Errorf("%q changes the shape of %s to %s", value, want, got)
	}
	s, isString := value.(string)
	if !isString || f.Type == rag.OpExists {
		return
	}
	kept := clean(s)
	for _, literal := range literals {
		if strings.HasPrefix(literal, kindString) || strings.HasPrefix(literal, kindList) || literal == "" {
			continue // a path, or what stands for a missing value
		}
		if literal != kept && literal != present+kept && literal != "%,"+token(kept)+",%" {
			t.Errorf("value %q is written as %q in %s", s, literal, got)
		}
	}
}

// dissect takes string literals out of an expression by the rules that all servers share.
func dissect(expression string) (shape string, literals []string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(expression); i++ {
		if expression[i] != '"' {
			b.WriteByte(expression[i])
			continue
		}
		var literal strings.Builder
		for i++; ; i++ {
			if i >= len(expression) || expression[i] == '\n' || expression[i] == '\r' {
				return "", nil, false
			}
			if expression[i] == '"' {
				break
			}
			if expression[i] != '\\' {
				literal.WriteByte(expression[i])
				continue
			}
			i++
			escaped, known := map[byte]byte{'"': '"', '\\': '\\', 'n': '\n', 'r': '\r', 't': '\t'}[expression[i]]
			if !known {
				return "", nil, false
			}
			literal.WriteByte(escaped)
		}
		literals = append(literals, literal.String())
		b.WriteString("STRING")
	}
	return b.String(), literals, true
}
