package answer

import (
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

func isOpen(r rune) bool  { return r == '[' || r == '［' || r == '【' }
func isClose(r rune) bool { return r == ']' || r == '］' || r == '】' }

// inCitation reports whether a character may stand in the brackets of a citation. A dagger is followed by what OpenAI's
// models write after it, as in 【1†source】.
func inCitation(r rune) bool {
	return isDigit(r) || isSeparator(r) || isDash(r) || r == ' ' || r == '^' || r == '†'
}

func isDigit(r rune) bool     { return r >= '0' && r <= '9' || r >= '０' && r <= '９' }
func isSeparator(r rune) bool { return r == ',' || r == ';' || r == '，' || r == '、' || r == '；' }
func isDash(r rune) bool      { return r == '-' || r == '–' || r == '—' }

// startsCitation reports whether what is held of a bracket has a number.
func startsCitation(held string) bool { return strings.ContainsFunc(held, isDigit) }

// citedNumbers reads a pair of brackets: the numbers in order, each once, or false for what is no citation. A number that
// is too large to be one is 0. Blanks inside the brackets are how a document's own numbers are shown to an LLM (Neutral),
// so those are citations of nothing.
func citedNumbers(brackets string) ([]int, bool) {
	inside := []rune(brackets)
	inside = inside[1 : len(inside)-1]
	text := string(inside)
	if at := strings.IndexRune(text, '†'); at >= 0 {
		text = text[:at]
	}
	if !startsCitation(text) {
		return nil, false
	}
	if strings.HasPrefix(text, " ") || isDash([]rune(text)[0]) {
		return nil, true
	}
	var numbers []int
	seen := map[int]bool{}
	add := func(n int) {
		if !seen[n] && len(numbers) < maxCited {
			seen[n] = true
			numbers = append(numbers, n)
		}
	}
	last, ranged := -1, false
	for rest := []rune(strings.TrimPrefix(text, "^")); len(rest) > 0; {
		if !isDigit(rest[0]) {
			ranged = isDash(rest[0]) || ranged && rest[0] == ' '
			rest = rest[1:]
			continue
		}
		n, length := readNumber(rest)
		if ranged && last > 0 {
			for m := last + 1; m < n && m-last <= maxCited; m++ {
				add(m)
			}
		}
		add(n)
		last, ranged = n, false
		rest = rest[length:]
	}
	return numbers, true
}

// maxDigits are those of numbers that can be a passage's.
const maxDigits = 4

// readNumber reads the digits at the start of text; a number with more than maxDigits is 0.
func readNumber(text []rune) (n, length int) {
	for length < len(text) && isDigit(text[length]) {
		digit := int(text[length] - '0')
		if text[length] >= '０' {
			digit = int(text[length] - '０')
		}
		if length < maxDigits {
			n = n*10 + digit
		}
		length++
	}
	if length > maxDigits {
		return 0, length
	}
	return n, length
}
