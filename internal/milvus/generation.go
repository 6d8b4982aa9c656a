package milvus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

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

// The columns of every physical collection; those of declared fields are named by columnOf, and undeclared keys lie in
// Milvus's dynamic field, which Milvus Lite filters ten times faster than a JSON column.
const (
	columnChunk    = "chunk_id"
	columnDocument = "document_id"
	columnDense    = "dense"
	columnSparse   = "sparse" // missing where the server can't hold it, and in what was made before there was one
	columnDynamic  = "$meta"
)

// columnOf is the name of a declared field's column: f_ and the field's name, in which every byte but letters and digits
// is written as _ and two hex digits.
func columnOf(field string) string {
	var b strings.Builder
	b.WriteString("f_")
	for _, c := range []byte(field) {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "_%02x", c)
	}
	return b.String()
}

// A creation that was refused is looked at again for a second: Milvus Lite makes a collection in several steps, and
// refuses a second maker in the middle of them with whatever went wrong.
const (
	createTries = 10
	createPause = 100 * time.Millisecond
)

// HNSW's shape: the values of hnswlib's own documentation for embeddings, and of Milvus's published comparisons.
const (
	hnswM              = 16
	hnswEFConstruction = 200
)

const (
	// stringBytes is the longest string column value: present, keptString, and the rest of its last character.
	stringBytes = keptString + 4
	// joinedBytes is Milvus's longest VARCHAR.
	joinedBytes = 65535
)

// schema is what the generation's physical collection looks like on a server.
func (g Generation) schema(s server) *entity.Schema {
	schema := entity.NewSchema().WithName(g.name()).WithAutoID(false).WithDynamicFieldEnabled(true).
		WithField(entity.NewField().WithName(columnChunk).WithDataType(entity.FieldTypeInt64).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName(columnDocument).WithDataType(entity.FieldTypeInt64)).
		WithField(entity.NewField().WithName(columnDense).WithDataType(entity.FieldTypeFloatVector).WithDim(int64(g.Dimension)))
	if s.sparse() {
		schema = schema.WithField(entity.NewField().WithName(columnSparse).WithDataType(entity.FieldTypeSparseVector))
	}
	for _, f := range g.Fields {
		field := entity.NewField().WithName(columnOf(f.Name))
		switch f.Type {
		case rag.FieldInt:
			field = field.WithDataType(entity.FieldTypeInt64)
		case rag.FieldFloat:
			field = field.WithDataType(entity.FieldTypeDouble)
		case rag.FieldBool:
			field = field.WithDataType(entity.FieldTypeInt8)
		case rag.FieldString:
			field = field.WithDataType(entity.FieldTypeVarChar).WithMaxLength(stringBytes)
		case rag.FieldStrings:
			if s.lite {
				field = field.WithDataType(entity.FieldTypeVarChar).WithMaxLength(joinedBytes)
				break
			}
			field = field.WithDataType(entity.FieldTypeArray).WithElementType(entity.FieldTypeVarChar).
				WithMaxLength(stringBytes).WithMaxCapacity(maxList + 1)
		}
		schema = schema.WithField(field)
	}
	return schema
}

// Ensure makes the generation's physical collection with its indexes, loads it, and gives it the alias unless another
// generation has it. What is there already is kept, so it may be called again, and by several processes at once. Once
// it has succeeded it answers from memory until the collection is found missing.
func (c *Client) Ensure(ctx context.Context, g Generation) error {
	if c.isEnsured(g) {
		return nil
	}
	release, err := c.exclusive(ctx, g.name())
	if err != nil {
		return fmt.Errorf("ensure collection %s: %w", g.name(), err)
	}
	defer release()
	if c.isEnsured(g) {
		return nil
	}
	err = c.call(ctx, "ensure collection "+g.name(), func(native *client.GrpcClient, s server) error {
		if err := create(ctx, native, s, g); err != nil {
			return err
		}
		if err := c.index(ctx, native, s, g); err != nil {
			return err
		}
		if err := native.LoadCollection(ctx, g.name(), false); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		return alias(ctx, native, g)
	})
	if err == nil {
		c.remember(g, true)
	}
	return err
}

func (c *Client) isEnsured(g Generation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ensured[g.name()]
}

// remember keeps, or forgets, that the generation is there and whole.
func (c *Client) remember(g Generation, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if whole {
		c.ensured[g.name()] = true
		return
	}
	delete(c.ensured, g.name())
	delete(c.sparse, g.name())
}

// create makes the physical collection unless it is there; one with another shape is refused.
func create(ctx context.Context, native *client.GrpcClient, s server, g Generation) error {
	has, err := native.HasCollection(ctx, g.name())
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	if !has {
		err = native.CreateCollection(ctx, g.schema(s), 1, client.WithConsistencyLevel(entity.ClBounded))
	}
	found, describeErr := native.DescribeCollection(ctx, g.name())
	for try := 0; err != nil && describeErr != nil && try < createTries; try++ { // another process may be at it
		select {
		case <-time.After(createPause):
		case <-ctx.Done():
			return ctx.Err()
		}
		found, describeErr = native.DescribeCollection(ctx, g.name())
	}
	if describeErr != nil && err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if describeErr != nil {
		return fmt.Errorf("describe: %w", describeErr)
	}
	if diff := difference(g.schema(s), found.Schema); diff != "" {
		return &rag.Problem{
			Kind: rag.ErrConflict, Code: "milvus_schema",
			Message: fmt.Sprintf("collection %s in Milvus is not the one that redkite made (%s); use another Milvus database, or drop it there", g.name(), diff),
		}
	}
	return nil
}

