package ingest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// CheckGiven refuses chunks that the bi-encoder would cut off, before they are taken; the pointer is relative to the
// document.
func CheckGiven(chunks []GivenChunk, maxTokens int, t chunk.Tokenizer) error {
	_, err := chunk.FromGiven(toGiven(chunks), maxTokens, t)
	return err
}

// given reads an original that is the client's own chunks.
func given(original io.Reader, maxTokens int, t chunk.Tokenizer) ([]rag.Chunk, error) {
	var chunks []GivenChunk
	if err := json.NewDecoder(original).Decode(&chunks); err != nil {
		return nil, fmt.Errorf("read given chunks: %w", err)
	}
	return chunk.FromGiven(toGiven(chunks), maxTokens, t)
}

func toGiven(chunks []GivenChunk) []chunk.Given {
	out := make([]chunk.Given, len(chunks))
	for i, c := range chunks {
		out[i] = chunk.Given{Text: strings.ReplaceAll(c.Text, "\x00", "\uFFFD"), // as the catalog keeps it
			Headings: c.Headings, Page: c.Page}
	}
	return out
}
