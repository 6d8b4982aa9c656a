package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redkite/redkite/internal/rag"
)

const collectionColumns = `c.id, c.tenant, c.name, c.bi_encoder, c.dimension, c.fields, c.strategy, c.max_tokens, c.overlap, c.min_tokens, c.parent_tokens, c.retrieval, c.generation, c.created_at, c.mode,
	` + rebuilding

// rebuilding is true of a collection c that search misses documents of: a rebuild of it has begun and is not over, or has
// failed, and nothing has filled it since.
const rebuilding = `EXISTS (SELECT 1 FROM jobs r WHERE r.collection_id = c.id AND r.kind = 'rebuild' AND r.state <> 'succeeded'
	AND r.started_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs l WHERE l.collection_id = r.collection_id AND l.id > r.id
		AND l.kind IN ('rebuild', 'reconcile') AND l.params = '' AND l.state = 'succeeded'))`

func scanCollection(r row) (rag.Collection, error) {
	var c rag.Collection
	var fields, retrieval string
	var created int64
	if err := r.Scan(&c.ID, &c.Tenant, &c.Name, &c.BiEncoder, &c.Dimension, &fields,
		&c.Chunking.Strategy, &c.Chunking.MaxTokens, &c.Chunking.Overlap, &c.Chunking.MinTokens, &c.Chunking.ParentTokens, &retrieval, &c.Generation, &created, &c.Mode, &c.Rebuilding); err != nil {
		return rag.Collection{}, err
	}
	c.CreatedAt = fromMicros(created)
	if err := json.Unmarshal([]byte(fields), &c.Fields); err != nil {
		return rag.Collection{}, fmt.Errorf("read fields of collection %d: %w", c.ID, err)
	}
	if retrieval != "" {
		if err := json.Unmarshal([]byte(retrieval), &c.Retrieval); err != nil {
			return rag.Collection{}, fmt.Errorf("read retrieval of collection %d: %w", c.ID, err)
		}
	}
	return c, nil
}

