package app

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/httpapi"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/rag"
)

// textEncoder is a bi-encoder for clients that embed their own texts.
type textEncoder struct {
	*encode.BiEncoder
	card httpapi.EncoderCard
}

func (t textEncoder) Card() httpapi.EncoderCard { return t.card }

// TextEncoder gives a bi-encoder by name, the default one where that is empty.
func (e *encoders) TextEncoder(ctx context.Context, name string) (httpapi.TextEncoder, error) {
	if name == "" {
		name = e.defBi.Name
	}
	b, err := e.open(ctx, name)
	if err != nil {
		return nil, err
	}
	card := cardOf(b.spec)
	card.Special = b.spec.MaxTokens - b.Room()
	return textEncoder{b.BiEncoder, card}, nil
}

// ranker is the cross-encoder for clients that rank their own texts.
type ranker struct {
	*encode.CrossEncoder
	card httpapi.EncoderCard
}

func (r ranker) Card() httpapi.EncoderCard { return r.card }

// Ranker gives the cross-encoder, alone also where searches put a smaller one before it.
func (e *encoders) Ranker(_ context.Context, name string) (httpapi.Ranker, error) {
	if name != "" && name != e.defCE.Name {
		return nil, &rag.Problem{Kind: rag.ErrNotFound, Code: "model_unknown", Message: fmt.Sprintf(
			"model %q does not rerank here; this server reranks with %s (its setting cross-encoder)", name, e.defCE.Name)}
	}
	return ranker{e.reader, cardOf(e.defCE)}, nil
}

func cardOf(spec model.Spec) httpapi.EncoderCard {
	card := httpapi.EncoderCard{Name: spec.Name, Dimension: spec.Dimension, MaxTokens: spec.MaxTokens, Pooling: spec.Pooling, Precision: "float32"}
	if spec.Provenance.FP32SHA256 != "" { // made of that one, with 8-bit weights
		card.Precision = "int8"
	}
	for _, f := range spec.Files {
		if f.Role == model.RoleGraph {
			card.SHA256 = f.SHA256
		}
	}
	return card
}
