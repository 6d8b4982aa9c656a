package parse

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// pdfLine is one line as it is printed.
type pdfLine struct {
	text     string
	page     int     // from 1
	size     float64 // of the font, in points; 0 where it is not known
	x, right float64 // where the line starts and ends, in points from the left
	y        float64 // its lower edge, in points from the bottom
	column   int     // of the page, from 0
	bold     bool    // all of it
	cut      bool    // ends in a word that goes on in the next line
	table    int     // of the page, from 1: a row of it; 0 for text
}

// sheetLines gives the lines of a page in reading order: columns one after the other, footnotes last, and after them
// what is printed at another angle.
func sheetLines(sheet pdfSheet, page int) []pdfLine {
	var lines, footnotes []pdfLine
	tables := 0
	for column, region := range regions(sheet.pieces) {
		var rows [][]pdfPiece
		if len(region.pieces) <= maxLaidOut {
			rows = rowsOf(region.pieces)
		} else {
			rows = inFileOrder(region.pieces)
		}
		found := tablesOf(rows)
		var own []pdfLine
		for i := 0; i < len(rows); i++ {
			if table, ok := found[i]; ok {
				tables++
				for _, text := range table.rows {
					own = append(own, pdfLine{text: text, page: page, column: column, table: tables, size: medianSize(rows[i]), x: rows[i][0].left, y: rows[i][0].low})
				}
				i += table.length - 1
				continue
			}
			if line := lineOf(rows[i]); line.text != "" {
				line.page, line.column = page, column
				own = append(own, line)
			}
		}
		own, notes := splitFootnotes(own)
		lines, footnotes = append(lines, own...), append(footnotes, notes...)
	}
	lines = append(lines, footnotes...)
	for _, row := range inFileOrder(sheet.turned) {
		if line := lineOf(row); line.text != "" {
			line.page, line.size = page, 0
			lines = append(lines, line)
		}
	}
	return lines
}

// inFileOrder makes rows of pieces that follow each other in the file, side by side.
func inFileOrder(pieces []pdfPiece) [][]pdfPiece {
	var rows [][]pdfPiece
	for i, p := range pieces {
		if i > 0 {
			row := pdfRow{low: pieces[i-1].low, high: pieces[i-1].high}
			if row.takes(p) && p.left >= pieces[i-1].left {
				rows[len(rows)-1] = append(rows[len(rows)-1], p)
				continue
			}
		}
		rows = append(rows, []pdfPiece{p})
	}
	return rows
}

// lineOf puts the pieces of a row together.
func lineOf(row []pdfPiece) pdfLine {
	biggest := row[0]
	bold := true
	for _, p := range row {
		if p.size() > biggest.size() {
			biggest = p
		}
		bold = bold && (p.bold || !strings.ContainsFunc(p.text, unicode.IsLetter))
	}
	line := pdfLine{size: biggest.size(), x: row[0].left, right: row[len(row)-1].right, y: biggest.low, bold: bold}
	line.text, line.cut = pieceText(row)
	return line
}

// pieceText gives the words of a row, which is sorted from the left, in the order they are read in.
func pieceText(row []pdfPiece) (text string, cut bool) {
	if toTheLeft(row) {
		row = slices.Clone(row)
		slices.Reverse(row)
		turnNumbers(row)
	}
	var b strings.Builder
	for i, p := range row {
		if i > 0 && (!joinedPieces(row[i-1], p) || i == 1 && raisedMark(row[0], p)) {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
	}
	return fold(clean(plainLetters(b.String()))), row[len(row)-1].cut
}

// joinedPieces reports whether two pieces beside each other are one word.
func joinedPieces(a, b pdfPiece) bool {
	gap := max(b.left-a.right, a.left-b.right)
	return b.glued && gap < blankBetween*max(a.size(), b.size())
}

// raisedMark reports whether a is a footnote's small number before its first word.
func raisedMark(a, b pdfPiece) bool {
	return a.size() < raised*b.size() && strings.IndexFunc(a.text, func(r rune) bool { return !unicode.IsDigit(r) }) < 0
}

// toTheLeft reports whether most of a row's letters are of a script that is written from right to left.
func toTheLeft(row []pdfPiece) bool {
	left, right := 0, 0
	for _, p := range row {
		for _, r := range p.text {
			switch {
			case rightToLeft(r):
				left++
			case unicode.IsLetter(r):
				right++
			}
		}
	}
	return left > right
}

func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko)
}

// turnNumbers puts runs of words that read to the right, inside of a reversed row, back into their order.
func turnNumbers(row []pdfPiece) {
	for from := 0; from < len(row); {
		to := from
		for to < len(row) && !strings.ContainsFunc(row[to].text, rightToLeft) {
			to++
		}
		if to > from+1 {
			slices.Reverse(row[from:to])
		}
		from = to + 1
	}
}

// texLigatures are ligatures by their codes in TeX's fonts, which come out where a font does not say what they mean.
var texLigatures = map[rune]string{
	0x0B: "ff", 0x0C: "fi", 0x0E: "ffi", 0x0F: "ffl", 0x1B: "ff", 0x1C: "fi", 0x1D: "fl", 0x1E: "ffi", 0x1F: "ffl",
}

// plainLetters takes ligatures and letters in the form of their place in a word apart, and gives bullets of symbol
// fonts a character that is one.
func plainLetters(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= 0xE000 || r < ' ' }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < ' ':
			b.WriteString(texLigatures[r])
		case r >= 0xFB00 && r <= 0xFDFF || r >= 0xFE70 && r <= 0xFEFC:
			b.WriteString(norm.NFKC.String(string(r)))
		case r == 0xF0B7 || r == 0xF0A7 || r == 0xF06C || r == 0xF06E:
			b.WriteRune('•')
		case r >= 0xE000 && r <= 0xF8FF: // means something in its own font only
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// splitFootnotes takes the small print off the end of a column, from its first mark on.
func splitFootnotes(lines []pdfLine) (text, notes []pdfLine) {
	usual := bodySize(lines)
	from := len(lines)
	for i := len(lines) - 1; i > 0 && lines[i].table == 0 && lines[i].size > 0 && lines[i].size < footnotePrint*usual; i-- {
		if first := []rune(lines[i].text)[0]; unicode.IsDigit(first) || strings.ContainsRune("*†‡§¹²³", first) {
			from = i
		}
	}
	return lines[:from], lines[from:]
}
