package milvus

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// narrowRows is how many rows a filter may leave for a search to be sure of all of them.
const narrowRows = 1000

// complete adds the rows that a filtered search has missed, best first, at most the search's limit. A server indexes
// fresh and reloaded rows by clusters of which a search looks at the nearest few (queryNode.segcore.interimIndex: 16 of
// 128), whatever the filter leaves in them. So a search that found fewer than it wanted may have missed some: the rows that the
// filter leaves are listed, and the scores of those missing worked out here.
func complete(ctx context.Context, native *client.GrpcClient, g Generation, s Search, expression string, found []rag.Candidate) ([]rag.Candidate, error) {
	listed, err := listRows(ctx, native, g, expression, entity.ClBounded, narrowRows)
	if err != nil {
		return nil, err
	}
	missing := missed(listed, found)
	if len(missing) == 0 {
		return found, nil
	}
	into := map[rag.ChunkID]rag.Embedding{}
	if err := vectors(ctx, native, g, missing, entity.ClBounded, into); err != nil {
		return nil, err
	}
	return ranked(found, into, s), nil
}

// missed gives the ids that are not among those found.
func missed(ids []rag.ChunkID, found []rag.Candidate) []rag.ChunkID {
	var out []rag.ChunkID
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(c rag.Candidate) bool { return c.Chunk == id }) {
			out = append(out, id)
		}
	}
	return out
}

// ranked puts rows with their vectors among those found, best first, at most as many as the search wants.
func ranked(found []rag.Candidate, vectors map[rag.ChunkID]rag.Embedding, s Search) []rag.Candidate {
	for id, v := range vectors {
		found = append(found, rag.Candidate{Chunk: id, Score: float32(cosine(s.Vector, v))})
	}
	slices.SortFunc(found, func(a, b rag.Candidate) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Chunk, b.Chunk))
	})
	return found[:min(len(found), s.Limit)]
}

// cosine is the cosine similarity of two vectors of one length; 0 where one of them is all zeros.
func cosine(a, b rag.Embedding) float64 {
	var product, lengthA, lengthB float64
	for i := range a {
		product += float64(a[i]) * float64(b[i])
		lengthA += float64(a[i]) * float64(a[i])
		lengthB += float64(b[i]) * float64(b[i])
	}
	if lengthA == 0 || lengthB == 0 {
		return 0
	}
	return product / math.Sqrt(lengthA*lengthB)
}
