package parse

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pdfStyle is how a document is printed: what tells its headings from its running text. It is taken from a sample of
// its pages.
type pdfStyle struct {
	body  float64   // size that most of the text is printed in; 0 where none is known
	pitch float64   // usual distance of two lines of running text, in parts of the size
	sizes []float64 // that headings are printed in, the biggest first; none where big print says nothing
	shift int       // a heading numbered 1.2 is at level 2 and so many
	bold  bool      // bold lines of the running text's size are headings
}

// styleOf reads the style off lines of some of the pages.
func styleOf(lines []pdfLine) pdfStyle {
	s := pdfStyle{body: bodySize(lines)}
	s.pitch = pitch(lines, s.body)
	groups := paragraphs(lines, s.pitch)
	s.sizes = headingSizes(groups, s.body)
	s.bold = boldSays(groups, s.body)
	s.shift = numberShift(groups, s)
	return s
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
		if gap := above.y - below.y; above.page == below.page && rounded(below.size) == body && sameSize(above, below) && gap > 0.5*below.size && gap < 3*below.size {
			gaps = append(gaps, gap/below.size)
		}
	}
	if len(gaps) == 0 {
		return 1.2 // what typesetters use
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// headingSizes gives the sizes that headings are printed in, the biggest first.
func headingSizes(groups [][]pdfLine, body float64) []float64 {
	big, all := 0, 0
	var sizes []float64
	for _, g := range groups {
		text := joinLines(g)
		n := utf8.RuneCountInString(text)
		all += n
		if isBig(g, text, body) {
			big += n
			sizes = append(sizes, rounded(g[0].size))
		}
	}
	if float64(big) > headingShare*float64(all) {
		return nil
	}
	slices.SortFunc(sizes, func(a, b float64) int { return cmp.Compare(b, a) })
	return slices.Compact(sizes)
}

// boldSays reports whether bold print is seldom enough to mean headings.
func boldSays(groups [][]pdfLine, body float64) bool {
	bold, all := 0, 0
	for _, g := range groups {
		text := joinLines(g)
		all += utf8.RuneCountInString(text)
		if isBoldLine(g, text, body) {
			bold += utf8.RuneCountInString(text)
		}
	}
	return bold > 0 && float64(bold) <= headingShare*float64(all)
}

// numberShift compares the levels that sizes say with those that numbers say.
func numberShift(groups [][]pdfLine, s pdfStyle) int {
	shift, seen := 0, false
	for _, g := range groups {
		text := joinLines(g)
		depth := numberDepth(text)
		if depth == 0 || !isBig(g, text, s.body) && !(s.bold && isBoldLine(g, text, s.body)) {
			continue
		}
		if by := s.sizeLevel(g[0].size) - depth; !seen || by < shift {
			shift, seen = by, true
		}
	}
	return max(shift, 0)
}

// sizeLevel gives the level of a size of print: one more than there are bigger ones.
func (s pdfStyle) sizeLevel(size float64) int {
	level := 1
	for _, bigger := range s.sizes {
		if bigger > rounded(size) {
			level++
		}
	}
	return level
}

// heading gives the level of a group of lines that is a heading.
func (s pdfStyle) heading(lines []pdfLine, text string) (level int, ok bool) {
	big := len(s.sizes) > 0 && isBig(lines, text, s.body)
	if !big && !(s.bold && isBoldLine(lines, text, s.body)) {
		return 0, false
	}
	level = s.sizeLevel(lines[0].size)
	if depth := numberDepth(text); depth > 0 {
		level = depth + s.shift
	}
	return min(level, headingLevel), true
}

// isBig reports whether lines are printed as a heading is: bigger than the running text.
func isBig(lines []pdfLine, text string, body float64) bool {
	return body > 0 && lines[0].size >= biggerFont*body && isTitle(text, headingRunes)
}

// isBoldLine reports whether lines stand alone in bold print of the running text's size.
func isBoldLine(lines []pdfLine, text string, body float64) bool {
	if body <= 0 || len(lines) > 2 || !isTitle(text, boldRunes) || strings.ContainsAny(text[len(text)-1:], ",;:") {
		return false
	}
	for _, line := range lines {
		if !line.bold || line.size < (1-sameFont)*body || line.table > 0 {
			return false
		}
	}
	return true
}

func isTitle(text string, most int) bool {
	return utf8.RuneCountInString(text) <= most && !strings.HasSuffix(text, ".") && !strings.Contains(text, leader) && !strings.Contains(text, "....") &&
		!bulleted(text) && !isCaption(text) && strings.ContainsFunc(text, unicode.IsLetter)
}

// numbered is the number of a section, and what its title starts with.
var numbered = regexp.MustCompile(`^((?:[0-9]{1,3}|[A-Z])(?:\.[0-9]{1,3}){0,5})\.?\s+[\p{Lu}\p{Lo}\p{Lt}]`)

// numberDepth gives how many numbers stand before a title, or 0. A letter alone is the first word of a title, not an
// appendix's number.
func numberDepth(text string) int {
	found := numbered.FindStringSubmatch(text)
	if found == nil || len(found[1]) == 1 && unicode.IsLetter(rune(found[1][0])) {
		return 0
	}
	return 1 + strings.Count(found[1], ".")
}

func sameSize(a, b pdfLine) bool { return math.Abs(a.size-b.size) <= sameFont*max(a.size, b.size) }

// rounded gives a size to the nearest half point.
func rounded(size float64) float64 { return math.Round(2*size) / 2 }
