package milvus

import (
	"errors"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

func TestCompileRefusesWhatDoesNotFit(t *testing.T) {
	fields := []rag.Field{{Name: "year", Type: rag.FieldInt}, {Name: "open", Type: rag.FieldBool}, {Name: "tags", Type: rag.FieldStrings}, {Name: "lang", Type: rag.FieldString}}
	tests := []struct{ filter, pointer string }{
		{`{"type":"eq","key":"year","value":"1999"}`, "/filter/value"},
		{`{"type":"eq","key":"year","value":1.5}`, "/filter/value"},
		{`{"type":"in","key":"year","value":[1,2.5]}`, "/filter/value/1"},
		{`{"type":"gt","key":"open","value":1}`, "/filter/value"},
		{`{"type":"eq","key":"tags","value":"a"}`, "/filter/type"},
		{`{"type":"contains_any","key":"lang","value":["a"]}`, "/filter/type"},
		{`{"type":"and","filters":[{"type":"exists","key":"lang"},{"type":"eq","key":"lang","value":1}]}`, "/filter/filters/1/value"},
	}
	for _, test := range tests {
		f, err := rag.ParseFilter([]byte(test.filter), "/filter")
		if err != nil {
			t.Fatal(err)
		}
		_, err = compile(f, fields, false)
		var p *rag.Problem
		if !errors.As(err, &p) || !errors.Is(err, rag.ErrInvalid) || p.Pointer != test.pointer {
			t.Errorf("%s: got %v", test.filter, err)
		}
	}
}

func TestCheckMetadata(t *testing.T) {
	fields := []rag.Field{{Name: "year", Type: rag.FieldInt}, {Name: "tags", Type: rag.FieldStrings}}
	good := []rag.Metadata{nil, {"year": 1999.0}, {"year": nil}, {"tags": []any{"a"}}, {"other": "x", "flag": true, "list": []any{"y"}}}
	for _, m := range good {
		if err := CheckMetadata(fields, m); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	bad := []rag.Metadata{
		{"year": "1999"}, {"year": 1.5}, {"year": 1e300}, {"tags": "a"}, {"tags": []any{1.0}}, {"other": map[string]any{}},
		{"other": []any{1.0}}, {"a key": "x"}, {"tags": []any{strings.Repeat("x", maxFieldString+1)}},
	}
	for _, m := range bad {
		if err := CheckMetadata(fields, m); !errors.Is(err, rag.ErrInvalid) {
			t.Errorf("%v: got %v", m, err)
		}
	}
}

// FuzzQuote asserts that nothing inside a literal can end it: read back by the rules of the expression language, the
// literal ends where it should and holds what was put in.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{``, `a"b`, `\`, `\"`, "a\nb\x00c", `" or 1 == 1 or "`, "κ\xff鳶", `\u0022`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		literal := quote(value)
		if literal[0] != '"' || literal[len(literal)-1] != '"' {
			t.Fatalf("%q is not quoted", literal)
		}
		inside := literal[1 : len(literal)-1]
		for i := 0; i < len(inside); i++ {
			switch {
			case inside[i] == '\\':
				if i++; i == len(inside) || !strings.ContainsRune(`"\nrtu`, rune(inside[i])) {
					t.Fatalf("%q ends in the middle of an escape, or holds one that Milvus does not know", literal)
				}
			case inside[i] == '"' || inside[i] < ' ':
				t.Fatalf("%q holds a bare %q", literal, inside[i])
			}
		}
	})
}
