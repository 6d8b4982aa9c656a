package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// abbreviations end in a full stop that ends no sentence. UAX #29, which finds sentences by their punctuation, can't
// know them.
const abbreviations = " dr. mr. mrs. ms. prof. st. vs. e.g. i.e. cf. al. fig. figs. eq. sec. no. vol. pp. ed. approx. inc. ltd. co. jr. sr. " +
	"gen. col. capt. lt. sgt. rev. hon. dept. univ. ref. refs. tab. ch. ca. viz. resp. bzw. z.b. d.h. u.a. nr. "

// sentenceEnds gives where each sentence of text ends, the last at its end. UAX #29 finds them; an abbreviation, an
// initial, and the end of a line without punctuation end none.
func sentenceEnds(text string) []int {
	var ends []int
	at := 0
	found := sentences.FromString(text)
	for found.Next() {
		sentence := found.Value()
		at += len(sentence)
		if at < len(text) && !goesOn(sentence) {
			ends = append(ends, at)
		}
	}
	return append(ends, len(text))
}

// goesOn reports whether what UAX #29 takes for a sentence goes on after its end.
func goesOn(sentence string) bool {
	bare := strings.TrimRightFunc(sentence, unicode.IsSpace)
	if bare == "" {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(bare)
	if strings.HasSuffix(sentence, "\n") && (unicode.IsLetter(last) || unicode.IsDigit(last) || last == ',' || last == '-') {
		return true // a line that is broken, not ended
	}
	word := strings.TrimLeft(bare[strings.LastIndexFunc(bare, unicode.IsSpace)+1:], "([\"'")
	if initial, size := utf8.DecodeRuneInString(word); last == '.' && unicode.IsUpper(initial) && len(word) == size+1 && initial != 'I' {
		return true
	}
	return strings.Contains(abbreviations, " "+strings.ToLower(word)+" ")
}

// lineEnds gives where each line of text ends, the last at its end.
func lineEnds(text string) []int {
	var ends []int
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] < len(text) {
		ends = append(ends, len(text))
	}
	return ends
}
