package parse

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What repeats over the pages.
const (
	numberedPages = 3    // on so many pages a line has to repeat, or a number keep step with the pages
	runningLines  = 3    // at most so many lines at the top, and at the bottom, are running heads
	runningRunes  = 160  // a longer line is text
	edgeShare     = 0.15 // of the page's height: running heads are in the uppermost or lowest part
	edgeGap       = 1.5  // of the print: a running head stands at least so much of a line away from the text
)

// pdfPrinted is a page whose lines are found, across all columns.
type pdfPrinted struct {
	number int // from 1
	box    pdfBox
	lines  []pdfLine
}

// withoutRunning takes what repeats at the pages' edges off them: headers, footers, page numbers.
func withoutRunning(sheets []pdfSheet, numbers []int) {
	pages := make([]pdfPrinted, len(sheets))
	rows := make([][][]pdfPiece, len(sheets))
	for i, sheet := range sheets {
		pages[i] = pdfPrinted{number: numbers[i], box: sheet.box}
		if len(sheet.pieces) > maxLaidOut {
			continue
		}
		rows[i] = rowsOf(sheet.pieces)
		for _, row := range rows[i] {
			pages[i].lines = append(pages[i].lines, lineOf(row))
		}
	}
	for i, drop := range runningHeads(pages) {
		if len(drop) == 0 {
			continue
		}
		sheets[i].pieces = nil
		for at, row := range rows[i] {
			if !drop[at] {
				sheets[i].pieces = append(sheets[i].pieces, row...)
			}
		}
	}
}

// runningHeads finds the lines that repeat at the edges, by page and index.
func runningHeads(pages []pdfPrinted) []map[int]bool {
	repeated, steps := map[string]int{}, map[int]int{}
	for _, page := range pages {
		for _, edge := range page.edges() {
			for _, at := range edge {
				if number, ok := pageNumber(page.lines[at].text); ok {
					steps[number-page.number]++
					continue
				}
				repeated[page.signature(at)]++
			}
		}
	}
	dropped := make([]map[int]bool, len(pages))
	for i, page := range pages {
		drop := map[int]bool{}
		for at, edge := range page.edges() {
			page.drop(drop, edge, at == 0, repeated, steps)
		}
		if len(drop) < len(page.lines) || onlyNumbers(page.lines) {
			dropped[i] = drop
		}
	}
	return dropped
}

// drop notes the running heads of one edge, the upper or the lower. What is further out than one is one too, where it repeats.
func (p pdfPrinted) drop(drop map[int]bool, edge []int, upper bool, repeated map[string]int, steps map[int]int) {
	for n, at := range edge {
		number, is := pageNumber(p.lines[at].text)
		if is && steps[number-p.number] >= numberedPages {
			drop[at] = true
			continue
		}
		if repeated[p.signature(at)] < numberedPages || !p.marginal(p.lines[at], upper) {
			return
		}
		if !p.alone(edge, n) {
			continue
		}
		for _, outer := range edge[:n+1] {
			drop[outer] = true
		}
	}
}

// edges gives the outermost lines of a page, from the top and from the bottom.
func (p pdfPrinted) edges() [2][]int {
	order := make([]int, 0, len(p.lines))
	for i, line := range p.lines {
		if line.table == 0 && utf8.RuneCountInString(line.text) <= runningRunes {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.lines[b].y, p.lines[a].y) })
	top := slices.Clone(order[:min(runningLines, len(order))])
	bottom := slices.Clone(order[max(0, len(order)-runningLines):])
	slices.Reverse(bottom)
	return [2][]int{top, bottom}
}

// signature tells lines that say the same at the same place from others; numbers in them don't count.
func (p pdfPrinted) signature(at int) string {
	line := p.lines[at]
	var b strings.Builder
	for _, r := range line.text {
		switch {
		case !unicode.IsDigit(r):
			b.WriteRune(r)
		case !strings.HasSuffix(b.String(), "#"):
			b.WriteByte('#')
		}
	}
	return fmt.Sprintf("%s@%d", b.String(), int(math.Round(line.y/4)))
}

// marginal reports whether a line is near the upper or lower edge of the page.
func (p pdfPrinted) marginal(line pdfLine, upper bool) bool {
	height := p.box.height()
	switch {
	case height <= 0 || math.IsInf(height, 0):
		return true
	case upper:
		return line.y > p.box.high-edgeShare*height
	}
	return line.y < p.box.low+edgeShare*height
}

// alone reports whether the nth line of an edge stands away from the next line of the page. The innermost does not: it
// is the text.
func (p pdfPrinted) alone(edge []int, n int) bool {
	line := p.lines[edge[n]]
	nearest := math.Inf(1)
	for _, other := range p.lines {
		gap := math.Abs(other.y - line.y)
		if inward := math.Abs(other.y-p.middle()) < math.Abs(line.y-p.middle()); inward && gap > 0.5*line.size {
			nearest = min(nearest, gap)
		}
	}
	return nearest > edgeGap*line.size && !math.IsInf(nearest, 1)
}

func (p pdfPrinted) middle() float64 { return (p.box.high + p.box.low) / 2 }

// pageNumber reads a line that is nothing but a number.
func pageNumber(text string) (int, bool) {
	number, err := strconv.Atoi(strings.Trim(text, "-–—[]| "))
	return number, err == nil
}

// onlyNumbers reports whether a page says nothing but numbers.
func onlyNumbers(lines []pdfLine) bool {
	for _, line := range lines {
		if _, ok := pageNumber(line.text); !ok {
			return false
		}
	}
	return true
}
