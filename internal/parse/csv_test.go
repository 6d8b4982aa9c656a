package parse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestCSV(t *testing.T) {
	table := func(text string) []shown { return []shown{{rag.BlockTable, text, "", 0}} }
	tests := []struct {
		name, in string
		want     []shown
	}{
		{"commas", "name,city\nAnna,Berlin\nBob,\"Paris, France\"\n", table("name | city\nAnna | Berlin\nBob | Paris, France")},
		{"semicolons with decimal commas", "item;price\ntea;1,50\nmilk;2,20\n", table("item | price\ntea | 1,50\nmilk | 2,20")},
		{"tabs with empty cells", "a\tb\tc\n1\t\t3\n\t2\t\n", table("a | b | c\n1 |  | 3\n | 2 |")},
		{"bars", "a|b\n1|2\n", table("a | b\n1 | 2")},
		{"line ends and quotes in cells", "id,note\r\n1,\"two\r\nlines \"\"quoted\"\"\"\r\n2,x\r\n", table("id | note\n1 | two lines \"quoted\"\n2 | x")},
		{"no header", "1,Anna\n2,Bob\n", table("A | B\n1 | Anna\n2 | Bob")},
		{"no header, a word again below", "red,x\nblue,y\nred,z\n", table("A | B\nred | x\nblue | y\nred | z")},
		{"years are headers", "country,2019,2020\nFrance,1,2\n", table("country | 2019 | 2020\nFrance | 1 | 2")},
		{"ragged rows", "a,b\n1\n1,2,3\n", table("a | b\n1\n1 | 2 | 3")},
		{"blank rows", "a,b\n\n,\n1,2\n", table("a | b\n1 | 2")},
		{"what Excel writes first", "sep=;\r\na;b\r\n1,2;3\r\n", table("a | b\n1,2 | 3")},
		{"a mark of UTF-8", "\ufeffa,b\n1,2\n", table("a | b\n1 | 2")},
		{"one column", "name\nAnna\n", table("name\nAnna")},
		{"only a header", "name,city\n", table("name | city")},
		{"a stray quotation mark", "a,b\n5\" disk,x\n", table("a | b\n5\" disk | x")},
		{"a cut file", "a,b\n1,2\n3,\"ope", table("a | b\n1 | 2\n3 | ope")},
		{"odd characters", "a,b\n\u200b\u202ex,\x00y\n", table("a | b\nx | y")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeCSV, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
			if p.Title != "" || (len(p.Warnings) > 0) != (test.name == "odd characters") {
				t.Errorf("title %q, warnings %q", p.Title, p.Warnings)
			}
		})
	}
}

func TestCSVNamesTheRowsOfALongTable(t *testing.T) {
	in := "id,name\n"
	for i := range 450 {
		in += fmt.Sprintf("%d,row %d\n", i, i+2)
	}
	p, err := parse(t, TypeCSV, []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, b := range check(t, p) {
		if b.Kind == rag.BlockTable {
			lines := strings.Split(b.Text, "\n")
			var from, to int
			if _, err := fmt.Sscanf(b.Path, "Rows %d-%d", &from, &to); err != nil || lines[0] != "id | name" ||
				!strings.HasSuffix(lines[1], fmt.Sprintf("row %d", from)) || !strings.HasSuffix(lines[len(lines)-1], fmt.Sprintf("row %d", to)) {
				t.Errorf("%s holds %q to %q below %q (%v)", b.Path, lines[1], lines[len(lines)-1], lines[0], err)
			}
			paths = append(paths, b.Path)
		}
	}
	if diff := cmp.Diff([]string{"Rows 2-201", "Rows 202-401", "Rows 402-451"}, paths); diff != "" {
		t.Error(diff)
	}
}

func TestHostileCSV(t *testing.T) {
	long := strings.Repeat("x", 50<<20)
	wide := strings.TrimSuffix(strings.Repeat("a,", 1_000_000), ",")
	for name, test := range map[string]struct {
		in       string
		warnings int
	}{
		"a quotation mark that is never closed": {"a,b\n\"open,1\n" + strings.Repeat("x,2\n", 3000), 1},
		"one line":                              {long, 0},
		"one cell in quotation marks":           {"\"" + long, 0},
		"a million columns":                     {wide + "\n" + wide + "\n", 0},
		"a wide header above many rows":         {wide + "\n" + strings.Repeat("1\n", 100_000), 0},
		"nothing but delimiters":                {"a,b\n" + strings.Repeat(",\n", 1_000_000), 0},
	} {
		p, err := parse(t, TypeCSV, []byte(test.in))
		if err != nil || len(p.Warnings) != test.warnings || len(p.Text) > 3*len(test.in) {
			t.Errorf("%s: %d bytes of %d, warnings %q, %v", name, len(p.Text), len(test.in), p.Warnings, err)
		}
		check(t, p)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,\"x\ny\"\n"))
	f.Add([]byte("sep=;\na;b\n"))
	f.Add([]byte("a\tb\n\"1\t2\n"))
	fuzz(f, TypeCSV)
}
