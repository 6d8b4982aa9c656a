package parse

import (
	"regexp"
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
	shortLine    = 0.75    // of the column's widest line: a shorter line that ends a sentence ends its paragraph
	headingRunes = 200     // a longer piece of big print is no heading
	boldRunes    = 120     // a longer piece of bold print is no heading
	headingLevel = 6       // as deep as levels go; what is smaller counts to the last
	leader       = ". . ." // leads to a page number in a table of contents
	headingShare = 0.25    // of a document's text: where more is printed big, size says nothing about structure
)

// layOut joins printed lines into paragraphs, headings, lists, tables and captions.
func layOut(b *builder, lines []pdfLine, style pdfStyle, outline pdfOutline, numbers *pdfNumbers) {
	var items []string // of the list that is open
	flush := func() {
		b.add(rag.BlockList, strings.Join(items, "\n"))
		items = nil
	}
	for _, g := range paragraphs(lines, style.pitch) {
		text := joinLines(g)
		level, heading := outline.heading(g[0].page, text)
		if !heading {
			level, heading = style.heading(g, text)
		}
		if g[0].table > 0 {
			heading = false
		}
		item := !heading && listItem(text)
		if !item || b.page != g[0].page {
			flush()
		}
		b.page = g[0].page
		switch {
		case g[0].table > 0:
			b.add(rag.BlockTable, tableLines(g))
		case heading:
			b.heading(numbers.level(text, level), text)
		case item:
			items = append(items, text)
		case isCaption(text):
			b.add(rag.BlockCaption, text)
		default:
			b.add(rag.BlockParagraph, leaders.ReplaceAllString(text, " … "))
		}
	}
	flush()
}

// leaders are the dots in a table of contents. Written out they fill chunks with nothing.
var leaders = regexp.MustCompile(`\s*\.(?:\s*\.){4,}\s*`)

// paragraphs groups the lines.
func paragraphs(lines []pdfLine, pitch float64) [][]pdfLine {
	type place struct{ page, column int }
	widest := map[place]int{}
	for _, line := range lines {
		at := place{line.page, line.column}
		widest[at] = max(widest[at], utf8.RuneCountInString(line.text))
	}
	var groups [][]pdfLine
	for i, line := range lines {
		if n := len(groups); n > 0 && !starts(lines[i-1], line, pitch, widest[place{lines[i-1].page, lines[i-1].column}], groups[n-1]) {
			groups[n-1] = append(groups[n-1], line)
			continue
		}
		groups = append(groups, []pdfLine{line})
	}
	return groups
}

// starts reports whether below begins a new paragraph, after the lines of open, of which above is the last.
func starts(above, below pdfLine, pitch float64, widest int, open []pdfLine) bool {
	ended := endsSentence(above.text)
	switch {
	case above.page != below.page || above.table != below.table:
		return true
	case below.table > 0:
		return false
	case above.cut && !listItem(below.text):
		return false
	case listItem(below.text) || isCaption(below.text):
		return true
	case ended && float64(utf8.RuneCountInString(above.text)) < shortLine*float64(widest):
		return true
	case above.size == 0 || below.size == 0:
		return above.size != below.size
	}
	gap := above.y - below.y
	switch {
	case !sameSize(above, below) || above.bold != below.bold && (len(open) == 1 || below.bold):
		return true
	case gap < -0.5*below.size: // up, into the next column
		return ended
	case gap > wideGap*pitch*below.size:
		return true
	}
	if listItem(open[0].text) { // the item's text hangs below its own; what starts at its mark or before it is new
		return ended && below.x < open[0].x+0.3*below.size && len(open) > 1 && open[1].x > open[0].x+0.3*below.size
	}
	return ended && below.x-above.x > indent*below.size
}

func joinLines(lines []pdfLine) string {
	var b strings.Builder
	for i, line := range lines {
		text := line.text
		switch {
		case i+1 == len(lines):
			b.WriteString(text)
			if line.cut { // the word goes on elsewhere, on the next page for one
				b.WriteByte('-')
			}
		case line.cut && !hyphenated(text+"-", lines[i+1].text):
			b.WriteString(text + "-")
		case line.cut:
			b.WriteString(text)
			if compound(text) {
				b.WriteByte('-')
			}
		case hyphenated(text, lines[i+1].text):
			if compound(strings.TrimSuffix(text, "-")) {
				b.WriteString(text)
			} else {
				b.WriteString(strings.TrimSuffix(text, "-"))
			}
		case withoutBlank(text, lines[i+1].text):
			b.WriteString(text)
		default:
			b.WriteString(text + " ")
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

// compound reports whether the word that text ends in has a hyphen of its own already: then another is one too.
func compound(text string) bool {
	return strings.Contains(text[strings.LastIndexByte(text, ' ')+1:], "-")
}

// withoutBlank reports whether two lines meet in a script that has no blanks between words.
func withoutBlank(line, next string) bool {
	last, _ := utf8.DecodeLastRuneInString(line)
	first, _ := utf8.DecodeRuneInString(next)
	return (wideScript(last) || wideMark(last)) && (wideScript(first) || wideMark(first))
}

// wideMark reports whether a character is punctuation of Chinese or Japanese.
func wideMark(r rune) bool { return r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFF65 }

func tableLines(lines []pdfLine) string {
	rows := make([]string, len(lines))
	for i, line := range lines {
		rows[i] = line.text
	}
	return strings.Join(rows, "\n")
}

// listItem reports whether a line starts with a bullet or a number.
func listItem(line string) bool { return bulleted(line) || countingMark.MatchString(line) }

func bulleted(line string) bool {
	first, _, more := strings.Cut(line, " ")
	return more && strings.Contains("•-*–▪◦‣●○■", first) && utf8.RuneCountInString(first) == 1
}

// countingMark is the mark of an item in a numbered list.
var countingMark = regexp.MustCompile(`^(?:[0-9]{1,3}[.)]|\([0-9]{1,3}\)|\(?[a-z]\)|\[[0-9]{1,3}\]) `)

// caption is how captions of figures and tables start.
var caption = regexp.MustCompile(`^(?:Figure|Fig\.|FIGURE|FIG\.|Table|TABLE|Tab\.|Listing|Algorithm|Scheme|Chart|Plate|Box|Exhibit|Abbildung|Abb\.|Tabelle|Tableau|Figura|Tabla|图|表|図)\s*(?:[A-Z]?[0-9]+(?:[.\-][0-9]+)*[a-z]?|[IVX]+)\s*[:.|–—：．](?:\s|$)`)

func isCaption(text string) bool { return caption.MatchString(text) }

func endsSentence(line string) bool {
	line = strings.TrimRight(line, `"')]”’»`)
	last, _ := utf8.DecodeLastRuneInString(line)
	return line != "" && strings.ContainsRune(".!?:。！？", last)
}
