package milvus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/rag/filtertest"
)

func allFields() []rag.Field {
	return []rag.Field{
		{Name: "year", Type: rag.FieldInt}, {Name: "price", Type: rag.FieldFloat}, {Name: "open", Type: rag.FieldBool},
		{Name: "lang.x-y_z", Type: rag.FieldString}, {Name: "tags", Type: rag.FieldStrings},
	}
}

// nasty are strings that a careless expression would trip over.
func nasty() []string {
	return []string{
		"", " ", "en", "EN", `"`, `\`, `\"`, `" or 1 == 1 or "`, "line\nbreak", "tab\tand\rreturn", "%", "_", "a%b", "50%_off", "'", `it's "so"`,
		"naïve", "日本語", "\u2028", "🦅", "\x01\x7f", "a,b", ",", "=", "=41", "!", "{}", "$meta", "null", "true", "1", strings.Repeat("long ", 400),
	}
}

// documents hold every declared and undeclared key in every type, and not at all.
func documents() []Row {
	var all []rag.Metadata
	for _, s := range nasty() {
		all = append(all, rag.Metadata{"lang.x-y_z": s, "any": s, "tags": []string{s, "common"}, "labels": []string{"common", s}})
	}
	for _, n := range []int64{0, 1, -1, 2019, 2020, 2021, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64 + 2} {
		all = append(all, rag.Metadata{"year": n, "any": n, "price": float64(n)})
	}
	for _, x := range []float64{0.5, -0.5, 2020.5, 1e21, -1e21, 1e300, 1e-300, 3} {
		all = append(all, rag.Metadata{"price": x, "any": x})
	}
	all = append(all,
		rag.Metadata{"open": true, "any": true}, rag.Metadata{"open": false, "any": false},
		rag.Metadata{"tags": []string{}, "labels": []string{}, "any": []string{"en"}}, rag.Metadata{}, nil,
		rag.Metadata{"year": int64(2020), "lang.x-y_z": "en", "open": true, "price": 9.5, "tags": []string{"a", "b"}, "side": int64(1)},
	)
	rows := make([]Row, len(all))
	for i, m := range all {
		rows[i] = Row{Chunk: rag.ChunkID(i + 1), Document: rag.DocumentID(i + 1), Dense: unit(i), Metadata: m}
	}
	return rows
}

// comparisons are all conditions on one key that are worth asking.
func comparisons() []rag.Filter {
	var out []rag.Filter
	for _, key := range []string{"year", "price", "open", "lang.x-y_z", "tags", "any", "labels", "nowhere"} {
		out = append(out, rag.Filter{Type: rag.OpExists, Key: key})
	}
	orders := []rag.Op{rag.OpEq, rag.OpNe, rag.OpGt, rag.OpGte, rag.OpLt, rag.OpLte}
	numbers := []any{
		int64(0), int64(-1), int64(2020), int64(1<<53 + 1), int64(math.MaxInt64), int64(math.MinInt64), int64(math.MinInt64 + 1),
		int64(math.MinInt64 + 2), 0.5, 2019.5, -0.5, 1e21, -1e21, 1e300, -math.MaxFloat64, math.MaxFloat64, 3.0,
	}
	for _, op := range orders {
		for _, n := range numbers {
			for _, key := range []string{"year", "price", "any", "nowhere"} {
				if key == "any" && n == int64(math.MinInt64) { // no server can read its digits; it is compared as a float
					continue
				}
				out = append(out, rag.Filter{Type: op, Key: key, Value: n})
			}
		}
		for _, s := range nasty() {
			s = s[:min(len(s), 1000)] // what a request may hold
			for _, key := range []string{"lang.x-y_z", "any"} {
				out = append(out, rag.Filter{Type: op, Key: key, Value: s})
			}
		}
	}
	for _, op := range []rag.Op{rag.OpEq, rag.OpNe} {
		for _, b := range []bool{true, false} {
			out = append(out, rag.Filter{Type: op, Key: "open", Value: b}, rag.Filter{Type: op, Key: "any", Value: b})
		}
	}
	for _, op := range []rag.Op{rag.OpIn, rag.OpNin} {
		out = append(out,
			rag.Filter{Type: op, Key: "year", Value: []any{int64(2020), int64(-1), 2020.5, int64(math.MinInt64)}},
			rag.Filter{Type: op, Key: "year", Value: []any{0.25}},
			rag.Filter{Type: op, Key: "price", Value: []any{0.5, int64(2020), 1e21}},
			rag.Filter{Type: op, Key: "any", Value: []any{0.5, int64(2020), 1e21, int64(math.MaxInt64)}},
			rag.Filter{Type: op, Key: "any", Value: []any{true}}, rag.Filter{Type: op, Key: "open", Value: []any{true, false}},
			rag.Filter{Type: op, Key: "any", Value: []any{"en", `"`, "日本語", ""}},
			rag.Filter{Type: op, Key: "lang.x-y_z", Value: []any{"en", `\`, "%", ""}},
			rag.Filter{Type: op, Key: "nowhere", Value: []any{"en"}}, rag.Filter{Type: op, Key: "labels", Value: []any{"common"}},
		)
	}
	for _, s := range nasty() {
		s = s[:min(len(s), 1000)]
		for _, key := range []string{"tags", "labels"} {
			out = append(out, rag.Filter{Type: rag.OpContainsAny, Key: key, Value: []any{s, "nothing of the kind"}})
		}
	}
	return append(out,
		rag.Filter{Type: rag.OpContainsAny, Key: "tags", Value: []any{"common"}}, rag.Filter{Type: rag.OpContainsAny, Key: "any", Value: []any{"en"}},
		rag.Filter{Type: rag.OpContainsAny, Key: "nowhere", Value: []any{"en"}}, rag.Filter{Type: rag.OpContainsAny, Key: "labels", Value: []any{"a", "b"}},
	)
}

// testFilters asks every condition, its negation and random combinations, of rows in memory and of rows in segments.
func testFilters(t *testing.T, c *Client) {
	g := generation(7, allFields()...)
	rows := documents()
	for _, row := range rows {
		must(t, CheckMetadata(g.Fields, row.Metadata))
	}
	fill(t, c, g, rows[:len(rows)/2])
	must(t, c.Flush(t.Context(), g))
	fill(t, c, g, rows[len(rows)/2:])

	single := comparisons()
	random := rand.New(rand.NewPCG(7, 7))
	filters := slices.Clone(single)
	for i := 0; i < len(single); i += 7 {
		filters = append(filters, rag.Filter{Type: rag.OpNot, Filters: []rag.Filter{single[i]}})
	}
	for range 60 {
		filters = append(filters, combination(random, single, 3))
	}
	failed := 0
	for _, f := range filters {
		f := parsed(text(f))
		want := []rag.ChunkID{}
		for _, row := range rows {
			if f.Matches(row.Metadata) {
				want = append(want, row.Chunk)
			}
		}
		found, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 200, Filter: f})
		got := []rag.ChunkID{}
		for _, candidate := range found {
			got = append(got, candidate.Chunk)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%.200s: %v\n%s", text(*f), err, diff)
			if failed++; failed > 20 {
				t.Fatal("and so on")
			}
		}
	}
	t.Logf("%d filters on %d rows", len(filters), len(rows))
}

// testGenerated asks filters made at random of rows made at random, and holds the server to what they mean.
func testGenerated(t *testing.T, c *Client) {
	g := generation(108, filtertest.Fields()...)
	random := rand.New(rand.NewPCG(31, 31))
	var rows []Row
	for i, m := range filtertest.Documents(random, 150) {
		must(t, CheckMetadata(g.Fields, m))
		rows = append(rows, Row{Chunk: rag.ChunkID(i + 1), Document: rag.DocumentID(i + 1), Dense: unit(i), Metadata: m})
	}
	fill(t, c, g, rows[:100])
	must(t, c.Flush(t.Context(), g))
	fill(t, c, g, rows[100:])
	failed := 0
	for _, f := range filtertest.Filters(random, 400, 3) {
		want := []rag.ChunkID{}
		for _, row := range rows {
			if filtertest.Means(f, row.Metadata) {
				want = append(want, row.Chunk)
			}
		}
		found, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 200, Filter: parsed(text(f))})
		got := []rag.ChunkID{}
		for _, candidate := range found {
			got = append(got, candidate.Chunk)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%.300s: %v\n%s", text(f), err, diff)
			if failed++; failed > 10 {
				t.Fatal("and so on")
			}
		}
	}
}

func combination(random *rand.Rand, single []rag.Filter, depth int) rag.Filter {
	if depth == 0 {
		return single[random.IntN(len(single))]
	}
	op := []rag.Op{rag.OpAnd, rag.OpOr, rag.OpNot}[random.IntN(3)]
	n := 1
	if op != rag.OpNot {
		n += random.IntN(2)
	}
	f := rag.Filter{Type: op}
	for range n {
		f.Filters = append(f.Filters, combination(random, single, depth-1))
	}
	return f
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct{ filter, pointer string }{
		{`{"type":"eq","key":"year","value":"2020"}`, "/filter/value"},
		{`{"type":"and","filters":[{"type":"exists","key":"x"},{"type":"not","filters":[{"type":"ne","key":"price","value":"1"}]}]}`, "/filter/filters/1/filters/0/value"},
		{`{"type":"eq","key":"open","value":1}`, "/filter/value"},
		{`{"type":"gt","key":"open","value":1}`, "/filter/type"},
		{`{"type":"eq","key":"lang.x-y_z","value":true}`, "/filter/value"},
		{`{"type":"in","key":"year","value":["a","b"]}`, "/filter/value/0"},
		{`{"type":"eq","key":"tags","value":"a"}`, "/filter/type"},
		{`{"type":"in","key":"tags","value":["a"]}`, "/filter/type"},
		{`{"type":"contains_any","key":"year","value":["a"]}`, "/filter/type"},
	}
	for _, test := range tests {
		for _, lite := range []bool{true, false} {
			_, err := compile(parsed(test.filter), allFields(), lite)
			if pointer := pointerOf(err); pointer != test.pointer {
				t.Errorf("%s: %v points at %q, want %q", test.filter, err, pointer, test.pointer)
			}
		}
	}
}

func TestCheckMetadata(t *testing.T) {
	tests := []struct {
		metadata rag.Metadata
		pointer  string // "" where it is fine
	}{
		{nil, ""},
		{rag.Metadata{"year": float64(2020), "price": int64(3), "open": true, "lang.x-y_z": "en", "tags": []any{"a"}, "free": []any{}}, ""},
		{rag.Metadata{"year": nil, "tags": nil}, ""},
		{rag.Metadata{"year": 2020.5}, "/metadata/year"},
		{rag.Metadata{"year": "2020"}, "/metadata/year"},
		{rag.Metadata{"year": 1e19}, "/metadata/year"},
		{rag.Metadata{"year": int64(math.MinInt64)}, "/metadata/year"},
		{rag.Metadata{"price": "1"}, "/metadata/price"},
		{rag.Metadata{"price": -math.MaxFloat64}, "/metadata/price"},
		{rag.Metadata{"open": "true"}, "/metadata/open"},
		{rag.Metadata{"lang.x-y_z": int64(1)}, "/metadata/lang.x-y_z"},
		{rag.Metadata{"tags": "a"}, "/metadata/tags"},
		{rag.Metadata{"tags": []any{"a", 1.0}}, "/metadata/tags"},
		{rag.Metadata{"tags": make([]string, maxList+1)}, "/metadata/tags"},
		{rag.Metadata{"free": map[string]any{"a": 1}}, "/metadata/free"},
		{rag.Metadata{"free": math.NaN()}, "/metadata/free"},
		{rag.Metadata{"a b": "x"}, "/metadata"},
		{manyKeys(100), "/metadata"},
	}
	for _, test := range tests {
		err := CheckMetadata(allFields(), test.metadata)
		if pointer := pointerOf(err); pointer != test.pointer || (err == nil) != (test.pointer == "") {
			t.Errorf("%.100v: %v points at %q, want %q", test.metadata, err, pointer, test.pointer)
		}
	}
}

// manyKeys makes metadata with n strings of the longest kept length.
func manyKeys(n int) rag.Metadata {
	m := rag.Metadata{}
	for i := range n {
		m[fmt.Sprintf("key%d", i)] = strings.Repeat("x", keptString)
	}
	return m
}
