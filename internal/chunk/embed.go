package chunk

import (
	"strings"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// prefixRunes bounds the title and headings that EmbeddingText puts before a chunk: about 60 tokens of English.
	prefixRunes = 240
	// joints is kept free for what a tokenizer may make of the places where the parts meet.
	joints = 2
)

// Counter is the tokenizer of a bi-encoder, and how many tokens of a text that reads.
type Counter interface {
	Tokenizer
	MaxTokens() int
}

// EmbeddingText is what is embedded for a chunk: the document's title, the heading path, the header of its table and the
// text, so that a chunk is found by what it is about even where its own words don't say it. Title and headings are cut to
// the tokens that the rest leaves of what the bi-encoder reads, so that they never push the text's end out.
func EmbeddingText(title string, c rag.Chunk, t Counter) (string, error) {
	headings := c.Headings
	if len(headings) > 0 && headings[0] == title {
		headings = headings[1:]
	}
	prefix := strings.TrimSpace(title)
	if len(headings) > 0 {
		prefix = strings.TrimSpace(prefix + "\n" + strings.Join(headings, " > "))
	}
	if utf8.RuneCountInString(prefix) > prefixRunes {
		prefix = string([]rune(prefix)[:prefixRunes])
	}
	room := t.MaxTokens() - c.Tokens - joints
	if c.Header != "" {
		tokens, err := count(t, c.Header)
		if err != nil {
			return "", err
		}
		room -= tokens + joints
	}
	prefix, err := first(prefix, room, t)
	if err != nil || prefix == "" {
		return c.Shown(), err
	}
	return prefix + "\n" + c.Shown(), nil
}

// first gives the beginning of a text that has at most so many tokens.
func first(text string, most int, t Tokenizer) (string, error) {
	if text == "" || most <= 0 {
		return "", nil
	}
	offsets, err := t.Offsets(text)
	for err == nil && len(offsets) > most {
		text = strings.TrimSpace(text[:runeStart(text, offsets[most][0])])
		offsets, err = t.Offsets(text) // a word that was cut may count more
	}
	return text, err
}
