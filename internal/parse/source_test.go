package parse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// parseNamed parses what a file of a name holds.
func parseNamed(t *testing.T, mediaType, name, content string) rag.Parsed {
	t.Helper()
	r := New(Options{})
	defer r.Close()
	p, err := r.Parse(t.Context(), rag.Original{ReadSeeker: bytes.NewReader([]byte(content)), Size: int64(len(content)), MediaType: mediaType, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSource(t *testing.T) {
	tests := []struct {
		file, in string
		want     []string // path, and the first and last line of each piece of code
	}{
		{"a.go", "// Package a does.\npackage a\n\nimport \"fmt\"\n\n// T holds.\ntype T[K any] struct {\n\tx K\n}\n\nconst (\n\tA = 1\n\n\tB = 2\n)\n\n// Do does\n// it.\nfunc (t *T[K]) Do() {\n\n\tfmt.Println()\n}\n\nfunc main() {}\n", []string{
			"a.go|// Package a does.|package a", "a.go|import \"fmt\"|import \"fmt\"", "a.go > T|// T holds.|}", "a.go > A, B|const (|)", "a.go > T.Do|// Do does|}", "a.go > main|func main() {}|func main() {}"}},
		{"broken.go", "package a\n\nfunc One() {\n\tif {\n}\n\nfunc (t *T) Two() {\n}\n", []string{"broken.go|package a|package a", "broken.go > One|func One() {|}", "broken.go > Two|func (t *T) Two() {|}"}},
		{"a.py", "import os\n\n# Makes it.\n@cached\ndef make(x):\n    y = 1\n\n    return y\n\n\nclass Big(Base):\n    def inner(self):\n        pass\n\nLIMIT = 5\nif __name__ == \"__main__\":\n    make(1)\n", []string{
			"a.py|import os|import os", "a.py > make|# Makes it.|    return y", "a.py > Big|class Big(Base):|        pass", "a.py|LIMIT = 5|    make(1)"}},
		{"a.ts", "import x from 'x'\n\n/**\n * Adds.\n */\nexport async function add(a: number) {\n  return a\n}\n\nexport const double = (a: number) => {\n  return a * 2\n}\n\nexport default class Store<T> {\n}\n\nconst plain = 5\n", []string{
			"a.ts|import x from 'x'|import x from 'x'", "a.ts > add|/**|}", "a.ts > double|export const double = (a: number) => {|}", "a.ts > Store|export default class Store<T> {|}", "a.ts|const plain = 5|const plain = 5"}},
		{"A.java", "package p;\n\n/** Says. */\n@Deprecated\npublic final class A extends B {\n    void x() {}\n}\n", []string{"A.java|package p;|package p;", "A.java > A|/** Says. */|}"}},
		{"a.rs", "use std::fmt;\n\n/// A point.\n#[derive(Debug)]\npub struct Point { x: i32 }\n\nimpl fmt::Display for Point {\n    fn fmt(&self) {}\n}\n\npub(crate) async fn run() {}\n", []string{
			"a.rs|use std::fmt;|use std::fmt;", "a.rs > Point|/// A point.|pub struct Point { x: i32 }", "a.rs > impl fmt::Display for Point|impl fmt::Display for Point {|}", "a.rs > run|pub(crate) async fn run() {}|pub(crate) async fn run() {}"}},
		{"a.c", "#include <x.h>\n\nint forward(int);\n\n/* Adds. */\nstatic int *add(int a,\n                int b)\n{\n    if (a) return b;\n}\n\nstruct point {\n    int x;\n};\n\nint main(void) {\n    return 0;\n}\n", []string{
			"a.c|#include <x.h>|#include <x.h>", "a.c|int forward(int);|int forward(int);", "a.c > add|/* Adds. */|}", "a.c > point|struct point {|};", "a.c > main|int main(void) {|}"}},
		{"a.cpp", "template <typename T>\nclass Box {\n};\n\nvoid Box::open(int x) const {\n}\n", []string{"a.cpp > Box|template <typename T>|};", "a.cpp > Box::open|void Box::open(int x) const {|}"}},
		{"a.rb", "require 'x'\n\n# Greets.\ndef greet(name)\n  puts name\nend\n\nmodule Deep::Er\nend\n", []string{"a.rb|require 'x'|require 'x'", "a.rb > greet|# Greets.|end", "a.rb > Deep::Er|module Deep::Er|end"}},
		{"a.sh", "#!/bin/sh\nset -e\n\n# Builds.\nbuild() {\n\tmake\n}\n\nbuild \"$@\"\n", []string{"a.sh|#!/bin/sh|set -e", "a.sh > build|# Builds.|}", "a.sh|build \"$@\"|build \"$@\""}},
		{"run", "#!/usr/bin/env python3\n\ndef go():\n    pass\n", []string{"run|#!/usr/bin/env python3|#!/usr/bin/env python3", "run > go|def go():|    pass"}},
		{"a.sql", "-- Users.\nCREATE TABLE IF NOT EXISTS users (\n  id int\n);\n\ncreate or replace view v as select 1;\n", []string{"a.sql > users|-- Users.|);", "a.sql > v|create or replace view v as select 1;|create or replace view v as select 1;"}},
		{"a.kt", "data class P(val x: Int)\n\nfun String.shout(): String {\n    return this\n}\n", []string{"a.kt > P|data class P(val x: Int)|data class P(val x: Int)", "a.kt > String.shout|fun String.shout(): String {|}"}},
		{"a.php", "<?php\n\nnamespace App;\n\nabstract class Model\n{\n}\n\nfunction help() {}\n", []string{"a.php|<?php|<?php", "a.php > App|namespace App;|namespace App;", "a.php > Model|abstract class Model|}", "a.php > help|function help() {}|function help() {}"}},
		{"a.yaml", "a:\n  b: 1\n\n  c: 2\n\nd: 3\n", []string{"a.yaml|a:|  c: 2", "a.yaml|d: 3|d: 3"}},
		{"", "x = 1\n", []string{"|x = 1|x = 1"}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			p := parseNamed(t, TypeSource, test.file, test.in)
			var got []string
			for _, b := range check(t, p) {
				if b.Kind == rag.BlockCode {
					lines := strings.Split(b.Text, "\n")
					got = append(got, b.Path+"|"+lines[0]+"|"+lines[len(lines)-1])
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if p.Title != test.file {
				t.Errorf("title %q", p.Title)
			}
		})
	}
}

func TestSourceKeepsIndentAndBlankLines(t *testing.T) {
	p := parseNamed(t, TypeSource, "a.py", "def f():\n\n\tx = [\n\t    1,\n\n\t]\n")
	if got := check(t, p); got[1].Text != "def f():\n\n\tx = [\n\t    1,\n\n\t]" {
		t.Errorf("got %q", got[1].Text)
	}
}

func TestHostileSource(t *testing.T) {
	for name, in := range map[string]string{
		"deep.go":   "package a\n\nvar x = " + strings.Repeat("(", 1<<20) + "1\n",
		"line.js":   strings.Repeat("x", 50<<20),
		"lines.c":   strings.Repeat("int f(int a)\n", 200_000),
		"blanks.py": "x\n" + strings.Repeat("\n", 1<<20) + "y",
		"marks.rs":  strings.Repeat("// a\n", 500_000) + "fn x() {}\n",
		"words.cpp": strings.Repeat("a b c d e f<g> & * ", 1000) + "(\n",
	} {
		if p := parseNamed(t, TypeSource, name, in); len(p.Blocks) == 0 {
			t.Errorf("%s: no block", name)
		}
	}
}

func FuzzSource(f *testing.F) {
	names := []string{"a.go", "a.py", "a.c", "a.ts", "a.rs", "a.sh", "a.yaml", ""}
	f.Add(uint8(0), []byte("package a\n\n// F\nfunc F() {}\n"))
	f.Add(uint8(1), []byte("# c\ndef f():\n  pass\n\nx = 1\n"))
	f.Add(uint8(2), []byte("/* c */\nint f(int a)\n{\n}\n"))
	r := New(Options{})
	f.Fuzz(func(t *testing.T, which uint8, original []byte) {
		p, err := r.Parse(t.Context(), rag.Original{ReadSeeker: bytes.NewReader(original), MediaType: TypeSource, Name: names[int(which)%len(names)]})
		if err == nil {
			check(t, p)
		} else if strings.Contains(err.Error(), "panic") {
			t.Fatal(err)
		}
	})
}
