package milvus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// Embeddings gives the vectors of chunks as they were upserted, by a strongly consistent read. Chunks, or a collection,
// that are not there are left out.
func (c *Client) Embeddings(ctx context.Context, g Generation, ids []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error) {
	found := make(map[rag.ChunkID]rag.Embedding, len(ids))
	for ids := range slices.Chunk(ids, batchRows) {
		operation := fmt.Sprintf("read %d vectors of %s", len(ids), g.name())
		err := c.use(ctx, g, operation, func(native *client.GrpcClient, _ server) error {
			return vectors(ctx, native, g, ids, entity.ClStrong, found)
		})
		if errors.Is(err, errNoCollection) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// vectors reads those of chunks, at most queryRows.
func vectors(ctx context.Context, native *client.GrpcClient, g Generation, ids []rag.ChunkID, level entity.ConsistencyLevel, into map[rag.ChunkID]rag.Embedding) error {
	rows, err := native.Query(ctx, g.name(), nil, columnChunk+" in "+list(ids), []string{columnChunk, columnDense},
		client.WithSearchQueryConsistencyLevel(level), client.WithLimit(queryRows))
	if err != nil {
		return err
	}
	chunks, ok := rows.GetColumn(columnChunk).(*entity.ColumnInt64)
	if !ok || chunks.Len() == 0 {
		return nil // no rows, no column
	}
	dense, ok := rows.GetColumn(columnDense).(*entity.ColumnFloatVector)
	if !ok || dense.Len() != chunks.Len() {
		return fmt.Errorf("read vectors: %d rows came with a %s column of %T", chunks.Len(), columnDense, rows.GetColumn(columnDense))
	}
	for i, v := range dense.Data() {
		into[rag.ChunkID(chunks.Data()[i])] = v
	}
	return nil
}
