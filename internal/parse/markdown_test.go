package parse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestMarkdownDetails(t *testing.T) {
	tests := []struct {
		name, in string
		want     []shown
	}{
		{"a byte order mark", "\ufeff# A", []shown{{rag.BlockHeading, "A", "A", 0}}},
		{"escapes and entities", "a \\* b &amp; &#169; `x &amp; \\*`", []shown{{rag.BlockParagraph, "a * b & © x &amp; \\*", "", 0}}},
		{"numbers", "3. three\n4. four\n", []shown{{rag.BlockList, "3. three\n4. four", "", 0}}},
		{"tasks", "- [x] done\n- [ ] open\n", []shown{{rag.BlockList, "- [x] done\n- [ ] open", "", 0}}},
		{"blocks in an item", "- one\n\n  > said\n  >\n  > more\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |\n", []shown{{rag.BlockList, "- one\n  said\nmore\n  a | b\n1 | 2", "", 0}}},
		{"the indent of code", "        deep\n    flat\n", []shown{{rag.BlockCode, "    deep\nflat", "", 0}}},
		{"HTML", "<table><tr><td>a</td><td>b</td></tr></table>\n\n<p align=center>Hi <b>there</b></p>\n\n<script>\nx()\n</script>\n\n<!-- no -->\n", []shown{
			{rag.BlockTable, "a | b", "", 0}, {rag.BlockParagraph, "Hi there", "", 0}}},
		{"links", "[text](http://x.y) <http://a.b> ![alt](i.png)", []shown{{rag.BlockParagraph, "text http://a.b alt", "", 0}}},
		{"a section closes those below it", "# A\n### B\n## C\nx\n# D\ny\n", []shown{
			{rag.BlockHeading, "A", "A", 0}, {rag.BlockHeading, "B", "A > B", 0}, {rag.BlockHeading, "C", "A > C", 0},
			{rag.BlockParagraph, "x", "A > C", 0}, {rag.BlockHeading, "D", "D", 0}, {rag.BlockParagraph, "y", "D", 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeMarkdown, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHostileMarkdown holds files that would cost their parser minutes or all memory.
func TestHostileMarkdown(t *testing.T) {
	tests := []struct {
		name, in string
		hostile  bool
	}{
		{"quotes in quotes", strings.Repeat(">", 50_000) + "a", true},
		{"lists in lists", strings.Repeat("- ", 50_000) + "a", true},
		{"numbers in numbers", strings.Repeat("1. ", 50_000) + "a", true},
		{"a table of empty cells", strings.Repeat("|a", 20_000) + "\n" + strings.Repeat("|-", 20_000) + "\n" + strings.Repeat("|x\n", 20_000), true},
		{"such a table in a quote", "> " + strings.Repeat("|a", 20_000) + "\n> " + strings.Repeat("|-", 20_000) + "\n" + strings.Repeat("> |x\n", 20_000), true},
		{"a big table that is full", "|a|b|\n|-|-|\n" + strings.Repeat("|1|2|\n", 5_000), false},
		{"quotes nested like a mail's", strings.Repeat("> ", 20) + "a", false},
		{"rules", strings.Repeat("---\n", 100) + "* * *\n", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeMarkdown, []byte(test.in))
			if err == nil {
				check(t, p)
			}
			if got := len(p.Warnings) > 0; got != test.hostile {
				t.Errorf("hostile: %v, want %v (%v)", got, test.hostile, err)
			}
		})
	}
}
