package parse

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestAsciiDoc(t *testing.T) {
	heading := func(text, path string) shown { return shown{rag.BlockHeading, text, path, 0} }
	paragraph := func(text, path string) shown { return shown{rag.BlockParagraph, text, path, 0} }
	code := func(text string) shown { return shown{rag.BlockCode, text, "", 0} }
	list := func(text string) []shown { return []shown{{rag.BlockList, text, "", 0}} }
	tests := []struct {
		name, in string
		want     []shown
	}{
		{"sections", "= The Guide\nA. Author <a@b.c>\nv1.0\n:product: Kite\n\nUse {product}, not {other}.\n\n== Setup\n\nx\n\n=== Deep\ny\n\n== Next\n", []shown{
			heading("The Guide", "The Guide"), paragraph("Use Kite, not {other}.", "The Guide"), heading("Setup", "The Guide > Setup"), paragraph("x", "The Guide > Setup"),
			heading("Deep", "The Guide > Setup > Deep"), paragraph("y", "The Guide > Setup > Deep"), heading("Next", "The Guide > Next")}},
		{"markup inside lines", "A *word*, _two words_, `code_x`, link:x.html[a link], https://x.y[that page], <<id,there>>, snake_case_name and #mark#.", []shown{
			paragraph("A word, two words, code_x, a link, that page, there, snake_case_name and mark.", "")}},
		{"blocks", "[source,go]\n.An example\n----\nfunc f() {\n\n}\n----\n\n....\nliteral\n....\n\n```sh\nmake\n```\n\n====\nInside.\n====\n\n////\nno\n////\n\n++++\n<b>\n++++\n\n indented\n\nNOTE: Mind.\n", []shown{
			paragraph("An example", ""), code("func f() {\n\n}"), code("literal"), code("make"), paragraph("Inside.", ""), code("indented"), paragraph("NOTE: Mind.", "")}},
		{"lists", "* one\n** deep\ngoes on\n* two\n\n* three\n\nafter\n", append(list("- one\n  - deep\n  goes on\n- two\n- three"), paragraph("after", ""))},
		{"numbers", ". one\n.. deep\n. two\n", list("1. one\n  1. deep\n1. two")},
		{"terms", "CPU:: The brain.\nRAM::\n  Holds.\n", []shown{paragraph("CPU: The brain.\nRAM::\n  Holds.", "")}},
		{"tables", "|===\n|a |b\n\n|1\n|2\n\n|3 2+|*4*\n|===\n\n[cols=\"1,2*\"]\n|===\n|x\n|y\n|z\n|===\n", []shown{
			{rag.BlockTable, "a | b\n1 | 2\n3 | 4", "", 0}, {rag.BlockTable, "x | y | z", "", 0}}},
		{"what is not shown", "// a comment\ninclude::x.adoc[]\nimage::x.png[Alt]\n[[anchor]]\nText.\n'''\n", []shown{paragraph("Text.\n'''", "")}},
		{"a block that never ends", "----\ncode\n", []shown{code("code")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeAsciiDoc, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHostileAsciiDoc(t *testing.T) {
	value := strings.Repeat("v", 200)
	for name, in := range map[string]string{
		"one line":          strings.Repeat("x", 50<<20),
		"marks":             strings.Repeat("*", 1<<20) + "\n" + strings.Repeat("`a", 1<<20) + strings.Repeat("[", 1<<20),
		"attributes":        ":a: " + value + "\n:b: {a}{a}{a}\n\n" + strings.Repeat("x {b} ", 100_000),
		"blocks never end":  strings.Repeat("----\n", 100_001) + "x",
		"a table's columns": "[cols=\"" + strings.Repeat("999999*,", 10_000) + "\"]\n|===\n" + strings.Repeat("|a\n", 100_000) + "|===\n",
		"cells":             "|===\n" + strings.Repeat("|", 1<<20) + "a\n|===\nx\n",
	} {
		began := time.Now()
		p, err := parse(t, TypeAsciiDoc, []byte(in))
		if err != nil || len(p.Text) > 50*len(in) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(p.Text), len(in), err)
		}
		check(t, p)
		t.Log(name, time.Since(began))
	}
}

func FuzzAsciiDoc(f *testing.F) {
	f.Add([]byte("= T\n:a: b\n\n* x\n+\n--\ny\n--\n\n[cols=2*]\n|===\n|a |b\n|===\n\n----\nc\n----\n{a} *b* <<c,d>>\n"))
	fuzz(f, TypeAsciiDoc)
}
