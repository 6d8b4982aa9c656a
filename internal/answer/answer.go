// Package answer packs hits into numbered passages within a token budget, ready for an LLM's prompt.
package answer

import "github.com/redkite/redkite/internal/rag"

// Context is prompt-ready text and the sources that its numbers point to.
type Context struct {
	Text      string // the passages, each under its number
	Passages  []rag.Passage
	Tokens    int  // of Text, counted by the collection's bi-encoder's tokenizer
	Truncated bool // hits were left out or cut to stay inside the budget
}
