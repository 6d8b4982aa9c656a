package encode

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// How a bi-encoder's token vectors become one.
const (
	PoolCLS  = "cls"  // the first token's vector
	PoolMean = "mean" // the mean of all tokens' vectors
)

// BiSpec is what of a bi-encoder is not in its graph.
type BiSpec struct {
	MaxTokens     int    // in one run, special tokens included
	Pooling       string // PoolCLS or PoolMean; without effect where the graph pools itself
	Normalize     bool   // scale to unit length
	QueryPrefix   string // put before every query
	PassagePrefix string // put before every passage
	Dimension     int
	KeptBytes     int64 // of memory for the embeddings of queries and sentences that were asked for last; 0 keeps none
}

// BiEncoder embeds texts, each alone.
type BiEncoder struct {
	session   Session
	tokenizer Tokenizer
	spec      BiSpec
	lanes     *Lanes
	batches   batches
	vectors   *kept[digest, rag.Embedding] // of queries and sentences
}

// keptVectorBytes is what an embedding takes beside its numbers: key, list and map entries.
const keptVectorBytes = 200

// NewBiEncoder puts a bi-encoder together; lanes are shared by all encoders of a process.
func NewBiEncoder(s Session, t Tokenizer, spec BiSpec, lanes *Lanes) *BiEncoder {
	entries := spec.KeptBytes / int64(4*spec.Dimension+keptVectorBytes)
	return &BiEncoder{session: s, tokenizer: t, spec: spec, lanes: lanes, vectors: newKept[digest, rag.Embedding](int(entries))}
}

// EmbedQuery embeds a query on the interactive lane; what was asked for lately is kept. What is over the model's tokens is cut
// off.
func (e *BiEncoder) EmbedQuery(ctx context.Context, text string) (rag.Embedding, error) {
	if vector, ok := e.vectors.get(digestOf(e.spec.QueryPrefix + text)); ok {
		return slices.Clone(vector), nil
	}
	var vector rag.Embedding
	err := e.lanes.Do(ctx, InteractiveLane, func(ctx context.Context) (err error) {
		vector, err = e.embedNew(ctx, e.spec.QueryPrefix+text)
		return err
	})
	return vector, err
}

// embedKept embeds a text as the model reads it, prefix included, unless its embedding is kept.
func (e *BiEncoder) embedKept(ctx context.Context, text string) (rag.Embedding, error) {
	if vector, ok := e.vectors.get(digestOf(text)); ok {
		return slices.Clone(vector), nil
	}
	return e.embedNew(ctx, text)
}

// embedNew embeds a text as the model reads it, prefix included, and keeps the embedding: the text is the key, so that what is
// kept is never another text's.
func (e *BiEncoder) embedNew(ctx context.Context, text string) (rag.Embedding, error) {
	ids, err := e.tokenizer.Encode(text)
	if err != nil {
		return nil, err
	}
	vector, err := e.embed(ctx, ids, e.spec.Normalize)
	if err == nil {
		e.vectors.add(digestOf(text), slices.Clone(vector))
	}
	return vector, err
}

// Clips reports whether a query has more tokens than the model reads.
func (e *BiEncoder) Clips(text string) (bool, error) {
	ids, err := e.tokenizer.Encode(e.spec.QueryPrefix + text)
	t := e.tokenizer.Template()
	return len(ids)+len(t.Prefix)+len(t.Suffix) > e.spec.MaxTokens, err
}

// Cache tells what the encoder keeps.
func (e *BiEncoder) Cache() Cache { return e.vectors.told() }

// EmbedPassages embeds passages on the batch lane, in parallel; the embeddings come in the order of the texts.
func (e *BiEncoder) EmbedPassages(ctx context.Context, texts []string) ([]rag.Embedding, error) {
	embeddings := make([]rag.Embedding, len(texts))
	err := each(ctx, e.lanes, BatchLane, len(texts), nil, func(ctx context.Context, i int) error {
		ids, err := e.tokenizer.Encode(e.spec.PassagePrefix + texts[i])
		if err != nil {
			return err
		}
		embeddings[i], err = e.embed(ctx, ids, e.spec.Normalize)
		return err
	})
	if err != nil {
		return nil, err
	}
	return embeddings, nil
}

func (e *BiEncoder) embed(ctx context.Context, ids []int32, normalize bool) (vector rag.Embedding, err error) {
	b := e.batches.get()
	defer e.batches.put(b)
	e.tokenizer.Template().single(b, ids, e.spec.MaxTokens)
	err = e.session.Run(ctx, b, func(out Output) error {
		vector, err = e.pool(out, b.Width)
		return err
	})
	if err != nil {
		return nil, err
	}
	return vector, scale(vector, normalize)
}

// pool takes one vector from a run's output: [1, dimension] as it is, [1, width, dimension] pooled.
func (e *BiEncoder) pool(out Output, width int) (rag.Embedding, error) {
	d := e.spec.Dimension
	shape := out.Shape
	vector := make(rag.Embedding, d)
	switch {
	case len(shape) == 2 && shape[1] == int64(d) && len(out.Data) == d:
		copy(vector, out.Data)
		return vector, nil
	case len(shape) != 3 || shape[1] != int64(width) || shape[2] != int64(d) || len(out.Data) != width*d:
		return nil, fmt.Errorf("pool embedding: the model gave a tensor of shape %v, want [1 %d] or [1 %d %d]", shape, d, width, d)
	case e.spec.Pooling == PoolCLS:
		copy(vector, out.Data)
		return vector, nil
	}
	for token := range width {
		for i, x := range out.Data[token*d : (token+1)*d] {
			vector[i] += x
		}
	}
	for i := range vector {
		vector[i] /= float32(width)
	}
	return vector, nil
}

// scale brings v to unit length where that is asked for. A vector that has none, or is not finite, is an error.
func scale(v rag.Embedding, normalize bool) error {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if squares == 0 || math.IsNaN(squares) || math.IsInf(squares, 0) {
		return fmt.Errorf("embed: %w", ErrNotFinite)
	}
	if !normalize {
		return nil
	}
	by := float32(1 / math.Sqrt(squares))
	for i := range v {
		v[i] *= by
	}
	return nil
}
