package encode

import (
	"context"

	"github.com/redkite/redkite/internal/rag"
)

// EmbedSentences embeds short texts as passages on the interactive lane, for a query that waits, in the order given; what was
// embedded before is kept. When ctx ends it gives what it has, nil for the others, with the context's error.
func (e *BiEncoder) EmbedSentences(ctx context.Context, texts []string) ([]rag.Embedding, error) {
	embeddings := make([]rag.Embedding, len(texts))
	err := each(ctx, e.lanes, InteractiveLane, len(texts), nil, func(ctx context.Context, i int) error {
		vector, err := e.embedKept(ctx, e.spec.PassagePrefix+texts[i])
		if err == nil {
			embeddings[i] = vector
		}
		return err
	})
	return embeddings, err
}