// difference names the first column in which two schemas differ.
func difference(want, found *entity.Schema) string {
	shape := func(f *entity.Field) string {
		if f == nil {
			return "missing"
		}
		if f.DataType == entity.FieldTypeFloatVector {
			return f.DataType.Name() + " of " + f.TypeParams["dim"]
		}
		return f.DataType.Name()
	}
	named := map[string]*entity.Field{}
	for _, f := range found.Fields {
		if !f.IsDynamic {
			named[f.Name] = f
		}
	}
	for _, f := range want.Fields {
		if f.Name == columnSparse && named[f.Name] == nil {
			continue // it was made before there was one, and serves dense search
		}
		if shape(named[f.Name]) != shape(f) {
			return fmt.Sprintf("column %s is %s instead of %s", f.Name, shape(named[f.Name]), shape(f))
		}
		delete(named, f.Name)
	}
	for name := range named {
		return "column " + name + " is too many"
	}
	if !found.EnableDynamicField {
		return "it has no dynamic field"
	}
	return ""
}

// index makes the vector index and those of declared fields. Milvus Lite searches flat: exact, and quick enough for
// 100,000 rows, where its HNSW is slow to build and loses rows under filters.
func (c *Client) index(ctx context.Context, native *client.GrpcClient, s server, g Generation) error {
	var dense entity.Index
	var err error
	if s.lite {
		dense, err = entity.NewIndexFlat(entity.COSINE)
	} else {
		dense, err = entity.NewIndexHNSW(entity.COSINE, hnswM, hnswEFConstruction)
	}
	if err != nil {
		return fmt.Errorf("describe index: %w", err)
	}
	if err := indexColumn(ctx, native, g, columnDense, dense); err != nil {
		return err
	}
	has, err := c.hasSparse(ctx, native, s, g)
	if err != nil {
		return err
	}
	if has {
		if err := indexSparse(ctx, native, g); err != nil {
			return err
		}
	}
	if !s.sparse() {
		return nil // before 2.4 there is no INVERTED; a scan of a column is quick
	}
	for _, f := range g.Fields {
		if f.Type == rag.FieldStrings {
			continue
		}
		err := indexColumn(ctx, native, g, columnOf(f.Name), entity.NewScalarIndexWithType(entity.Inverted))
		if err != nil && ctx.Err() == nil && !away(err) { // it only saves time
			c.log.WarnContext(ctx, "index declared field", "collection", g.name(), "field", f.Name, "error", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// indexColumn makes an index unless the column has one. The collection is empty then, so there is nothing to wait for.
func indexColumn(ctx context.Context, native *client.GrpcClient, g Generation, column string, index entity.Index) error {
	if found, err := native.DescribeIndex(ctx, g.name(), column); err == nil && len(found) > 0 {
		return nil
	}
	err := native.CreateIndex(ctx, g.name(), column, index, true)
	if err == nil || exists(err) {
		return nil
	}
	if found, describeErr := native.DescribeIndex(ctx, g.name(), column); describeErr == nil && len(found) > 0 {
		return nil // another process was faster
	}
	return fmt.Errorf("index column %s: %w", column, err)
}

// alias gives the generation the alias unless there is one.
func alias(ctx context.Context, native *client.GrpcClient, g Generation) error {
	target, err := aliased(ctx, native, g)
	if err != nil || target != "" {
		return err
	}
	if err := native.CreateAlias(ctx, g.name(), g.alias()); err != nil && !exists(err) {
		return fmt.Errorf("create alias %s: %w", g.alias(), err)
	}
	return nil
}

// aliased gives the physical collection behind the alias, or "".
func aliased(ctx context.Context, native *client.GrpcClient, g Generation) (string, error) {
	found, err := native.DescribeCollection(ctx, g.alias())
	if noCollection(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up alias %s: %w", g.alias(), err)
	}
	return found.Name, nil
}

// Drop removes the generation, and the alias if it is this one's. One that is not there is no error.
func (c *Client) Drop(ctx context.Context, g Generation) error {
	release, err := c.exclusive(ctx, g.name())
	if err != nil {
		return fmt.Errorf("drop collection %s: %w", g.name(), err)
	}
	defer release()
	c.remember(g, false)
	return c.call(ctx, "drop collection "+g.name(), func(native *client.GrpcClient, _ server) error {
		target, err := aliased(ctx, native, g)
		if err != nil {
			return err
		}
		if target == g.name() {
			if err := native.DropAlias(ctx, g.alias()); err != nil && !noCollection(err) {
				return fmt.Errorf("drop alias %s: %w", g.alias(), err)
			}
		}
		if err := native.DropCollection(ctx, g.name()); err != nil && !noCollection(err) {
			return err
		}
		return nil
	})
}
