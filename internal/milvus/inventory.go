package milvus

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// Rows gives the chunks with ids from low up to and without high, with their documents, by a strongly consistent read.
// The range holds at most 16,384 ids, as many rows as Milvus gives in one answer. A collection that is not there has
// none.
func (c *Client) Rows(ctx context.Context, g Generation, low, high rag.ChunkID) (map[rag.ChunkID]rag.DocumentID, error) {
	if high-low > queryRows {
		return nil, fmt.Errorf("list rows of %s: %d ids at once, at most %d", g.name(), high-low, queryRows)
	}
	return c.rows(ctx, g, fmt.Sprintf("%s >= %d and %s < %d", columnChunk, low, columnChunk, high))
}

// Strays gives chunks with ids below low or above high, at most 16,384 of them.
func (c *Client) Strays(ctx context.Context, g Generation, low, high rag.ChunkID) ([]rag.ChunkID, error) {
	found, err := c.rows(ctx, g, fmt.Sprintf("%s < %d or %s > %d", columnChunk, low, columnChunk, high))
	ids := make([]rag.ChunkID, 0, len(found))
	for id := range found {
		ids = append(ids, id)
	}
	return ids, err
}

func (c *Client) rows(ctx context.Context, g Generation, expression string) (map[rag.ChunkID]rag.DocumentID, error) {
	var found map[rag.ChunkID]rag.DocumentID
	err := c.use(ctx, g, "list rows of "+g.name(), func(native *client.GrpcClient, _ server) error {
		found = map[rag.ChunkID]rag.DocumentID{}
		rows, err := native.Query(ctx, g.name(), nil, expression, []string{columnChunk, columnDocument},
			client.WithSearchQueryConsistencyLevel(entity.ClStrong), client.WithLimit(queryRows))
		if err != nil {
			return err
		}
		chunks, ok := rows.GetColumn(columnChunk).(*entity.ColumnInt64)
		if !ok || chunks.Len() == 0 {
			return nil // no rows, no column
		}
		documents, ok := rows.GetColumn(columnDocument).(*entity.ColumnInt64)
		if !ok || documents.Len() != chunks.Len() {
			return fmt.Errorf("list rows: %d chunks came with a %s column of %T", chunks.Len(), columnDocument, rows.GetColumn(columnDocument))
		}
		for i, id := range chunks.Data() {
			found[rag.ChunkID(id)] = rag.DocumentID(documents.Data()[i])
		}
		return nil
	})
	if errors.Is(err, errNoCollection) {
		return nil, nil
	}
	return found, err
}
