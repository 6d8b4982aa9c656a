package ingest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// TestCuttingEndsWithItsContext cancels while a text is tokenized whole, and while one chunk after the other is.
func TestCuttingEndsWithItsContext(t *testing.T) {
	text := strings.Repeat("word ", longText)
	parsed := rag.Parsed{Text: text, Blocks: []rag.Block{{Kind: rag.BlockParagraph, Text: text, Span: rag.Span{End: len(text)}}}}
	words := func(text string) [][2]int {
		var found [][2]int
		for at := 0; at < len(text); at += 5 {
			found = append(found, [2]int{at, min(at+4, len(text))})
		}
		return found
	}
	for name, at := range map[string]int{"the whole": 1, "a chunk": 3} {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		calls := 0
		_, err := chunk.Split(parsed, rag.Chunking{MaxTokens: 100}, until(ctx, offsets(func(text string) ([][2]int, error) {
			if calls++; calls == at {
				cancel()
				if at == 1 {
					<-release // it knows no context
				}
			}
			return words(text), nil
		})))
		close(release)
		cancel()
		if !errors.Is(err, context.Canceled) || calls != at {
			t.Errorf("%s: %v after %d calls, want it to end with call %d", name, err, calls, at)
		}
	}
}

// TestATokenizerThatPanics gives an error also where it runs beside its caller.
func TestATokenizerThatPanics(t *testing.T) {
	_, err := until(t.Context(), offsets(func(string) ([][2]int, error) { panic("a bug") })).Offsets(strings.Repeat("x", longText))
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("got %v", err)
	}
}
