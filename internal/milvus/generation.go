package milvus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/redkite/redkite/internal/rag"
)

// Generation names one physical collection and says what it holds.
type Generation struct {
	Collection rag.CollectionID
	Number     int
	Dimension  int
	Fields     []rag.Field
}

// Of gives a collection's live generation.
func Of(c rag.Collection) Generation {
	return Generation{Collection: c.ID, Number: c.Generation, Dimension: c.Dimension, Fields: c.Fields}
}

// name is the physical collection.
func (g Generation) name() string { return fmt.Sprintf("rk_c%d_g%d", g.Collection, g.Number) }

// alias stands for whatever generation of the collection is live.
func (g Generation) alias() string { return fmt.Sprintf("rk_c%d", g.Collection) }

// The columns of every physical collection; those of declared fields are named by column.
const (
	columnChunk    = "chunk_id"
	columnDocument = "document_id"
	columnMetadata = "metadata"
	columnDense    = "dense"
)

// column is the name of a declared field's column: f_ and the field's name, with what Milvus does not take in names
// written as _ and two hex digits.
func column(field string) string {
	var b strings.Builder
	b.WriteString("f_")
	for _, r := range []byte(field) {
		switch {
		case r == '_':
			b.WriteString("__")
		case r == '-' || r == '.':
			fmt.Fprintf(&b, "_%02x", r)
		default:
			b.WriteByte(r)
		}
	}
	return b.String()
}

// Limits of declared fields; a document whose metadata passes them is refused at upload.
const (
	maxFieldString = 1024 // bytes of a string
	maxFieldItems  = 100  // strings in a list
)

func (g Generation) schema() *entity.Schema {
	s := entity.NewSchema().WithName(g.name()).WithAutoID(false).
		WithField(entity.NewField().WithName(columnChunk).WithDataType(entity.FieldTypeInt64).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName(columnDocument).WithDataType(entity.FieldTypeInt64)).
		WithField(entity.NewField().WithName(columnMetadata).WithDataType(entity.FieldTypeJSON)).
		WithField(entity.NewField().WithName(columnDense).WithDataType(entity.FieldTypeFloatVector).WithDim(int64(g.Dimension)))
	for _, f := range g.Fields {
		field := entity.NewField().WithName(column(f.Name))
		switch f.Type {
		case rag.FieldInt:
			field = field.WithDataType(entity.FieldTypeInt64)
		case rag.FieldFloat:
			field = field.WithDataType(entity.FieldTypeDouble)
		case rag.FieldBool:
			field = field.WithDataType(entity.FieldTypeInt8)
		case rag.FieldString:
			field = field.WithDataType(entity.FieldTypeVarChar).WithMaxLength(maxFieldString)
		case rag.FieldStrings:
			field = field.WithDataType(entity.FieldTypeArray).WithElementType(entity.FieldTypeVarChar).
				WithMaxLength(maxFieldString).WithMaxCapacity(maxFieldItems)
		}
		s = s.WithField(field)
	}
	return s
}

// Ensure makes the generation's physical collection with its indexes, loads it, and points the alias at it. What is
// there already is kept, so it may be called again, and by several processes at once.
func (c *Client) Ensure(ctx context.Context, g Generation) error {
	if c.known(g.name()) {
		return nil
	}
	var err error
	for range ensureAttempts {
		if err = c.ensure(ctx, g); err == nil || errors.Is(err, rag.ErrUnavailable) || errors.Is(err, errForeign) {
			break
		}
		select { // another process may be half-way through the same
		case <-time.After(ensurePause):
		case <-ctx.Done():
			return err
		}
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ensured[g.name()] = true
	return nil
}

const (
	ensureAttempts = 5
	ensurePause    = 200 * time.Millisecond
)

// errForeign says that a physical collection is there but not of our shape.
var errForeign = errors.New("the collection in Milvus belongs to something else")

func (c *Client) ensure(ctx context.Context, g Generation) error {
	return c.call(ctx, "ensure collection "+g.name(), func(ctx context.Context, native *client.GrpcClient) error {
		if err := c.create(ctx, native, g); err != nil {
			return err
		}
		if err := c.index(ctx, native, g); err != nil {
			return err
		}
		if err := native.LoadCollection(ctx, g.name(), false); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		return point(ctx, native, g)
	})
}

func (c *Client) known(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ensured[name]
}

// reload tries do again, once, where it failed because the collection is not loaded, as after a restart of Milvus Lite.
// A collection that does not exist is no error: do is then as good as done.
func (c *Client) reload(ctx context.Context, native *client.GrpcClient, name string, do func() error) error {
	err := do()
	if err == nil || ctx.Err() != nil || status.Code(err) == codes.Unavailable {
		return err
	}
	has, hasErr := native.HasCollection(ctx, name)
	if hasErr != nil {
		return err
	}
	if !has {
		c.forget(name)
		return nil
	}
	if loadErr := native.LoadCollection(ctx, name, false); loadErr != nil {
		return err
	}
	return do()
}

// forget makes the next Ensure look again.
func (c *Client) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ensured, name)
}

