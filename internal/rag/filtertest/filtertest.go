// Package filtertest makes metadata and filters at random and says what a filter means, as plainly as can be and apart from
// the code that runs: every way of asking a filter (rag.Filter.Matches, Milvus's expressions, the catalog's SQL) is held to
// it.
package filtertest

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Keys are those that Documents and Filters use: the first five are meant to be declared, as Fields says.
func Keys() []string {
	return []string{"year", "price", "open", "lang.x-y_z", "tags", "any", "labels", "free"}
}

// Fields are the declared keys.
func Fields() []rag.Field {
	return []rag.Field{
		{Name: "year", Type: rag.FieldInt}, {Name: "price", Type: rag.FieldFloat}, {Name: "open", Type: rag.FieldBool},
		{Name: "lang.x-y_z", Type: rag.FieldString}, {Name: "tags", Type: rag.FieldStrings},
	}
}

// words are strings that a careless query would trip over, some of them near one another in order.
func words() []string {
	return []string{
		"", " ", "a", "A", "ab", "b", "en", `"`, `\`, `\"`, `'`, `''`, `" or 1 == 1 or "`, `') OR 1=1 --`, "line\nbreak", "tab\t", "%", "_", "a%b", "?", "$1",
		"naïve", "日本語", "\u2028", "🦅", "\uffff", "a,b", ",", "=", "!", "{}", "$.any", "null", "true", "1", "2020",
	}
}

func numbers() []any {
	return []any{
		int64(0), int64(1), int64(-1), int64(2019), int64(2020), int64(2021), int64(1 << 52), 0.5, -0.5, 2019.5, 2020.5, 1e21, -1e21, 1e300, 1e-300, 1234567.25,
	}
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// Documents makes metadata: each key is there or not, the undeclared ones in any type.
func Documents(random *rand.Rand, n int) []rag.Metadata {
	out := make([]rag.Metadata, n)
	list := func() []string {
		texts := make([]string, random.IntN(4))
		for i := range texts {
			texts[i] = pick(random, words())
		}
		return texts
	}
	for i := range out {
		m := rag.Metadata{}
		set := func(key string, value func() any) {
			if random.IntN(3) > 0 {
				m[key] = value()
			}
		}
		set("year", func() any { return int64(random.IntN(5) + 2018) })
		set("price", func() any { return pick(random, numbers()) })
		set("open", func() any { return random.IntN(2) == 0 })
		set("lang.x-y_z", func() any { return pick(random, words()) })
		set("tags", func() any { return list() })
		for _, key := range []string{"any", "free"} {
			set(key, func() any {
				return pick(random, []any{pick(random, numbers()), pick(random, words()), random.IntN(2) == 0, list()})
			})
		}
		set("labels", func() any { return list() })
		out[i] = m
	}
	return out
}

// Filters makes filters, none deeper than depth, that a collection with Fields takes.
func Filters(random *rand.Rand, n, depth int) []rag.Filter {
	out := make([]rag.Filter, n)
	for i := range out {
		out[i] = filter(random, random.IntN(depth+1))
	}
	return out
}

func filter(random *rand.Rand, depth int) rag.Filter {
	if depth == 0 {
		return comparison(random)
	}
	f := rag.Filter{Type: pick(random, []rag.Op{rag.OpAnd, rag.OpOr, rag.OpNot})}
	parts := 1
	if f.Type != rag.OpNot {
		parts += random.IntN(3)
	}
	for range parts {
		f.Filters = append(f.Filters, filter(random, random.IntN(depth)))
	}
	return f
}

// comparison makes a condition that the key's declared type allows.
func comparison(random *rand.Rand) rag.Filter {
	f := rag.Filter{Key: pick(random, append(Keys(), "nowhere"))}
	orders := []rag.Op{rag.OpEq, rag.OpNe, rag.OpGt, rag.OpGte, rag.OpLt, rag.OpLte, rag.OpIn, rag.OpNin}
	equals := []rag.Op{rag.OpEq, rag.OpNe, rag.OpIn, rag.OpNin}
	kinds := map[string][]string{
		"year": {"number"}, "price": {"number"}, "open": {"bool"}, "lang.x-y_z": {"string"}, "tags": {"list"}, "labels": {"list", "string"},
	}[f.Key]
	if kinds == nil {
		kinds = []string{"number", "bool", "string", "list"}
	}
	if random.IntN(10) == 0 {
		f.Type = rag.OpExists
		return f
	}
	value := func() any { return pick(random, words()) }
	switch pick(random, kinds) {
	case "number":
		f.Type, value = pick(random, orders), func() any { return pick(random, numbers()) }
	case "bool":
		f.Type, value = pick(random, equals), func() any { return random.IntN(2) == 0 }
	case "list":
		f.Type = rag.OpContainsAny
	default:
		f.Type = pick(random, orders)
	}
	switch f.Type {
	case rag.OpIn, rag.OpNin, rag.OpContainsAny:
		list := make([]any, 1+random.IntN(4))
		for i := range list {
			list[i] = value()
		}
		f.Value = list
	default:
		f.Value = value()
	}
	return f
}

// Means says whether a filter is true of a document, by the words of rag.Op alone: a comparison is true of a value that is
// there and of the same kind; "ne" and "nin" are "not eq" and "not in".
func Means(f rag.Filter, m rag.Metadata) bool {
	count := 0
	for _, child := range f.Filters {
		if Means(child, m) {
			count++
		}
	}
	there := m[f.Key] != nil
	switch f.Type {
	case rag.OpAnd:
		return count == len(f.Filters)
	case rag.OpOr:
		return count > 0
	case rag.OpNot:
		return count == 0
	case rag.OpExists:
		return there
	case rag.OpNe:
		return !there || !same(m[f.Key], f.Value)
	case rag.OpEq:
		return there && same(m[f.Key], f.Value)
	case rag.OpIn, rag.OpNin:
		in := false
		for _, v := range f.Value.([]any) {
			in = in || there && same(m[f.Key], v)
		}
		return in == (f.Type == rag.OpIn)
	case rag.OpContainsAny:
		list, _ := m[f.Key].([]string)
		for _, v := range f.Value.([]any) {
			for _, s := range list {
				if s == v {
					return true
				}
			}
		}
		return false
	}
	way, comparable := order(m[f.Key], f.Value)
	return comparable && map[rag.Op]bool{rag.OpGt: way > 0, rag.OpGte: way >= 0, rag.OpLt: way < 0, rag.OpLte: way <= 0}[f.Type]
}

// same compares two values; a list is like nothing.
func same(a, b any) bool {
	if x, ok := a.(bool); ok {
		y, ok := b.(bool)
		return ok && x == y
	}
	way, ok := order(a, b)
	return ok && way == 0
}

// order compares two strings by code point, or two numbers exactly.
func order(a, b any) (int, bool) {
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return strings.Compare(x, y), ok // UTF-8 keeps the order of code points
	}
	x, isX := number(a)
	y, isY := number(b)
	if !isX || !isY {
		return 0, false
	}
	return x.Cmp(y), true
}

func number(value any) (*big.Float, bool) {
	switch v := value.(type) {
	case int64:
		return new(big.Float).SetInt64(v), true
	case float64:
		if math.IsNaN(v) {
			return nil, false
		}
		return big.NewFloat(v), true
	}
	return nil, false
}
