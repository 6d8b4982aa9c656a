package chunk

import "strings"

// Sentences gives the byte offsets of each sentence of text, without the blanks around it; a line of a list or table that
// is ended by no punctuation goes on in the next.
func Sentences(text string) [][2]int {
	var out [][2]int
	start := 0
	for _, end := range sentenceEnds(text) {
		piece := text[start:end]
		from := start + len(piece) - len(strings.TrimLeft(piece, " \t\r\n"))
		to := start + len(strings.TrimRight(piece, " \t\r\n"))
		if from < to {
			out = append(out, [2]int{from, to})
		}
		start = end
	}
	return out
}
