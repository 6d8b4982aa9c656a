package milvus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	Metadata rag.Metadata // has passed CheckMetadata
	Dense    rag.Embedding
	Sparse   rag.TermVector // left out where the generation has no column for it
}

const (
	// batchRows and batchBytes bound one call that names or carries rows; real servers take 64 MiB a call at most.
	batchRows  = 1000
	batchBytes = 8 << 20
	// visibleLimit bounds Visible where the caller sets no deadline.
	visibleLimit = time.Minute
	// queryRows is the most rows that Milvus gives in answer to one query.
	queryRows = 16384
)

// errNoCollection says that a generation's physical collection is not there.
var errNoCollection = errors.New("the collection is not in Milvus")

// Upsert writes rows by chunk id; rows that are there are replaced, all of them. The generation must have been ensured.
func (c *Client) Upsert(ctx context.Context, g Generation, rows []Row) error {
	for len(rows) > 0 {
		n := batch(g, rows)
		if err := c.upsert(ctx, g, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// batch gives how many rows go into the next call.
func batch(g Generation, rows []Row) int {
	size := 0
	for i, row := range rows {
		size += 4*g.Dimension + 8*len(row.Sparse.Terms) + 64
		for key, value := range row.Metadata {
			size += len(key) + 16
			if v, ok := normal(value); ok {
				size += roomOf(v)
			}
		}
		if i > 0 && (i == batchRows || size > batchBytes) {
			return i
		}
	}
	return len(rows)
}

func roomOf(value any) int {
	switch v := value.(type) {
	case string:
		return len(v)
	case []string:
		return len(joined(v))
	}
	return 8
}

func (c *Client) upsert(ctx context.Context, g Generation, rows []Row) error {
	operation := fmt.Sprintf("upsert %d rows into %s", len(rows), g.name())
	return c.change(ctx, g, operation, func(native *client.GrpcClient, s server) error {
		columns, err := columns(g, rows, s.lite)
		if err != nil {
			return err
		}
		has, err := c.hasSparse(ctx, native, s, g)
		if err != nil {
			return err
		}
		if has {
			sparse, err := sparseColumn(rows)
			if err != nil {
				return err
			}
			columns = append(columns, sparse)
		}
		if s.lite {
			if err := removeOld(ctx, native, g, rows); err != nil {
				return err
			}
		}
		_, err = native.Upsert(ctx, g.name(), "", columns...)
		return err
	})
}

// removeOld makes Milvus Lite replace rows: left alone, its upsert keeps the old row's undeclared keys.
func removeOld(ctx context.Context, native *client.GrpcClient, g Generation, rows []Row) error {
	ids := make([]rag.ChunkID, len(rows))
	for i, row := range rows {
		ids[i] = row.Chunk
	}
	old, err := query(ctx, native, g, columnChunk+" in "+list(ids))
	if err != nil || len(old) == 0 {
		return err
	}
	return native.Delete(ctx, g.name(), "", columnChunk+" in "+list(old))
}

// change runs do, which alters rows, alone and with the collection loaded.
func (c *Client) change(ctx context.Context, g Generation, operation string, do func(*client.GrpcClient, server) error) error {
	release, err := c.exclusive(ctx, g.name())
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	defer release()
	return c.use(ctx, g, operation, do)
}

// use runs do with the collection loaded: after a restart of Milvus Lite it is not. Where the collection is missing it
// forgets that it was ensured and gives errNoCollection.
func (c *Client) use(ctx context.Context, g Generation, operation string, do func(*client.GrpcClient, server) error) error {
	return c.call(ctx, operation, func(native *client.GrpcClient, s server) error {
		err := do(native, s)
		if notLoaded(err) {
			if err = native.LoadCollection(ctx, g.name(), false); err == nil {
				err = do(native, s)
			}
		}
		if noCollection(err) {
			c.remember(g, false)
			return fmt.Errorf("%w: %w", errNoCollection, err)
		}
		return err
	})
}

func columns(g Generation, rows []Row, lite bool) ([]entity.Column, error) {
	chunks := make([]int64, len(rows))
	documents := make([]int64, len(rows))
	undeclared := make([][]byte, len(rows))
	dense := make([][]float32, len(rows))
	for i, row := range rows {
		if len(row.Dense) != g.Dimension {
			return nil, fmt.Errorf("chunk %d has %d dimensions, want %d", row.Chunk, len(row.Dense), g.Dimension)
		}
		chunks[i], documents[i], dense[i] = int64(row.Chunk), int64(row.Document), row.Dense
		undeclared[i] = dynamic(g.Fields, row.Metadata, lite)
	}
	out := []entity.Column{
		entity.NewColumnInt64(columnChunk, chunks),
		entity.NewColumnInt64(columnDocument, documents),
		entity.NewColumnFloatVector(columnDense, g.Dimension, dense),
		entity.NewColumnJSONBytes(columnDynamic, undeclared).WithIsDynamic(true),
	}
	for _, f := range g.Fields {
		column, err := fieldColumn(f, rows, lite)
		if err != nil {
			return nil, err
		}
		out = append(out, column)
	}
	return out, nil
}

// Delete removes rows by chunk id. Ids, or a collection, that are not there are no error.
func (c *Client) Delete(ctx context.Context, g Generation, ids []rag.ChunkID) error {
	for ids := range slices.Chunk(ids, batchRows) {
		operation := fmt.Sprintf("delete %d rows from %s", len(ids), g.name())
		err := c.change(ctx, g, operation, func(native *client.GrpcClient, _ server) error {
			return native.Delete(ctx, g.name(), "", columnChunk+" in "+list(ids))
		})
		if err != nil && !errors.Is(err, errNoCollection) {
			return err
		}
	}
	return nil
}

// DeleteDocument removes all rows of a document, of whatever version. It looks them up by a strongly consistent read,
// since a deletion by condition may miss rows that were written just before.
func (c *Client) DeleteDocument(ctx context.Context, g Generation, id rag.DocumentID) error {
	for {
		var ids []rag.ChunkID
		operation := fmt.Sprintf("find rows of document %d in %s", id, g.name())
		err := c.use(ctx, g, operation, func(native *client.GrpcClient, _ server) (err error) {
			ids, err = query(ctx, native, g, fmt.Sprintf("%s == %d", columnDocument, id))
			return err
		})
		if errors.Is(err, errNoCollection) || err == nil && len(ids) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.Delete(ctx, g, ids); err != nil {
			return err
		}
	}
}

// query gives the chunk ids, at most queryRows, of the rows that fulfil an expression, by a strongly consistent read.
func query(ctx context.Context, native *client.GrpcClient, g Generation, expression string) ([]rag.ChunkID, error) {
	return listRows(ctx, native, g, expression, entity.ClStrong, queryRows)
}

// listRows gives the chunk ids, at most limit, of the rows that fulfil an expression.
func listRows(ctx context.Context, native *client.GrpcClient, g Generation, expression string, level entity.ConsistencyLevel, limit int64) ([]rag.ChunkID, error) {
	found, err := native.Query(ctx, g.name(), nil, expression, []string{columnChunk},
		client.WithSearchQueryConsistencyLevel(level), client.WithLimit(limit))
	if err != nil {
		return nil, err
	}
	column, ok := found.GetColumn(columnChunk).(*entity.ColumnInt64)
	if !ok {
		return nil, nil // no rows, no column
	}
	ids := make([]rag.ChunkID, column.Len())
	for i, id := range column.Data() {
		ids[i] = rag.ChunkID(id)
	}
	return ids, nil
}

// list writes ids as Milvus's [1,2,3].
func list(ids []rag.ChunkID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strconv.FormatInt(int64(id), 10)
	}
	return "[" + strings.Join(out, ",") + "]"
}
