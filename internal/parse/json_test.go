package parse

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestJSON(t *testing.T) {
	long := strings.Repeat("many words ", 30)
	tests := []struct {
		name, mediaType, in, title string
		want                       []shown
	}{
		{"an object", TypeJSON, `{"name":"Kite","size":{"wing":1.80,"tail":[1,2]},"tags":["red","bird"],"wild":true,"none":null,"empty":""}`, "Kite", []shown{
			{rag.BlockList, "name: Kite\nsize.wing: 1.80\nsize.tail: 1, 2\ntags: red, bird\nwild: true", "", 0}}},
		{"numbers stay as written", TypeJSON, `{"a":12345678901234567890123,"b":1e400,"c":0.10,"d":-0}`, "", []shown{
			{rag.BlockList, "a: 12345678901234567890123\nb: 1e400\nc: 0.10\nd: -0", "", 0}}},
		{"a list of records", TypeJSON, `[{"id":7,"x":1},{"title":"Second","id":8},{"x":{"deep":[{"y":2}]}}]`, "", []shown{
			{rag.BlockHeading, "id 7", "id 7", 0}, {rag.BlockList, "id: 7\nx: 1", "id 7", 0},
			{rag.BlockHeading, "Second", "Second", 0}, {rag.BlockList, "title: Second\nid: 8", "Second", 0},
			{rag.BlockHeading, "Record 3", "Record 3", 0}, {rag.BlockList, "x.deep[0].y: 2", "Record 3", 0}}},
		{"records inside an object", TypeJSON, `{"version":1,"users":[{"name":"Anna"},{"name":"Bob"}],"after":2}`, "", []shown{
			{rag.BlockList, "version: 1", "", 0}, {rag.BlockHeading, "users", "users", 0},
			{rag.BlockHeading, "Anna", "users > Anna", 0}, {rag.BlockList, "name: Anna", "users > Anna", 0},
			{rag.BlockHeading, "Bob", "users > Bob", 0}, {rag.BlockList, "name: Bob", "users > Bob", 0},
			{rag.BlockList, "after: 2", "", 0}}},
		{"a long text is a paragraph", TypeJSON, `{"a":1,"text":"` + long + `","b":"two\nlines","c":3}`, "", []shown{
			{rag.BlockList, "a: 1", "", 0}, {rag.BlockParagraph, "text: " + strings.TrimSpace(long), "", 0},
			{rag.BlockParagraph, "b: two\nlines", "", 0}, {rag.BlockList, "c: 3", "", 0}}},
		{"odd characters", TypeJSON, `{"a\u200b":"\u202ex\u0000\ud800y","é":"ß"}`, "", []shown{{rag.BlockList, "a: x\uFFFDy\né: ß", "", 0}}},
		{"lines of a notebook", TypeJSON, `{"cells":[{"source":["def f():\n","\n","    return 1"]}]}`, "", []shown{
			{rag.BlockHeading, "cells", "cells", 0}, {rag.BlockHeading, "Record 1", "cells > Record 1", 0}, {rag.BlockParagraph, "source: def f():\n\n    return 1", "cells > Record 1", 0}}},
		{"a value alone", TypeJSON, ` "only words" `, "", []shown{{rag.BlockList, "only words", "", 0}}},
		{"lines", TypeJSONL, "{\"title\":\"One\",\"n\":1}\n\n{\"n\":2}\n[1,2]\n", "", []shown{
			{rag.BlockHeading, "One", "One", 0}, {rag.BlockList, "title: One\nn: 1", "One", 0},
			{rag.BlockHeading, "Record 3", "Record 3", 0}, {rag.BlockList, "n: 2", "Record 3", 0}, {rag.BlockList, "1, 2", "", 0}}},
		{"lines that are one value", TypeJSONL, "{\n\"a\": 1\n}\n", "", []shown{{rag.BlockList, "a: 1", "", 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, test.mediaType, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
			if p.Title != test.title || (len(p.Warnings) > 0) != (test.name == "odd characters") {
				t.Errorf("title %q, warnings %q", p.Title, p.Warnings)
			}
		})
	}
}

func TestJSONThatIsNone(t *testing.T) {
	tests := []struct {
		name, mediaType, in, want, warning string
	}{
		{"with comments", TypeJSON, "{\n// why\n\"a\": 1\n}", "{\n// why\n\"a\": 1\n}", "not valid JSON"},
		{"cut inside a record", TypeJSON, `[{"a":1},{"b":2},{"c":`, "Record 1\n\na: 1\n\nRecord 2\n\nb: 2", "partial_text: "},
		{"cut at once", TypeJSON, `{"a":`, `{"a":`, "not valid JSON"},
		{"nested too deep", TypeJSON, strings.Repeat("[", 5000) + strings.Repeat("]", 5000), strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "100 deep"},
		{"a bad line", TypeJSONL, "{\"a\":1}\nno JSON\n{\"b\":2}\n{\"c\":", "Record 1\n\na: 1\n\nno JSON\n\nRecord 3\n\nb: 2\n\n{\"c\":", "2 lines are not valid JSON, the first of them line 2"},
		{"a line with more behind it", TypeJSONL, "{\"a\":1}\n{\"b\":2} x\n", "Record 1\n\na: 1\n\n{\"b\":2} x", "1 lines are not valid JSON"},
	}
	for _, test := range tests {
		p, err := parse(t, test.mediaType, []byte(test.in))
		if err != nil || p.Text != test.want || len(p.Warnings) != 1 || !strings.Contains(told(p.Warnings)[0], test.warning) {
			t.Errorf("%s: %.80q, warnings %q, %v", test.name, p.Text, p.Warnings, err)
		}
		check(t, p)
	}
}

func TestHostileJSON(t *testing.T) {
	for name, in := range map[string]string{
		"a long key above many values": `{"` + strings.Repeat("k", 1<<20) + `":{` + strings.Repeat(`"a":1,`, 100_000) + `"b":2}}`,
		"one long text":                `{"a":"` + strings.Repeat("x", 50<<20) + `"}`,
		"many keys":                    `{` + strings.Repeat(`"a":1,`, 1_000_000) + `"b":2}`,
		"many numbers":                 `{"vector":[` + strings.Repeat("0.12345,", 1_000_000) + `1]}`,
		"empty records":                `[` + strings.Repeat("{},", 1_000_000) + `{"a":1}]`,
	} {
		began := time.Now()
		p, err := parse(t, TypeJSON, []byte(in))
		if err != nil || len(p.Warnings) > 0 || len(p.Text) > 30*len(in) {
			t.Errorf("%s: %d bytes of %d, warnings %q, %v", name, len(p.Text), len(in), p.Warnings, err)
		}
		check(t, p)
		t.Log(name, time.Since(began))
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":[1,"x",null]},{"c":{"d":1e5}}],"title":"t"}`))
	f.Add([]byte(`[[{"a":1}],{"b":"\ud800"}] 5`))
	fuzz(f, TypeJSON)
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte("{\"a\":1}\nx\n[2]\r{\"b\":{}}"))
	fuzz(f, TypeJSONL)
}
