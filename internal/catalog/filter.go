package catalog

import (
	"fmt"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// condition writes a filter as a condition of SQL on v.metadata, and its arguments. Keys and values are arguments, each of
// them: no part of the text is the client's. The condition is true or false for every row, never NULL.
func (d *dialect) condition(f rag.Filter) (string, []any) {
	switch f.Type {
	case rag.OpAnd, rag.OpOr:
		var parts []string
		var args []any
		for _, child := range f.Filters {
			part, own := d.condition(child)
			parts, args = append(parts, part), append(args, own...)
		}
		return "(" + strings.Join(parts, " "+strings.ToUpper(string(f.Type))+" ") + ")", args
	case rag.OpNot:
		part, args := d.condition(f.Filters[0])
		return "NOT " + part, args
	case rag.OpNe:
		return d.condition(not(rag.Filter{Type: rag.OpEq, Key: f.Key, Value: f.Value}))
	case rag.OpNin:
		return d.condition(not(rag.Filter{Type: rag.OpIn, Key: f.Key, Value: f.Value}))
	case rag.OpIn:
		any := rag.Filter{Type: rag.OpOr}
		for _, v := range values(f) {
			any.Filters = append(any.Filters, rag.Filter{Type: rag.OpEq, Key: f.Key, Value: v})
		}
		return d.condition(any)
	}
	return d.comparison(f)
}

func not(f rag.Filter) rag.Filter { return rag.Filter{Type: rag.OpNot, Filters: []rag.Filter{f}} }

func values(f rag.Filter) []any {
	list, _ := f.Value.([]any)
	return list
}

// comparison writes a condition on one key: where the value has the kind that is compared, how it compares, else false.
func (d *dialect) comparison(f rag.Filter) (string, []any) {
	j, path := d.json(f.Key)
	guarded := func(kinds, compared string, args ...any) (string, []any) {
		return "(CASE WHEN " + j.kind + " IN (" + kinds + ") THEN " + compared + " ELSE FALSE END)", append([]any{path}, args...)
	}
	symbol := map[rag.Op]string{rag.OpEq: "=", rag.OpGt: ">", rag.OpGte: ">=", rag.OpLt: "<", rag.OpLte: "<="}[f.Type]
	switch f.Type {
	case rag.OpExists:
		return "(COALESCE(" + j.kind + ", 'null') <> 'null')", []any{path}
	case rag.OpContainsAny:
		marks, list := placeholders(values(f))
		return guarded("'array'", "EXISTS (SELECT 1 FROM "+j.items+" WHERE item IN ("+marks+"))", append([]any{path}, list...)...)
	}
	switch v := f.Value.(type) {
	case string:
		return guarded(j.texts, j.text+" "+symbol+" ?"+j.byCodePoint, path, v)
	case bool:
		return guarded(j.bools, fmt.Sprintf("%s %s %s", j.boolean, symbol, map[bool]string{true: "TRUE", false: "FALSE"}[v]), path)
	case int64:
		return guarded(j.numbers, j.number+" "+symbol+" "+j.whole, path, v)
	}
	return guarded(j.numbers, j.float+" "+symbol+" "+j.fraction, path, f.Value)
}

// access is how a database reads a key of v.metadata, whose path is the one argument of each.
type access struct {
	kind                  string // its type's name, or NULL for none
	texts, numbers, bools string // the names of types, quoted
	text, boolean         string
	number, float         string // as exact as it is kept, and as a float64
	items                 string // a table of the items of a list, in column item
	whole, fraction       string // a parameter that is an int64, or a float64
	byCodePoint           string // what makes strings compare so
}

// json gives the access to a key, and its path. A key holds letters, digits, '_', '-' and '.' only (rag.CheckKey).
func (d *dialect) json(key string) (access, string) {
	if d.numbered { // PostgreSQL
		const value = "(v.metadata::jsonb -> CAST(? AS TEXT))"
		return access{
			kind: "jsonb_typeof" + value, texts: "'string'", numbers: "'number'", bools: "'boolean'",
			text: "(v.metadata::jsonb ->> CAST(? AS TEXT))", boolean: value + "::boolean", number: value + "::numeric", float: value + "::numeric::float8",
			items: "jsonb_array_elements_text" + value + " AS list(item)", whole: "CAST(? AS BIGINT)", fraction: "CAST(? AS FLOAT8)", byCodePoint: ` COLLATE "C"`,
		}, key
	}
	return access{
		kind: "json_type(v.metadata, ?)", texts: "'text'", numbers: "'integer', 'real'", bools: "'true', 'false'",
		text: "json_extract(v.metadata, ?)", boolean: "json_extract(v.metadata, ?)", number: "json_extract(v.metadata, ?)", float: "CAST(json_extract(v.metadata, ?) AS REAL)",
		items: "(SELECT value AS item FROM json_each(v.metadata, ?))", whole: "?", fraction: "?",
	}, `$."` + key + `"`
}
