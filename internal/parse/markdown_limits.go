package parse

import (
	"bytes"
)

const (
	// deepestNesting is how many quotes and lists may open on one line. Markdown parsers take quadratic time in it.
	deepestNesting = 100
	// mostPadding is how many empty cells may fill up a file's tables. A parser makes a row as long as its header, so a
	// few kilobytes can ask for gigabytes.
	mostPadding = 1 << 20
)

// hostileMarkdown says why a file must not be given to a Markdown parser, or "".
func hostileMarkdown(source []byte) string {
	columns, padding := 0, 0
	for line := range bytes.Lines(source) {
		bars := bytes.Count(line, []byte("|"))
		switch {
		case nesting(line) > deepestNesting:
			return "quotes or lists are nested too deep"
		case len(bytes.TrimSpace(line)) == 0:
			columns = 0
		case isDelimiterRow(line):
			columns = bars + 1
		default:
			padding += max(0, columns-bars-1)
		}
		if padding > mostPadding {
			return "tables have far more columns than their rows fill"
		}
	}
	return ""
}

// nesting counts the marks of quotes and list items that a line begins with.
func nesting(line []byte) int {
	n := 0
	for {
		line = bytes.TrimLeft(line, " \t")
		if len(line) == 0 {
			return n
		}
		digits := len(line) - len(bytes.TrimLeft(line, "0123456789"))
		switch {
		case line[0] == '>':
			line = line[1:]
		case bytes.ContainsRune([]byte("-+*"), rune(line[0])) && blankAt(line, 1):
			line = line[1:]
		case digits > 0 && digits < len(line) && (line[digits] == '.' || line[digits] == ')') && blankAt(line, digits+1):
			line = line[digits+1:]
		default:
			return n
		}
		n++
	}
}

func blankAt(line []byte, i int) bool {
	return i >= len(line) || line[i] == ' ' || line[i] == '\t' || line[i] == '\n'
}

// isDelimiterRow reports whether a line parts a table's header from its rows.
func isDelimiterRow(line []byte) bool {
	return bytes.ContainsRune(line, '-') && len(bytes.Trim(line, "|:- \t\r\n>")) == 0
}
