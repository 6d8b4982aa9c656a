package parse

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestRST(t *testing.T) {
	heading := func(text, path string) shown { return shown{rag.BlockHeading, text, path, 0} }
	paragraph := func(text, path string) shown { return shown{rag.BlockParagraph, text, path, 0} }
	code := func(text, path string) shown { return shown{rag.BlockCode, text, path, 0} }
	table := func(text string) []shown { return []shown{{rag.BlockTable, text, "", 0}} }
	list := func(text string) []shown { return []shown{{rag.BlockList, text, "", 0}} }
	tests := []struct {
		name, in string
		want     []shown
	}{
		{"sections by their underlines", "=====\nGuide\n=====\n\nWords.\n\nSetup\n-----\n\nMore.\n\nDeep\n~~~~\n\nx\n\nNext\n----\ny\n", []shown{
			heading("Guide", "Guide"), paragraph("Words.", "Guide"), heading("Setup", "Guide > Setup"), paragraph("More.", "Guide > Setup"),
			heading("Deep", "Guide > Setup > Deep"), paragraph("x", "Guide > Setup > Deep"), heading("Next", "Guide > Next"), paragraph("y", "Guide > Next")}},
		{"markup inside lines", "A *word*, **two words**, ``code*``, `link <http://x.y>`_, :ref:`that part <label>`, :class:`~a.B`, name_ and 2\\*3.\n", []shown{
			paragraph("A word, two words, code*, link, that part, a.B, name and 2*3.", "")}},
		{"literal blocks", "Run this::\n\n    make\n      all\n\n    test\n\nThen::\n\n  x\n\n::\n\n  alone\n", []shown{
			paragraph("Run this:", ""), code("make\n  all\n\ntest", ""), paragraph("Then:", ""), code("x", ""), code("alone", "")}},
		{"lists", "* one\n* two\n  goes on\n\n  - deep\n\n* three\n", list("- one\n- two\n  goes on\n  - deep\n- three")},
		{"numbers", "1. one\n2. two\n#. three\n", list("1. one\n2. two\n#. three")},
		{"directives", ".. note:: Mind *this*.\n\n   And that.\n\n.. code-block:: python\n   :linenos:\n\n   def f():\n       pass\n\n.. image:: x.png\n   :alt: no\n\n.. py:function:: add(a, b)\n\n   Adds.\n\nEnd\n", []shown{
			paragraph("Mind this.", ""), paragraph("And that.", ""), code("def f():\n    pass", ""), paragraph("add(a, b)", ""), paragraph("Adds.", ""), paragraph("End", "")}},
		{"comments, targets and footnotes", ".. a comment\n   goes on\n\n.. _target: http://x.y\n\n.. [1] The *note*.\n\nx\n", []shown{paragraph("[1] The note.", ""), paragraph("x", "")}},
		{"a grid table", "+-----+-------+\n| a   | b     |\n+=====+=======+\n| 1   | two   |\n|     | lines |\n+-----+-------+\n| 3   | ü     |\n+-----+-------+\n", table("a | b\n1 | two lines\n3 | ü")},
		{"a simple table", "=====  ======\nname   value\n=====  ======\none    1\ntwo    2\n       more\n=====  ======\n\n", table("name | value\none | 1\ntwo | 2 more")},
		{"tables of directives", ".. csv-table:: T\n   :header: no\n\n   a, \"b, c\"\n   1, 2\n\n.. list-table::\n\n   * - x\n     - y\n   * - 1\n     - 2\n       more\n", []shown{
			{rag.BlockTable, "a | b, c\n1 | 2", "", 0}, {rag.BlockTable, "x | y\n1 | 2 more", "", 0}}},
		{"fields and lines", ":Author: Me\n:Date: now\n\n| one\n| two\n", []shown{{rag.BlockList, "Author: Me\nDate: now", "", 0}, {rag.BlockList, "one\ntwo", "", 0}}},
		{"a quote, terms and a line across", "term\n  What it is.\n\n----\n\n    Said.\n", []shown{paragraph("term\n  What it is.", ""), paragraph("Said.", "")}},
		{"doctest", ">>> 1 + 1\n2\n", []shown{code(">>> 1 + 1\n2", "")}},
		{"a cut directive", "x\n\n.. code::", []shown{paragraph("x", "")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeRST, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHostileRST(t *testing.T) {
	nested := ""
	for i := range 2000 {
		nested += strings.Repeat(" ", i) + ".. note:: x\n\n"
	}
	for name, in := range map[string]string{
		"directives in directives": nested,
		"one line":                 strings.Repeat("x", 50<<20),
		"marks":                    strings.Repeat("*", 1<<20) + "\n" + strings.Repeat("`a", 1<<20),
		"titles":                   strings.Repeat("a\n=\n\n", 100_000),
		"a wide grid":              strings.Repeat("+-", 100_000) + "+\n" + strings.Repeat("|a\n", 2_000),
		"a wide simple table":      strings.Repeat("= ", 100_000) + "=\n" + strings.Repeat("a\n", 2_000),
	} {
		began := time.Now()
		p, err := parse(t, TypeRST, []byte(in))
		if err != nil || len(p.Text) > 2*len(in) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(p.Text), len(in), err)
		}
		check(t, p)
		t.Log(name, time.Since(began))
	}
}

func FuzzRST(f *testing.F) {
	f.Add([]byte("T\n=\n\n* a\n\n.. note:: x\n\n   y::\n\n     z\n\n+-+-+\n|a|b|\n+-+-+\n\n= =\na b\n= =\n"))
	f.Add([]byte(".. list-table::\n\n   * - x\n"))
	fuzz(f, TypeRST)
}
