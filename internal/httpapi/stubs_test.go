package httpapi

import (
	"context"
	"strings"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// stub is an encoder whose tokens are words, and whose vectors are their number and the role.
type stub struct {
	l    *depository
	role encode.Role
}

func (l *depository) TextEncoder(_ context.Context, name string) (TextEncoder, error) {
	switch name {
	case "", "bi":
		return &stub{l: l}, nil
	case "cross":
		return nil, rag.Invalid("", "model cross is a cross-encoder, and a bi-encoder is wanted")
	}
	return nil, rag.NotFound("there is no model %q", name)
}

func (l *depository) Ranker(_ context.Context, name string) (Ranker, error) {
	if name != "" && name != "cross" {
		return nil, rag.NotFound("model %q does not rerank here", name)
	}
	return &stub{l: l}, nil
}

func (s *stub) Card() EncoderCard {
	return EncoderCard{Name: "bi", Dimension: 2, MaxTokens: 12, Special: 2, Pooling: "cls", Precision: "int8", SHA256: "abc"}
}

func (s *stub) Tokens(_ context.Context, _ encode.Lane, role encode.Role, texts []string) ([][]int32, error) {
	if s.l.enter != nil {
		s.l.enter()
	}
	s.role = role
	lists := make([][]int32, len(texts))
	for i, text := range texts {
		for n := range strings.Fields(text) {
			lists[i] = append(lists[i], int32(n))
		}
	}
	return lists, nil
}

func (s *stub) EmbedTokens(_ context.Context, _ encode.Lane, lists [][]int32, raw bool) ([]rag.Embedding, error) {
	var out []rag.Embedding
	for _, list := range lists {
		e := rag.Embedding{float32(len(list)), float32(s.role)}
		if raw {
			e[0] = -e[0]
		}
		if len(list) > 0 && list[0] != 0 {
			e[1] = 100 // its start was cut off
		}
		out = append(out, e)
	}
	return out, nil
}

// Rank likes documents by how often they have the query; a document of more than twelve words is too long.
func (s *stub) Rank(_ context.Context, r encode.Ranking) (encode.Ranked, error) {
	s.l.mu.Lock()
	s.l.ranked = append(s.l.ranked, r)
	s.l.mu.Unlock()
	out := encode.Ranked{Tokens: 7 * len(r.Documents)}
	for i, d := range r.Documents {
		if n := len(strings.Fields(d)); r.Whole && n > 12 {
			return encode.Ranked{}, &encode.TooLongError{Index: i, Tokens: n, Max: 12}
		}
		out.Logits = append(out.Logits, float32(strings.Count(d, r.Query))*2-1)
	}
	return out, nil
}
