package parse

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// printed makes the lines of one page: 10 points of text, 12 from line to line, from the given start on.
func printed(page int, texts ...string) []pdfLine {
	var lines []pdfLine
	for i, text := range texts {
		y := 700 - 12*float64(i)
		lines = append(lines, pdfLine{text: text, page: page, size: 10, x: 50, y: y})
	}
	return lines
}

func laidOut(lines []pdfLine) []shown {
	var b builder
	pages := map[int]*pdfPrinted{}
	var order []pdfPrinted
	for _, line := range lines {
		if pages[line.page] == nil {
			pages[line.page] = &pdfPrinted{number: line.page, box: pdfBox{right: 600, high: 800}}
		}
		pages[line.page].lines = append(pages[line.page].lines, line)
	}
	for _, number := range slices.Sorted(maps.Keys(pages)) {
		order = append(order, *pages[number])
	}
	heads := runningHeads(order)
	lines = nil
	for i, page := range order {
		for at, line := range page.lines {
			if !heads[i][at] {
				lines = append(lines, line)
			}
		}
	}
	layOut(&b, lines, styleOf(lines), nil, &pdfNumbers{})
	var out []shown
	for _, block := range b.finished() {
		out = append(out, shown{block.Kind, block.Text, strings.Join(block.Headings, " > "), block.Page})
	}
	return out
}

func TestLayOut(t *testing.T) {
	wide := "This line is as wide as the column and goes on"
	big := func(line pdfLine, size float64) pdfLine { line.size = size; return line }
	gap := printed(1, wide, "here until it stops", wide, "again")
	gap[2].y, gap[3].y = 668, 656
	indented := printed(1, wide, "and it ends right here, at the end of a line.", wide, "again")
	indented[2].x = 65
	columns := printed(1, wide, "which is not over")
	columns = append(columns, printed(1, "at the column's end", wide)...)
	headed := printed(1, "Guide", "Setup", wide, "until here", "Use", wide, wide, wide)
	headed[0], headed[1], headed[4] = big(headed[0], 18), big(headed[1], 14), big(headed[4], 14)
	leaders := printed(1, "Setup . . . . . 3", wide, wide, wide)
	leaders[0] = big(leaders[0], 14)
	poster := printed(1, wide, "Big print that says a lot and is no heading of the small", "small", "Big print that says more")
	poster[1], poster[3] = big(poster[1], 20), big(poster[3], 20)
	plain := func(texts ...string) []pdfLine {
		lines := printed(1, texts...)
		for i := range lines {
			lines[i] = pdfLine{text: lines[i].text, page: 1}
		}
		return lines
	}
	para := func(page int, texts ...string) []shown {
		var out []shown
		for _, text := range texts {
			out = append(out, shown{rag.BlockParagraph, text, "", page})
		}
		return out
	}
	tests := []struct {
		name string
		in   []pdfLine
		want []shown
	}{
		{"lines of a paragraph", printed(1, wide, "until here."), para(1, wide+" until here.")},
		{"a wider gap", gap, para(1, wide+" here until it stops", wide+" again")},
		{"an indent after a sentence", indented, para(1, wide+" and it ends right here, at the end of a line.", wide+" again")},
		{"a short line that ends a sentence", printed(1, wide, "ends.", wide), para(1, wide+" ends.", wide)},
		{"pages", append(printed(1, wide), printed(2, wide)...), append(para(1, wide), para(2, wide)...)},
		{"on into the next column", columns, para(1, wide+" which is not over at the column's end "+wide)},
		{"a word cut at a line's end", printed(1, wide+" as it hap-", "pens here"), para(1, wide+" as it happens here")},
		{"a name with a hyphen", printed(1, wide+" by Jean-", "Paul here"), para(1, wide+" by Jean- Paul here")},
		{"list items", printed(1, "• one", "• two", "and more of it", "– three"), []shown{{rag.BlockList, "• one\n• two and more of it\n– three", "", 1}}},
		{"headings by size", headed, []shown{
			{rag.BlockHeading, "Guide", "Guide", 1}, {rag.BlockHeading, "Setup", "Guide > Setup", 1}, {rag.BlockParagraph, wide + " until here", "Guide > Setup", 1},
			{rag.BlockHeading, "Use", "Guide > Use", 1}, {rag.BlockParagraph, wide + " " + wide + " " + wide, "Guide > Use", 1}}},
		{"a table of contents has no headings", leaders, para(1, "Setup … 3", wide+" "+wide+" "+wide)},
		{"big print everywhere says nothing", poster, para(1, wide, poster[1].text, "small", poster[3].text)},
		{"page numbers", slices.Concat(printed(1, "7"), printed(2, "1", wide), printed(3, wide, "- 2 -"), printed(4, "3", "4", wide)),
			append(para(1, "7"), append(para(2, wide), append(para(3, wide), para(4, "4 "+wide)...)...)...)},
		{"lines without places", plain(wide, "go on", "ends.", wide), para(1, wide+" go on ends.", wide)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, laidOut(test.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNumbersTellLevels(t *testing.T) {
	var n pdfNumbers
	for _, h := range []struct {
		text        string
		given, want int
	}{
		{"6 Layout", 1, 1},
		{"6.5 Program modules", 2, 2},
		{"6.6 Extending", 3, 2},          // a bookmark that says otherwise
		{"6.6.1 Adding a program", 3, 3}, // below it
		{"Testing", 4, 4},                // no number
		{"9 Integration", 1, 1},          //
		{"Appendix A install-tl", 2, 1},  // as a chapter
		{"A.3 Description", 2, 2},        // below the appendix
		{"B.6 Actions", 3, 3},            // nothing to go on from
		{"B.6.3 Backup", 5, 4},           //
		{"B.6.8 generate", 5, 4},
		{"C Programs", 4, 4}, // a letter alone is a word
		{"1.1.1.1.1.1 Much too deep", 6, 6},
		{"Appendixes to come", 3, 3},
	} {
		if got := n.level(h.text, h.given); got != h.want {
			t.Errorf("%s: level %d, want %d", h.text, got, h.want)
		}
	}
	if got := (&pdfNumbers{}).level("Appendix A", 2); got != 2 {
		t.Errorf("an appendix without chapters: level %d", got)
	}
}
