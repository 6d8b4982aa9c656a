package parse

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// numberFormat is how cells show a number: up to three sections, for numbers above, below and equal to zero, or for those
// that conditions name.
type numberFormat []formatSection

type formatSection struct {
	tokens    []formatToken
	operator  string // of a condition, such as ">="
	operand   float64
	date      bool // shows a date or a time
	general   bool
	fraction  bool // as in 1 1/2: shown as a decimal number
	exponent  bool
	thousands bool
	percent   int // signs
	scale     int // thousands left out
	decimals  int
	least     int // decimals that are shown even if they are zero
}

// formatToken is a part of a section. Kinds: 'l' literal, 'd' digit, '.' point, 'E' exponent, 't' part of a date or
// time, 'T' hours, minutes or seconds in all, 'p' AM or PM, 'f' parts of seconds.
type formatToken struct {
	kind byte
	text string
}

// builtinFormats are those that files name by number only. Where they depend on the reader's country, dates are written
// as ISO 8601 has them.
func builtinFormat(id int) string {
	switch id {
	case 1:
		return "0"
	case 2:
		return "0.00"
	case 3, 5, 6:
		return "#,##0"
	case 4, 7, 8:
		return "#,##0.00"
	case 9:
		return "0%"
	case 10:
		return "0.00%"
	case 11:
		return "0.00E+00"
	case 14, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58:
		return "yyyy-mm-dd"
	case 15:
		return "d-mmm-yy"
	case 16:
		return "d-mmm"
	case 17:
		return "mmm-yy"
	case 18:
		return "h:mm AM/PM"
	case 19:
		return "h:mm:ss AM/PM"
	case 20, 32, 34:
		return "h:mm"
	case 21, 33, 35:
		return "h:mm:ss"
	case 22:
		return "yyyy-mm-dd h:mm"
	case 37, 38, 41, 42:
		return "#,##0;(#,##0)"
	case 39, 40, 43, 44:
		return "#,##0.00;(#,##0.00)"
	case 45:
		return "mm:ss"
	case 46:
		return "[h]:mm:ss"
	case 47:
		return "mm:ss.0"
	case 48:
		return "##0.0E+0"
	}
	return "General"
}

// longestFormat bounds a format's code; Excel's are at most 255 characters.
const longestFormat = 500

// numberFormatOf reads a format's code; an empty one means the built-in format of that number.
func numberFormatOf(id int, code string) numberFormat {
	if code == "" || len(code) > longestFormat {
		code = builtinFormat(id)
	}
	var f numberFormat
	for _, section := range splitSections(code) {
		f = append(f, parseSection(section))
	}
	return f
}

// splitSections parts a code at its semicolons, but for those in quotes.
func splitSections(code string) []string {
	var sections []string
	quoted, start := false, 0
	for i := 0; i < len(code); i++ {
		switch {
		case code[i] == '"':
			quoted = !quoted
		case code[i] == '\\' && !quoted:
			i++
		case code[i] == ';' && !quoted:
			sections = append(sections, code[start:i])
			start = i + 1
		}
	}
	return append(sections, code[start:])
}

// parseSection reads a section, from left to right.
func parseSection(code string) formatSection {
	var s formatSection
	runes := []rune(code)
	for i := 0; i < len(runes); {
		i += s.parse(runes[i:])
	}
	s.settle()
	return s
}

// parse reads one token and gives its length.
func (s *formatSection) parse(code []rune) int {
	switch r := unicode.ToLower(code[0]); {
	case r == '"':
		end := 1
		for end < len(code) && code[end] != '"' {
			end++
		}
		s.literal(string(code[1:end]))
		return end + 1
	case r == '\\' && len(code) > 1:
		s.literal(string(code[1]))
		return 2
	case (r == '_' || r == '*') && len(code) > 1: // room as wide as a character; a character that fills the cell
		return 2
	case r == '[':
		return s.bracket(code)
	case prefixed(code, "general"):
		s.general = true
		return len("general")
	case prefixed(code, "am/pm"):
		s.add('p', "am/pm")
		return len("am/pm")
	case prefixed(code, "a/p"):
		s.add('p', "a/p")
		return len("a/p")
	case prefixed(code, "e+") || prefixed(code, "e-"):
		s.exponent = true
		s.add('E', "")
		return 2
	case strings.ContainsRune("ymdhs", r):
		n := repeated(code)
		s.add('t', strings.Repeat(string(r), n))
		return n
	case strings.ContainsRune("0#?", r):
		s.add('d', string(r))
	case r == '.':
		s.add('.', "")
	case r == ',':
		s.add(',', "")
	case r == '%':
		s.percent++
		s.literal("%")
	case r == '/' && len(s.tokens) > 0 && !s.hasDate():
		s.fraction = true
	case r == '@':
		s.general = true
	default:
		s.literal(string(code[0]))
	}
	return 1
}

