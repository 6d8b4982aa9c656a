package answer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// cut shortens a passage to a budget of tokens: after a sentence, or where not even one fits, after a word. Its text is
// empty when nothing worthwhile fits.
func cut(p rag.Passage, budget int, o Packing) (rag.Passage, error) {
	whole := p.Text
	p.Truncated, p.Text = true, ""
	bare, err := o.cost(p)
	if err != nil || budget-bare < leastPassage {
		return p, err
	}
	kept, err := longest(whole, chunk.SentenceEnds(whole), p, budget, o)
	if err == nil && kept == "" {
		kept, err = longest(whole, wordEnds(whole), p, budget, o)
	}
	if err != nil || kept == "" {
		return p, err
	}
	p.Text = kept + " " + cutMark
	p.Span.End = p.Span.Start + utf8.RuneCountInString(kept)
	return p, nil
}

// longest finds the longest start of text, up to one of ends, that fits the budget as passage p.
func longest(text string, ends []int, p rag.Passage, budget int, o Packing) (string, error) {
	kept := ""
	for low, high := 0, len(ends); low < high; { // every end before low fits, none from high on does
		middle := (low + high) / 2
		start := strings.TrimRight(text[:ends[middle]], " \n\t")
		p.Text = start + " " + cutMark
		cost, err := o.cost(p)
		switch {
		case err != nil:
			return "", err
		case cost <= budget:
			low, kept = middle+1, start
		default:
			high = middle
		}
	}
	return kept, nil
}

// wordEnds gives the byte offset of each blank, and where there is none, as in Chinese, of each character.
func wordEnds(text string) []int {
	var blanks, characters []int
	for i, r := range text {
		if i == 0 {
			continue
		}
		characters = append(characters, i)
		if unicode.IsSpace(r) {
			blanks = append(blanks, i)
		}
	}
	if len(blanks) < len(characters)/32 { // words of 32 characters and more are none
		return characters
	}
	return blanks
}

// Shown is a passage's text with a mark where it begins or ends inside a sentence. The text around it is not at hand, so
// that is told by the text: it begins with a small letter, or its last sentence, which is no short line of a heading or
// list, lacks an end.
func Shown(p rag.Passage) string {
	text := strings.TrimSpace(p.Text)
	if first, _ := utf8.DecodeRuneInString(text); p.Span.Start > 0 && unicode.IsLower(first) {
		text = cutMark + " " + text
	}
	if !p.Truncated && endsInside(text) {
		text += " " + cutMark
	}
	if p.Header != "" {
		return p.Header + "\n" + text
	}
	return text
}

// leastSentence is the number of words from which a line that lacks an end is taken for a sentence.
const leastSentence = 8

func endsInside(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	if !unicode.IsLetter(last) && !unicode.IsDigit(last) && !strings.ContainsRune(",;-–(", last) {
		return false
	}
	line := text[strings.LastIndexByte(text, '\n')+1:]
	if strings.Contains(line, " | ") { // a row of a table
		return false
	}
	ends := chunk.SentenceEnds(line)
	sentence := line
	if len(ends) > 1 {
		sentence = line[ends[len(ends)-2]:]
	}
	return len(strings.Fields(sentence)) >= leastSentence
}