// create makes the collection unless it is there; one with another shape is an error.
func (c *Client) create(ctx context.Context, native *client.GrpcClient, g Generation) error {
	has, err := native.HasCollection(ctx, g.name())
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	if !has {
		createErr := native.CreateCollection(ctx, g.schema(), 1, client.WithConsistencyLevel(entity.ClBounded))
		if createErr == nil {
			return nil
		}
		if has, err = native.HasCollection(ctx, g.name()); err != nil || !has { // another process may have been faster
			return fmt.Errorf("create: %w", createErr)
		}
	}
	found, err := native.DescribeCollection(ctx, g.name())
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	want := map[string]string{}
	for _, f := range g.schema().Fields {
		want[f.Name] = fmt.Sprint(f.DataType, f.TypeParams["dim"])
	}
	for _, f := range found.Schema.Fields {
		if want[f.Name] != fmt.Sprint(f.DataType, f.TypeParams["dim"]) {
			return fmt.Errorf("column %s is %v %s, want %q: %w", f.Name, f.DataType, f.TypeParams["dim"], want[f.Name], errForeign)
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		return fmt.Errorf("columns %v are missing: %w", want, errForeign)
	}
	return nil
}

// HNSW's shape, from the published comparisons of recall and cost in docs/milvus.md; efSearch is in search.go.
const (
	hnswM              = 16
	hnswEFConstruction = 200
)

// index makes the vector index and one a declared field. Milvus Lite searches flat: exact,
// and quick enough up to 100,000 rows, where its HNSW is slow to build and loses rows under filters.
func (c *Client) index(ctx context.Context, native *client.GrpcClient, g Generation) error {
	var dense entity.Index
	var err error
	if c.isLite() {
		dense, err = entity.NewIndexFlat(entity.COSINE)
	} else {
		dense, err = entity.NewIndexHNSW(entity.COSINE, hnswM, hnswEFConstruction)
	}
	if err != nil {
		return fmt.Errorf("describe index: %w", err)
	}
	if err := indexColumn(ctx, native, g.name(), columnDense, dense); err != nil {
		return err
	}
	for _, f := range g.Fields {
		kind, ok := c.scalarIndex(f.Type)
		if !ok {
			continue
		}
		if err := indexColumn(ctx, native, g.name(), column(f.Name), entity.NewScalarIndexWithType(kind)); err != nil {
			return err
		}
	}
	return nil
}

// scalarIndex is the index type of a declared field: INVERTED where the server has it, which is since 2.4; before that
// a sorted list for numbers and a trie for strings. Lists have none on Milvus Lite and before 2.4.
func (c *Client) scalarIndex(t rag.FieldType) (entity.IndexType, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t == rag.FieldStrings && (c.lite || !c.sparse):
		return "", false
	case c.sparse:
		return entity.Inverted, true
	case t == rag.FieldString:
		return entity.Trie, true
	}
	return entity.Sorted, true
}

func (c *Client) isLite() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lite
}

// indexColumn makes an index unless the column has one.
func indexColumn(ctx context.Context, native *client.GrpcClient, name, column string, index entity.Index) error {
	if found, err := native.DescribeIndex(ctx, name, column); err == nil && len(found) > 0 {
		return nil
	}
	err := native.CreateIndex(ctx, name, column, index, false)
	if err == nil {
		return nil
	}
	if found, describeErr := native.DescribeIndex(ctx, name, column); describeErr == nil && len(found) > 0 {
		return nil // a lost answer was retried, or another process was faster
	}
	return fmt.Errorf("index column %s: %w", column, err)
}

// point lets the alias stand for the generation.
func point(ctx context.Context, native *client.GrpcClient, g Generation) error {
	createErr := native.CreateAlias(ctx, g.name(), g.alias())
	if createErr == nil {
		return nil
	}
	if err := native.AlterAlias(ctx, g.name(), g.alias()); err != nil {
		return fmt.Errorf("point alias %s: %w (create: %w)", g.alias(), err, createErr)
	}
	return nil
}

// Drop removes the generation and its alias. One that is not there is no error.
func (c *Client) Drop(ctx context.Context, g Generation) error {
	c.forget(g.name())
	return c.call(ctx, "drop collection "+g.name(), func(ctx context.Context, native *client.GrpcClient) error {
		has, err := native.HasCollection(ctx, g.name())
		if err != nil || !has {
			return err
		}
		if err := native.DropAlias(ctx, g.alias()); err != nil {
			c.log.DebugContext(ctx, "drop alias", "alias", g.alias(), "error", err)
		}
		return native.DropCollection(ctx, g.name())
	})
}
