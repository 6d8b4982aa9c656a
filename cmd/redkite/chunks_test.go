//go:build cgo

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChunks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kites.md")
	if err := os.WriteFile(file, []byte("# Kites\n\n## Red\n\nThey nest in trees.\x1b[31m\n\n## Table\n\n| k | v |\n|---|---|\n| a | 1 |\n| b | 2 |\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := func(args ...string) (int, string, string) {
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"chunks", file, "--models", "../../models", "--data", t.TempDir()}, args...), &out, &errs)
		return code, out.String(), errs.String()
	}
	code, text, errs := cut("--min-tokens", "0")
	if code != 0 || !strings.Contains(text, "0  [12, 35)  8 tokens  Kites > Red\nThey nest in trees.[31m\n") || strings.Contains(text, "\x1b") {
		t.Errorf("%d %s: %s", code, errs, text)
	}
	code, text, errs = cut("--strategy", "row", "--max-tokens", "100", "--overlap", "0", "--min-tokens", "0", "--json")
	var report cutReport
	if err := json.Unmarshal([]byte(text), &report); err != nil || code != 0 || len(report.Chunks) != 3 {
		t.Fatalf("%d %v %s: %s", code, err, errs, text)
	}
	if last := report.Chunks[2]; last.Header != "k | v" || last.Text != "b | 2" || last.Tokens != 3 || report.Chunking.MaxTokens != 100 {
		t.Errorf("got %+v by %+v", last, report.Chunking)
	}
	if code, _, errs = cut("--max-tokens", "900"); code != 1 || !strings.Contains(errs, "478") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs = cut("--strategy", "words"); code != 2 || !strings.Contains(errs, "parent-child") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestChunksInColours(t *testing.T) {
	var out strings.Builder
	report := cutReport{Chunks: []shownChunk{{Text: "a"}, {Ordinal: 1, Header: "k", Text: "b"}, {Ordinal: 2, Text: "c"}}}
	report.print(output{out: &out}, true)
	for _, want := range []string{cyan + "a" + plain, faint + "k" + plain + "\n" + yellow + "b" + plain, cyan + "c" + plain} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}

func TestParseCut(t *testing.T) {
	asked, err := parseCut("parent-child:128:0:512")
	if err != nil || *asked.Strategy != "parent-child" || *asked.MaxTokens != 128 || *asked.Overlap != 0 || *asked.ParentTokens != 512 {
		t.Errorf("%v %+v", err, asked)
	}
	if asked, err = parseCut("page"); err != nil || asked.MaxTokens != nil {
		t.Errorf("%v %+v", err, asked)
	}
	for _, bad := range []string{"page:x", "page:1:2:3:4"} {
		if _, err := parseCut(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
