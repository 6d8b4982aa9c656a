package chunk

// SentenceEnds gives the byte offset at which each sentence of text ends, its white space included, the last at the end
// of text.
func SentenceEnds(text string) []int { return sentenceEnds(text) }
