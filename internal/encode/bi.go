package encode

import (
	"context"
	"fmt"
	"math"

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
}

// BiEncoder embeds texts, each alone.
type BiEncoder struct {
	session   Session
	tokenizer Tokenizer
	spec      BiSpec
	lanes     *Lanes
}

// NewBiEncoder puts a bi-encoder together; lanes are shared by all encoders of a process.
func NewBiEncoder(s Session, t Tokenizer, spec BiSpec, lanes *Lanes) *BiEncoder {
	return &BiEncoder{session: s, tokenizer: t, spec: spec, lanes: lanes}
}

// EmbedQuery embeds a query on the interactive lane. What is over the model's tokens is cut off.
func (e *BiEncoder) EmbedQuery(ctx context.Context, text string) (rag.Embedding, error) {
	release, err := e.lanes.Acquire(ctx, InteractiveLane)
	if err != nil {
		return nil, err
	}
	defer release()
	return e.embed(ctx, e.spec.QueryPrefix+text)
}

// EmbedPassages embeds passages on the batch lane, in parallel; the embeddings come in the order of the texts.
func (e *BiEncoder) EmbedPassages(ctx context.Context, texts []string) ([]rag.Embedding, error) {
	embeddings := make([]rag.Embedding, len(texts))
	err := each(ctx, e.lanes, BatchLane, len(texts), func(ctx context.Context, i int) (err error) {
		embeddings[i], err = e.embed(ctx, e.spec.PassagePrefix+texts[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return embeddings, nil
}

func (e *BiEncoder) embed(ctx context.Context, text string) (rag.Embedding, error) {
	ids, err := e.tokenizer.Encode(text)
	if err != nil {
		return nil, err
	}
	b := e.tokenizer.Template().single(ids, e.spec.MaxTokens)
	out, err := e.session.Run(ctx, b)
	if err != nil {
		return nil, err
	}
	vector, err := e.pool(out, b.Width)
	if err != nil {
		return nil, err
	}
	if e.spec.Normalize {
		normalize(vector)
	}
	return vector, nil
}

// pool takes one vector from a run's output: [1, dimension] as it is, [1, width, dimension] pooled.
func (e *BiEncoder) pool(out Output, width int) (rag.Embedding, error) {
	d := e.spec.Dimension
	shape := out.Shape
	switch {
	case len(shape) == 2 && shape[1] == int64(d) && len(out.Data) == d:
		return rag.Embedding(out.Data), nil
	case len(shape) != 3 || shape[1] != int64(width) || shape[2] != int64(d) || len(out.Data) != width*d:
		return nil, fmt.Errorf("pool embedding: the model gave a tensor of shape %v, want [1 %d] or [1 %d %d]", shape, d, width, d)
	case e.spec.Pooling == PoolCLS:
		return rag.Embedding(out.Data[:d:d]), nil
	}
	mean := make(rag.Embedding, d)
	for token := range width {
		for i, x := range out.Data[token*d : (token+1)*d] {
			mean[i] += x
		}
	}
	for i := range mean {
		mean[i] /= float32(width)
	}
	return mean, nil
}

// normalize scales v to unit length; a vector of zeros stays.
func normalize(v rag.Embedding) {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if squares == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(squares))
	for i := range v {
		v[i] *= scale
	}
}