// CreateCollection adds a collection and gives it back with its id, generation 1 and time. The name must be free among
// the tenant's collections, else it is a Problem with code "collection_exists".
func (c *Catalog) CreateCollection(ctx context.Context, n rag.Collection) (rag.Collection, error) {
	n.Chunking.Strategy = cmp.Or(n.Chunking.Strategy, rag.StrategyStructure)
	n.Generation, n.CreatedAt = 1, fromMicros(micros(c.now()))
	if n.Fields == nil {
		n.Fields = []rag.Field{}
	}
	fields, err := toJSON(n.Fields)
	if err != nil {
		return rag.Collection{}, err
	}
	retrieval, err := toJSON(n.Retrieval)
	if err != nil {
		return rag.Collection{}, err
	}
	err = c.inTx(ctx, "create collection "+n.Name, func(tx *transaction) error {
		_, err := collectionByName(ctx, tx, n.Tenant, n.Name)
		if err == nil {
			return &rag.Problem{
				Kind: rag.ErrConflict, Code: "collection_exists",
				Message: fmt.Sprintf("collection %q exists already; use it, delete it first, or take another name", n.Name),
			}
		}
		if !errors.Is(err, rag.ErrNotFound) {
			return err
		}
		return tx.QueryRowContext(ctx, `INSERT INTO collections
			(tenant, name, bi_encoder, dimension, fields, strategy, max_tokens, overlap, min_tokens, parent_tokens, retrieval, generation, created_at, mode)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			n.Tenant, n.Name, n.BiEncoder, n.Dimension, fields, n.Chunking.Strategy, n.Chunking.MaxTokens, n.Chunking.Overlap,
			n.Chunking.MinTokens, n.Chunking.ParentTokens, retrieval, n.Generation, micros(n.CreatedAt), n.Mode).Scan(&n.ID)
	})
	if err != nil {
		return rag.Collection{}, err
	}
	return n, nil
}

// Collection finds one of the tenant's collections by name. Another tenant's is not found.
func (c *Catalog) Collection(ctx context.Context, tenant, name string) (rag.Collection, error) {
	return collectionByName(ctx, c.read, tenant, name)
}

func collectionByName(ctx context.Context, db querier, tenant, name string) (rag.Collection, error) {
	found, err := scanCollection(db.QueryRowContext(ctx, `SELECT `+collectionColumns+`
		FROM collections c WHERE c.tenant = ? AND c.name = ? AND c.deleted_at IS NULL`, tenant, name))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Collection{}, &rag.Problem{
			Kind: rag.ErrNotFound, Code: "collection_not_found",
			Message: fmt.Sprintf("there is no collection %q; create it first, or check the name", name),
		}
	}
	if err != nil {
		return rag.Collection{}, unavailable("read collection "+name, err)
	}
	return found, nil
}

// CollectionByID finds a collection that is not deleted. It does not check the tenant: the id must come from the
// catalog.
func (c *Catalog) CollectionByID(ctx context.Context, id rag.CollectionID) (rag.Collection, error) {
	found, err := scanCollection(c.read.QueryRowContext(ctx, `SELECT `+collectionColumns+`
		FROM collections c WHERE c.id = ? AND c.deleted_at IS NULL`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Collection{}, rag.NotFound("there is no collection with number %d", id)
	}
	if err != nil {
		return rag.Collection{}, unavailable(fmt.Sprintf("read collection %d", id), err)
	}
	return found, nil
}

// Collections lists the tenant's collections by name.
func (c *Catalog) Collections(ctx context.Context, tenant string) ([]rag.Collection, error) {
	all, err := collect(ctx, c.read, scanCollection, `SELECT `+collectionColumns+`
		FROM collections c WHERE c.tenant = ? AND c.deleted_at IS NULL ORDER BY c.name`, tenant)
	if err != nil {
		return nil, unavailable("list collections", err)
	}
	return all, nil
}

// AllCollections lists the collections of all tenants.
func (c *Catalog) AllCollections(ctx context.Context) ([]rag.Collection, error) {
	all, err := collect(ctx, c.read, scanCollection, `SELECT `+collectionColumns+` FROM collections c WHERE c.deleted_at IS NULL ORDER BY c.id`)
	if err != nil {
		return nil, unavailable("list collections", err)
	}
	return all, nil
}

// Rebuilding counts the collections of all tenants that search misses documents of.
func (c *Catalog) Rebuilding(ctx context.Context) (int, error) {
	var n int
	if err := c.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM collections c WHERE c.deleted_at IS NULL AND `+rebuilding).Scan(&n); err != nil {
		return 0, unavailable("count rebuilds", err)
	}
	return n, nil
}

// ChangeCollection has change say what chunking, mode and retrieval one of the tenant's collections has from now on; all are
// kept in one transaction, or none where change refuses. It may be called again, with what is kept then.
func (c *Catalog) ChangeCollection(ctx context.Context, tenant, name string, change func(*rag.Collection) error) (rag.Collection, error) {
	var changed rag.Collection
	err := c.inTx(ctx, "change collection "+name, func(tx *transaction) error {
		var err error
		if changed, err = collectionByName(ctx, tx, tenant, name); err != nil {
			return err
		}
		if err := change(&changed); err != nil {
			return err
		}
		retrieval, err := toJSON(changed.Retrieval)
		if err != nil {
			return err
		}
		cut := changed.Chunking
		_, err = tx.ExecContext(ctx, `UPDATE collections SET strategy = ?, max_tokens = ?, overlap = ?, min_tokens = ?, parent_tokens = ?, mode = ?, retrieval = ?
			WHERE id = ?`, cut.Strategy, cut.MaxTokens, cut.Overlap, cut.MinTokens, cut.ParentTokens, changed.Mode, retrieval, changed.ID)
		return err
	})
	if err != nil {
		return rag.Collection{}, err
	}
	return changed, nil
}

// Counts sums up a collection: documents by the state of their newest version, and live chunks.
func (c *Catalog) Counts(ctx context.Context, id rag.CollectionID) (rag.Counts, error) {
	var n rag.Counts
	err := c.read.QueryRowContext(ctx, `SELECT COUNT(*),
			COALESCE(SUM(CASE WHEN v.state IN ('ready', 'ready_with_warnings') THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN v.state IN ('queued', 'parsing', 'embedding', 'indexing') THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN v.state = 'failed' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN v.state = 'canceled' THEN 1 ELSE 0 END), 0),
			CAST(COALESCE(SUM(l.chunks), 0) AS BIGINT)
		FROM documents d
		JOIN versions v ON v.document_id = d.id AND v.version = d.version
		LEFT JOIN versions l ON l.document_id = d.id AND l.version = d.live_version
		WHERE d.collection_id = ? AND d.deleted_at IS NULL`, id).
		Scan(&n.Total, &n.Ready, &n.Pending, &n.Failed, &n.Canceled, &n.Chunks)
	if err != nil {
		return rag.Counts{}, unavailable(fmt.Sprintf("count collection %d", id), err)
	}
	return n, nil
}

// DocumentsByStatus counts the documents of all tenants by the state of their newest version, for metrics.
func (c *Catalog) DocumentsByStatus(ctx context.Context) (map[rag.Status]int, error) {
	return countBy[rag.Status](ctx, c.read, `SELECT v.state, COUNT(*) FROM documents d
		JOIN versions v ON v.document_id = d.id AND v.version = d.version
		WHERE d.deleted_at IS NULL GROUP BY v.state
		UNION ALL SELECT 'deleting', COUNT(*) FROM documents WHERE deleted_at IS NOT NULL`)
}

// countBy reads rows of name and count.
func countBy[K ~string](ctx context.Context, db querier, query string, args ...any) (map[K]int, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, unavailable("count", err)
	}
	defer rows.Close()
	counts := map[K]int{}
	for rows.Next() {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			return nil, unavailable("count", err)
		}
		counts[K(key)] += n
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("count", err)
	}
	return counts, nil
}

// BiEncoders gives the bi-encoders of all collections, with their dimension.
func (c *Catalog) BiEncoders(ctx context.Context) (map[string]int, error) {
	rows, err := c.read.QueryContext(ctx, `SELECT DISTINCT bi_encoder, dimension FROM collections WHERE deleted_at IS NULL`)
	if err != nil {
		return nil, unavailable("read bi-encoders", err)
	}
	defer rows.Close()
	used := map[string]int{}
	for rows.Next() {
		var name string
		var dimension int
		if err := rows.Scan(&name, &dimension); err != nil {
			return nil, unavailable("read bi-encoders", err)
		}
		used[name] = dimension
	}
	return used, unavailable("read bi-encoders", rows.Err())
}
