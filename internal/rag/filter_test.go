package rag

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFilter(t *testing.T) {
	tests := []struct {
		name, in string
		want     *Filter
	}{
		{"none", ``, nil},
		{"null", ` null `, nil},
		{"string", `{"type":"eq","key":"lang","value":"en"}`, &Filter{Type: OpEq, Key: "lang", Value: "en"}},
		{"whole number", `{"type":"gte","key":"year","value":9007199254740993}`, &Filter{Type: OpGte, Key: "year", Value: int64(9007199254740993)}},
		{"fraction", `{"type":"lt","key":"score","value":0.5}`, &Filter{Type: OpLt, Key: "score", Value: 0.5}},
		{"list", `{"type":"in","key":"tag","value":["a","b"]}`, &Filter{Type: OpIn, Key: "tag", Value: []any{"a", "b"}}},
		{"exists", `{"type":"exists","key":"a.b-c"}`, &Filter{Type: OpExists, Key: "a.b-c"}},
		{"nested", `{"type":"not","filters":[{"type":"or","filters":[{"type":"eq","key":"x","value":true}]}]}`,
			&Filter{Type: OpNot, Filters: []Filter{{Type: OpOr, Filters: []Filter{{Type: OpEq, Key: "x", Value: true}}}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseFilter([]byte(test.in), "/filter")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseFilterRefuses(t *testing.T) {
	deep := strings.Repeat(`{"type":"not","filters":[`, 20) + `{"type":"exists","key":"a"}` + strings.Repeat(`]}`, 20)
	wide := `{"type":"and","filters":[` + strings.Repeat(`{"type":"exists","key":"a"},`, 200) + `{"type":"exists","key":"a"}]}`
	tests := []struct{ name, in, pointer string }{
		{"not an object", `"lang"`, "/filter"},
		{"no type", `{"key":"a","value":1}`, "/filter/type"},
		{"unknown type", `{"type":"like","key":"a","value":1}`, "/filter/type"},
		{"unknown member", `{"type":"eq","key":"a","value":1,"boost/2":1}`, "/filter/boost~12"},
		{"no key", `{"type":"eq","value":1}`, "/filter/key"},
		{"key with a quote", `{"type":"eq","key":"a\"] or true","value":1}`, "/filter/key"},
		{"no value", `{"type":"eq","key":"a"}`, "/filter/value"},
		{"null value", `{"type":"eq","key":"a","value":null}`, "/filter/value"},
		{"object value", `{"type":"eq","key":"a","value":{}}`, "/filter/value"},
		{"list for eq", `{"type":"eq","key":"a","value":[1]}`, "/filter/value"},
		{"scalar for in", `{"type":"in","key":"a","value":1}`, "/filter/value"},
		{"empty in", `{"type":"in","key":"a","value":[]}`, "/filter/value"},
		{"mixed in", `{"type":"in","key":"a","value":[1,"b"]}`, "/filter/value/1"},
		{"boolean order", `{"type":"gt","key":"a","value":true}`, "/filter/value"},
		{"number contains", `{"type":"contains_any","key":"a","value":[1]}`, "/filter/value"},
		{"huge number", `{"type":"eq","key":"a","value":1e999}`, "/filter/value"},
		{"empty and", `{"type":"and","filters":[]}`, "/filter/filters"},
		{"two in not", `{"type":"not","filters":[{"type":"exists","key":"a"},{"type":"exists","key":"b"}]}`, "/filter/filters"},
		{"error inside", `{"type":"and","filters":[{"type":"exists","key":"a"},{"type":"eq","key":"b"}]}`, "/filter/filters/1/value"},
		{"too deep", deep, "/filter" + strings.Repeat("/filters/0", maxFilterDepth)},
		{"too wide", wide, "/filter/filters/99"},
		{"not JSON", `{"type":`, "/filter"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseFilter([]byte(test.in), "/filter")
			var p *Problem
			if !errors.As(err, &p) || !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			if p.Pointer != test.pointer {
				t.Errorf("points at %q, want %q (%s)", p.Pointer, test.pointer, p.Message)
			}
		})
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`{"type":"and","filters":[{"type":"in","key":"a","value":["x"]},{"type":"not","filters":[{"type":"exists","key":"b"}]}]}`)
	f.Add(`{"type":"eq","key":"a","value":"\"\\\n"}`)
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ParseFilter([]byte(in), "/filter")
		if err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("an error that is not the user's: %v", err)
		}
		if got != nil && got.Key != "" && CheckKey(got.Key) != nil {
			t.Errorf("key %q was let through", got.Key)
		}
	})
}
