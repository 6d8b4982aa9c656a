package parse

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// How lines are told apart, in parts of a font's size.
const (
	biggerFont   = 1.12    // a heading is printed at least so much bigger than the running text
	sameFont     = 0.08    // fonts whose sizes differ by less are one
	wideGap      = 1.2     // a gap so much wider than between the lines of a paragraph ends it
	indent       = 0.8     // a line that starts so much further right may begin a paragraph
	shortLine    = 0.75    // of the page's widest line: a shorter line that ends a sentence ends its paragraph
	headingRunes = 200     // a longer piece of big print is no heading
	headingLevel = 6       // as deep as levels go; what is smaller counts to the last
	leader       = ". . ." // leads to a page number in a table of contents
	headingShare = 0.25    // of a document's text: where more is printed big, size says nothing about structure
)

// layOut joins printed lines into paragraphs and headings.
func layOut(b *builder, lines []pdfLine) {
	lines = withoutPageNumbers(lines)
	body := bodySize(lines)
	groups := paragraphs(lines, pitch(lines, body))
	levels := headingLevels(groups, body)
	var items []string // of the list that is open
	flush := func() {
		b.add(rag.BlockList, strings.Join(items, "\n"))
		items = nil
	}
	for _, g := range groups {
		text := joinLines(g)
		if item := listItem(text); !item || b.page != g[0].page {
			flush()
		}
		b.page = g[0].page
		switch level, big := levels[rounded(g[0].size)]; {
		case big && isHeading(g, text, body):
			b.heading(level, text)
		case listItem(text):
			items = append(items, text)
		default:
			b.add(rag.BlockParagraph, text)
		}
	}
	flush()
}

// numberedPages is on how many pages a number at the top or bottom must keep step with the pages to be their number.
const numberedPages = 3

// withoutPageNumbers leaves out the numbers printed on the pages, where they stand on a line of their own.
func withoutPageNumbers(lines []pdfLine) []pdfLine {
	steps := map[int]int{}      // how many lines have a number that is so much above their page's place in the file
	candidates := map[int]int{} // the same by line
	for i, line := range lines {
		first, last := i == 0 || lines[i-1].page != line.page, i == len(lines)-1 || lines[i+1].page != line.page
		number, err := strconv.Atoi(strings.Trim(line.text, "-–— "))
		if err != nil || !first && !last {
			continue
		}
		steps[number-line.page]++
		candidates[i] = number - line.page
	}
	kept := make([]pdfLine, 0, len(lines))
	for i, line := range lines {
		if step, ok := candidates[i]; !ok || steps[step] < numberedPages {
			kept = append(kept, line)
		}
	}
	return kept
}

// bodySize gives the size that most of the text is printed in, or 0.
func bodySize(lines []pdfLine) float64 {
	runes := map[float64]int{}
	for _, line := range lines {
		if line.size > 0 {
			runes[rounded(line.size)] += utf8.RuneCountInString(line.text)
		}
	}
	best := 0.0
	for size, n := range runes {
		if n > runes[best] || n == runes[best] && size < best {
			best = size
		}
	}
	return best
}

// pitch gives the usual distance between two lines of running text, in parts of the font's size.
func pitch(lines []pdfLine, body float64) float64 {
	var gaps []float64
	for i := 1; i < len(lines); i++ {
		above, below := lines[i-1], lines[i]
		if gap := above.last - below.first; above.page == below.page && rounded(below.size) == body && sameSize(above, below) && gap > 0.5*below.size && gap < 3*below.size {
			gaps = append(gaps, gap/below.size)
		}
	}
	if len(gaps) == 0 {
		return 1.2 // what typesetters use
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// paragraphs groups the lines.
func paragraphs(lines []pdfLine, pitch float64) [][]pdfLine {
	widest := map[int]int{}
	for _, line := range lines {
		widest[line.page] = max(widest[line.page], utf8.RuneCountInString(line.text))
	}
	var groups [][]pdfLine
	for i, line := range lines {
		if n := len(groups); n > 0 && !starts(lines[i-1], line, pitch, widest[line.page]) {
			groups[n-1] = append(groups[n-1], line)
			continue
		}
		groups = append(groups, []pdfLine{line})
	}
	return groups
}

// starts reports whether below begins a new paragraph.
func starts(above, below pdfLine, pitch float64, widest int) bool {
	ended := endsSentence(above.text)
	switch {
	case above.page != below.page || listItem(below.text):
		return true
	case ended && float64(utf8.RuneCountInString(above.text)) < shortLine*float64(widest):
		return true
	case above.size == 0 || below.size == 0:
		return false
	}
	gap := above.last - below.first
	if math.Abs(gap) < 0.5*below.size { // on one line
		return !sameSize(above, below) && below.size > above.size
	}
	switch {
	case !sameSize(above, below):
		return true
	case gap < 0: // up, into the next column
		return ended
	case gap > wideGap*pitch*below.size:
		return true
	}
	return ended && below.x-above.x > indent*below.size && !listItem(above.text)
}

// headingLevels gives the level of every size that headings are printed in: the biggest is the first.
func headingLevels(groups [][]pdfLine, body float64) map[float64]int {
	big, all := 0, 0
	var sizes []float64
	for _, g := range groups {
		text := joinLines(g)
		n := utf8.RuneCountInString(text)
		all += n
		if isHeading(g, text, body) {
			big += n
			sizes = append(sizes, rounded(g[0].size))
		}
	}
	if float64(big) > headingShare*float64(all) {
		return nil
	}
	slices.SortFunc(sizes, func(a, b float64) int { return cmp.Compare(b, a) })
	levels := map[float64]int{}
	for _, size := range slices.Compact(sizes) {
		levels[size] = min(len(levels)+1, headingLevel)
	}
	return levels
}

func isHeading(lines []pdfLine, text string, body float64) bool {
	return body > 0 && lines[0].size >= biggerFont*body && utf8.RuneCountInString(text) <= headingRunes &&
		!strings.HasSuffix(text, ".") && !strings.Contains(text, leader) && !listItem(text) && strings.ContainsFunc(text, unicode.IsLetter)
}

func joinLines(lines []pdfLine) string {
	var b strings.Builder
	for i, line := range lines {
		text := line.text
		if i+1 < len(lines) && hyphenated(text, lines[i+1].text) {
			b.WriteString(strings.TrimSuffix(text, "-"))
			continue
		}
		b.WriteString(text)
		if i+1 < len(lines) {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// hyphenated reports whether a line ends in a hyphen that cuts a word which the next one goes on with.
func hyphenated(line, next string) bool {
	stem, ok := strings.CutSuffix(line, "-")
	if !ok {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(stem)
	first, _ := utf8.DecodeRuneInString(next)
	return unicode.IsLetter(last) && unicode.IsLower(first)
}

func listItem(line string) bool {
	first, _, more := strings.Cut(line, " ")
	return more && strings.Contains("•-*–▪◦‣●○■", first) && utf8.RuneCountInString(first) == 1
}

func endsSentence(line string) bool {
	line = strings.TrimRight(line, `"')]”’»`)
	last, _ := utf8.DecodeLastRuneInString(line)
	return line != "" && strings.ContainsRune(".!?:。！？", last)
}

func sameSize(a, b pdfLine) bool { return math.Abs(a.size-b.size) <= sameFont*max(a.size, b.size) }

// rounded gives a size to the nearest half point.
func rounded(size float64) float64 { return math.Round(2*size) / 2 }
