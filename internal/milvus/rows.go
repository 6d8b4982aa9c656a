package milvus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// Row is one chunk as Milvus keeps it.
type Row struct {
	Chunk    rag.ChunkID
	Document rag.DocumentID
	Metadata rag.Metadata // checked by CheckMetadata
	Dense    rag.Embedding
}

// upsertRows bounds one upsert: 1,000 rows of 1,024 dimensions are 4 MiB, far below gRPC's and Milvus's limits.
const upsertRows = 1000

// Upsert writes rows by chunk id; rows that are there are replaced. The generation must have been ensured.
func (c *Client) Upsert(ctx context.Context, g Generation, rows []Row) error {
	for batch := range slices.Chunk(rows, upsertRows) {
		columns, err := columns(g, batch)
		if err != nil {
			return fmt.Errorf("upsert into %s: %w", g.name(), err)
		}
		err = c.call(ctx, fmt.Sprintf("upsert %d rows into %s", len(batch), g.name()), func(ctx context.Context, native *client.GrpcClient) error {
			_, err := native.Upsert(ctx, g.name(), "", columns...)
			return err
		})
		if err != nil {
			c.forget(g.name())
			return err
		}
	}
	return nil
}

func columns(g Generation, rows []Row) ([]entity.Column, error) {
	chunks := make([]int64, len(rows))
	documents := make([]int64, len(rows))
	metadata := make([][]byte, len(rows))
	dense := make([][]float32, len(rows))
	for i, row := range rows {
		chunks[i], documents[i] = int64(row.Chunk), int64(row.Document)
		if len(row.Dense) != g.Dimension {
			return nil, fmt.Errorf("chunk %d has %d dimensions, want %d", row.Chunk, len(row.Dense), g.Dimension)
		}
		dense[i] = row.Dense
		raw, err := json.Marshal(row.Metadata)
		if err != nil {
			return nil, fmt.Errorf("write metadata of chunk %d: %w", row.Chunk, err)
		}
		if row.Metadata == nil {
			raw = []byte("{}")
		}
		metadata[i] = raw
	}
	all := []entity.Column{
		entity.NewColumnInt64(columnChunk, chunks), entity.NewColumnInt64(columnDocument, documents),
		entity.NewColumnJSONBytes(columnMetadata, metadata), entity.NewColumnFloatVector(columnDense, g.Dimension, dense),
	}
	for _, f := range g.Fields {
		column, err := fieldColumn(f, rows)
		if err != nil {
			return nil, err
		}
		all = append(all, column)
	}
	return all, nil
}

// Delete removes rows by chunk id. Ids, or a collection, that are not there are no error.
func (c *Client) Delete(ctx context.Context, g Generation, ids []rag.ChunkID) error {
	for batch := range slices.Chunk(ids, upsertRows) {
		if err := c.delete(ctx, g, columnChunk+" in "+list(batch)); err != nil {
			return err
		}
	}
	return nil
}

// DeleteDocument removes all rows of a document, of whatever version.
func (c *Client) DeleteDocument(ctx context.Context, g Generation, id rag.DocumentID) error {
	return c.delete(ctx, g, fmt.Sprintf("%s == %d", columnDocument, id))
}

func (c *Client) delete(ctx context.Context, g Generation, expression string) error {
	return c.call(ctx, "delete from "+g.name(), func(ctx context.Context, native *client.GrpcClient) error {
		if has, err := native.HasCollection(ctx, g.name()); err != nil || !has {
			return err
		}
		return native.Delete(ctx, g.name(), "", expression)
	})
}

// list writes ids as Milvus's [1,2,3].
func list(ids []rag.ChunkID) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, int64(id))
	}
	b.WriteByte(']')
	return b.String()
}

// visiblePoll is the pause between two looks of Visible.
const visiblePoll = 50 * time.Millisecond

// Visible returns once a strongly consistent read sees every given chunk; then the nodes that serve searches have
// reached the writes, and a later search of any consistency sees them too.
func (c *Client) Visible(ctx context.Context, g Generation, ids []rag.ChunkID) error {
	for batch := range slices.Chunk(ids, upsertRows) {
		for {
			seen, err := c.count(ctx, g, columnChunk+" in "+list(batch))
			if err != nil {
				return err
			}
			if seen >= len(batch) {
				break
			}
			select {
			case <-time.After(visiblePoll):
			case <-ctx.Done():
				return fmt.Errorf("wait for %d rows of %s, %d seen: %w", len(batch), g.name(), seen, ctx.Err())
			}
		}
	}
	return nil
}

// Count gives the number of rows, dead ones included, by a strongly consistent read.
func (c *Client) Count(ctx context.Context, g Generation) (int, error) {
	return c.count(ctx, g, "")
}

func (c *Client) count(ctx context.Context, g Generation, expression string) (int, error) {
	var n int64
	err := c.call(ctx, "count rows of "+g.name(), func(ctx context.Context, native *client.GrpcClient) error {
		return c.reload(ctx, native, g.name(), func() error {
			found, err := native.Query(ctx, g.name(), nil, expression, []string{"count(*)"},
				client.WithSearchQueryConsistencyLevel(entity.ClStrong))
			if err != nil {
				return err
			}
			column, ok := found.GetColumn("count(*)").(*entity.ColumnInt64)
			if !ok || column.Len() != 1 {
				return errors.New("the answer holds no count")
			}
			n, err = column.ValueByIdx(0)
			return err
		})
	})
	return int(n), err
}