func (s *formatSection) add(kind byte, text string) {
	s.tokens = append(s.tokens, formatToken{kind, text})
}

func (s *formatSection) literal(text string) { s.add('l', text) }

func (s *formatSection) hasDate() bool {
	for _, t := range s.tokens {
		if t.kind == 't' || t.kind == 'T' {
			return true
		}
	}
	return false
}

// bracket reads a currency, a condition or a time that goes on beyond a day; colours are passed over.
func (s *formatSection) bracket(code []rune) int {
	end := 1
	for end < len(code) && code[end] != ']' {
		end++
	}
	inside := string(code[1:end])
	lower := strings.ToLower(inside)
	switch {
	case strings.HasPrefix(inside, "$"):
		symbol, _, _ := strings.Cut(inside[1:], "-")
		s.literal(symbol)
	case lower != "" && strings.Trim(lower, lower[:1]) == "" && strings.Contains("hms", lower[:1]):
		s.add('T', lower)
	case strings.HasPrefix(inside, "<") || strings.HasPrefix(inside, ">") || strings.HasPrefix(inside, "="):
		operand := strings.TrimLeft(inside, "<>=")
		if n, err := strconv.ParseFloat(operand, 64); err == nil {
			s.operator, s.operand = strings.TrimSuffix(inside, operand), n
		}
	}
	return end + 1
}

func prefixed(code []rune, word string) bool {
	return len(code) >= len(word) && strings.EqualFold(string(code[:len(word)]), word)
}

func repeated(code []rune) int {
	n := 1
	for n < len(code) && unicode.ToLower(code[n]) == unicode.ToLower(code[0]) {
		n++
	}
	return n
}

// settle sees what the tokens mean together.
func (s *formatSection) settle() {
	s.date = s.hasDate()
	if s.date {
		s.settleDate()
		return
	}
	last, point := -1, -1
	for i, t := range s.tokens {
		switch {
		case t.kind == '.' && point < 0:
			point = i
		case t.kind == 'E':
			return
		case t.kind == 'd' && point >= 0:
			s.decimals++
			if t.text != "#" {
				s.least = s.decimals
			}
			last = i
		case t.kind == 'd':
			last = i
		}
	}
	for i, t := range s.tokens {
		switch {
		case t.kind == ',' && i < last:
			s.thousands = true
		case t.kind == ',' && last >= 0:
			s.scale++
		}
	}
}

// settleDate tells months from minutes, and finds parts of seconds.
func (s *formatSection) settleDate() {
	before := byte(0)
	for i, t := range s.tokens {
		switch {
		case t.kind == 't' && t.text[0] == 'm' && len(t.text) <= 2 && (before == 'h' || s.nextPart(i) == 's'):
			s.tokens[i].text = strings.Repeat("n", len(t.text)) // minutes
		case t.kind == '.' && before == 's':
			s.tokens[i] = formatToken{'f', ""}
		case t.kind == '.':
			s.tokens[i] = formatToken{'l', "."}
		case t.kind == ',':
			s.tokens[i] = formatToken{'l', ","}
		case t.kind == 'd' && i > 0 && s.tokens[i-1].kind == 'f':
			s.tokens[i].kind = 'f'
			s.decimals++
		}
		if t.kind == 't' || t.kind == 'T' {
			before = t.text[0]
		}
	}
}

func (s *formatSection) nextPart(i int) byte {
	for _, t := range s.tokens[i+1:] {
		if t.kind == 't' || t.kind == 'T' {
			return t.text[0]
		}
	}
	return 0
}

// general shows a number as a cell without a format does.
func general(n float64) string {
	if math.Abs(n) >= 1e15 || n != 0 && math.Abs(n) < 1e-9 {
		return strconv.FormatFloat(n, 'G', 6, 64)
	}
	if n == math.Trunc(n) {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	text, err := strconv.ParseFloat(strconv.FormatFloat(n, 'g', 10, 64), 64)
	if err != nil {
		return strconv.FormatFloat(n, 'g', 10, 64)
	}
	return strconv.FormatFloat(text, 'f', -1, 64)
}
