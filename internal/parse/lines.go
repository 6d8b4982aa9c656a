package parse

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortLine is the part of a page's widest line below which a line that ends a sentence also ends its paragraph.
const shortLine = 0.75

// paragraphs joins the lines of a page, as they are printed, into paragraphs. A paragraph ends at an empty line, after
// a sentence's end on a line that is clearly shorter than the widest, and before a list item. A word cut by a hyphen at
// a line's end is joined.
func paragraphs(page string) []string {
	lines := strings.Split(page, "\n")
	widest := 0
	for _, line := range lines {
		widest = max(widest, utf8.RuneCountInString(strings.TrimSpace(line)))
	}
	var out []string
	var open strings.Builder
	flush := func() {
		if open.Len() > 0 {
			out = append(out, open.String())
			open.Reset()
		}
	}
	for _, line := range lines {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || item(line) {
			flush()
		}
		if line == "" {
			continue
		}
		joinLine(&open, line)
		if endsSentence(line) && float64(utf8.RuneCountInString(line)) < shortLine*float64(widest) {
			flush()
		}
	}
	flush()
	return out
}

func joinLine(open *strings.Builder, line string) {
	before := open.String()
	switch {
	case before == "":
	case hyphenated(before, line):
		open.Reset()
		open.WriteString(strings.TrimSuffix(before, "-"))
	default:
		open.WriteByte(' ')
	}
	open.WriteString(line)
}

// hyphenated reports whether a line ends in a hyphen that cuts a word which the next one goes on with.
func hyphenated(before, next string) bool {
	stem, ok := strings.CutSuffix(before, "-")
	if !ok {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(stem)
	first, _ := utf8.DecodeRuneInString(next)
	return unicode.IsLetter(last) && unicode.IsLower(first)
}

func item(line string) bool {
	first, _, _ := strings.Cut(line, " ")
	return first == "•" || first == "-" || first == "*" || first == "–" || first == "▪" || first == "◦"
}

func endsSentence(line string) bool {
	return strings.HasSuffix(line, ".") || strings.HasSuffix(line, "!") || strings.HasSuffix(line, "?") || strings.HasSuffix(line, ":")
}
