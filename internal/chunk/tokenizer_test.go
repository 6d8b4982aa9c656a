//go:build cgo

package chunk_test

import (
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/tokenizer"
)

// TestSplitWithTheBundledTokenizer keeps the budget as the bundled bi-encoder counts it.
func TestSplitWithTheBundledTokenizer(t *testing.T) {
	bundled, err := tokenizer.Open("../../models/bge-small-en-v1.5/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	defer bundled.Close()
	text := strings.Repeat("The red kite (Milvus milvus) soars above Mid Wales. Übermäßig lange Donaudampfschifffahrtsgesellschaft! "+
		"赤鳶が飛ぶ。🪁👩‍👩‍👧 \x00 www.example.org/a?b=c&d=e ", 60)
	p := rag.Parsed{Text: text, Blocks: []rag.Block{{Kind: rag.BlockParagraph, Text: text, Span: rag.Span{End: len([]rune(text))}}}}
	for _, most := range []int{16, 64, 256, 510} {
		chunks, err := chunk.Split(p, rag.Chunking{MaxTokens: most, Overlap: most / 8}, bundled)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, c := range chunks {
			ids, err := bundled.Encode(c.Text)
			if err != nil {
				t.Fatal(err)
			}
			if len(ids) > most || c.Tokens != len(ids) {
				t.Errorf("at most %d: %d tokens stated, %d encoded: %q", most, c.Tokens, len(ids), c.Text)
			}
			total += len(ids)
		}
		if fill := float64(total) / float64(len(chunks)*most); fill < 0.6 {
			t.Errorf("at most %d: chunks are only %.0f %% full", most, 100*fill)
		}
	}
}
