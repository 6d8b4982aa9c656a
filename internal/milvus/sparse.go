package milvus

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// noTerms is what stands in the sparse column for a text without terms: servers differ in whether they take an empty
// vector. Its weight is too small to move a score.
func noTerms() rag.TermVector {
	return rag.TermVector{Terms: []uint32{0}, Weights: []float32{1e-30}}
}

// sparseColumn makes the column of the rows' term vectors.
func sparseColumn(rows []Row) (entity.Column, error) {
	vectors := make([]entity.SparseEmbedding, len(rows))
	for i, row := range rows {
		var err error
		if vectors[i], err = sparseVector(row.Sparse); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", row.Chunk, err)
		}
	}
	return entity.NewColumnSparseVectors(columnSparse, vectors), nil
}

func sparseVector(v rag.TermVector) (entity.SparseEmbedding, error) {
	if len(v.Terms) == 0 {
		v = noTerms()
	}
	return entity.NewSliceSparseEmbedding(v.Terms, v.Weights)
}

// indexSparse makes the index of the term vectors: exact, with the inner product, which is BM25.
func indexSparse(ctx context.Context, native *client.GrpcClient, g Generation) error {
	inverted, err := entity.NewIndexSparseInverted(entity.IP, 0)
	if err != nil {
		return fmt.Errorf("describe index: %w", err)
	}
	return indexColumn(ctx, native, g, columnSparse, inverted)
}

// SearchTerms gives the chunks of which the inner product with a query's term vector is largest, best first, as Search
// gives the nearest ones. Chunks that share no term with it are not among them. Where the generation has no term vectors
// the error is of kind rag.ErrDenseOnly: its code says whether the server can't hold them, or a rebuild would make them.
func (c *Client) SearchTerms(ctx context.Context, g Generation, query rag.TermVector, limit int, f *rag.Filter) ([]rag.Candidate, error) {
	if _, err := compile(f, g.Fields, true); err != nil || limit <= 0 {
		return nil, err
	}
	var candidates []rag.Candidate
	err := c.use(ctx, g, "search terms in "+g.name(), func(native *client.GrpcClient, server server) error {
		if err := c.needSparse(ctx, native, server, g); err != nil || len(query.Terms) == 0 {
			return err
		}
		expression, err := compile(f, g.Fields, server.lite)
		if err != nil {
			return err
		}
		params, err := entity.NewIndexSparseInvertedSearchParam(0)
		if err != nil {
			return err
		}
		vector, err := sparseVector(query)
		if err != nil {
			return err
		}
		results, err := native.Search(ctx, g.name(), nil, expression, nil, []entity.Vector{vector},
			columnSparse, entity.IP, min(limit, maxLimit), params, client.WithSearchQueryConsistencyLevel(entity.ClBounded))
		if err != nil {
			return err
		}
		candidates, err = read(results)
		return err
	})
	if errors.Is(err, errNoCollection) {
		return nil, nil
	}
	for i, found := range candidates { // servers differ in whether they leave these out
		if found.Score <= 0 {
			return candidates[:i], err
		}
	}
	return candidates, err
}

// Lexical says whether a generation can be searched by terms. One that is not there yet will be made as the server can.
func (c *Client) Lexical(ctx context.Context, g Generation) (rag.Lexical, error) {
	state := rag.LexicalUnsupported
	err := c.call(ctx, "look for term vectors in "+g.name(), func(native *client.GrpcClient, s server) error {
		has, err := c.hasSparse(ctx, native, s, g)
		switch {
		case has || noCollection(err) && s.sparse():
			state = rag.LexicalReady
			return nil
		case s.sparse():
			state = rag.LexicalNeedsRebuild
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return state, nil
}

// needSparse gives an error of kind rag.ErrDenseOnly where the generation has no sparse column.
func (c *Client) needSparse(ctx context.Context, native *client.GrpcClient, s server, g Generation) error {
	has, err := c.hasSparse(ctx, native, s, g)
	switch {
	case err != nil || has:
		return err
	case !s.sparse():
		return &rag.Problem{
			Kind: rag.ErrDenseOnly, Code: "lexical_unsupported",
			Message: fmt.Sprintf("Milvus %s can't hold sparse vectors; lexical search needs version 2.4 or later", s.version),
		}
	}
	return &rag.Problem{
		Kind: rag.ErrDenseOnly, Code: "lexical_needs_rebuild",
		Message: "the collection was made in Milvus without sparse vectors; rebuild it with 'redkite rebuild'",
	}
}

// hasSparse says whether the generation's physical collection has the sparse column: one that was made by an earlier
// redkite, or on an older server, has not. That it has is remembered; that it has not may end with a rebuild, also by
// another process.
func (c *Client) hasSparse(ctx context.Context, native *client.GrpcClient, s server, g Generation) (bool, error) {
	if !s.sparse() {
		return false, nil
	}
	c.mu.Lock()
	known := c.sparse[g.name()]
	c.mu.Unlock()
	if known {
		return true, nil
	}
	found, err := native.DescribeCollection(ctx, g.name())
	if err != nil {
		return false, fmt.Errorf("describe: %w", err)
	}
	for _, f := range found.Schema.Fields {
		if f.Name == columnSparse {
			c.mu.Lock()
			c.sparse[g.name()] = true
			c.mu.Unlock()
			return true, nil
		}
	}
	return false, nil
}
