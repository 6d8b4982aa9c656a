package encode

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

// Role says what a text is to a bi-encoder, and so which of the model's prefixes is put before it.
type Role int

// The roles.
const (
	RawRole     Role = iota // no prefix
	QueryRole               // what is searched for
	PassageRole             // what is searched in
)

func (s BiSpec) prefix(role Role) string {
	switch role {
	case QueryRole:
		return s.QueryPrefix
	case PassageRole:
		return s.PassagePrefix
	}
	return ""
}

// Room is how many of the tokens that Tokens gives one run reads: special tokens come on top.
func (e *BiEncoder) Room() int {
	t := e.tokenizer.Template()
	return e.spec.MaxTokens - len(t.Prefix) - len(t.Suffix)
}

// Tokens gives the token ids of texts in a role, the model's prefix included and special tokens not.
func (e *BiEncoder) Tokens(ctx context.Context, lane Lane, role Role, texts []string) ([][]int32, error) {
	return tokenLists(ctx, e.lanes, lane, e.tokenizer, e.spec.prefix(role), texts)
}

// tokenLists tokenises texts in the slots of a lane.
func tokenLists(ctx context.Context, lanes *Lanes, lane Lane, t Tokenizer, prefix string, texts []string) ([][]int32, error) {
	lists := make([][]int32, len(texts))
	err := each(ctx, lanes, lane, len(texts), nil, func(_ context.Context, i int) error {
		ids, err := t.Encode(prefix + texts[i])
		lists[i] = ids
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tokenise %d texts: %w", len(texts), err)
	}
	return lists, nil
}

// EmbedTokens embeds texts that Tokens gave, in parallel; the embeddings come in their order. What
// is over Room is cut off. They are of unit length where the model asks for that, unless raw says to leave them as they
// are.
func (e *BiEncoder) EmbedTokens(ctx context.Context, lane Lane, lists [][]int32, raw bool) ([]rag.Embedding, error) {
	embeddings := make([]rag.Embedding, len(lists))
	err := each(ctx, e.lanes, lane, len(lists), nil, func(ctx context.Context, i int) (err error) {
		embeddings[i], err = e.embed(ctx, lists[i], !raw && e.spec.Normalize)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("embed %d texts: %w", len(lists), err)
	}
	return embeddings, nil
}
