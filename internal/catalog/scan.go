package catalog

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// row is one result row.
type row interface {
	Scan(dest ...any) error
}

// collect runs a query and scans each of its rows.
func collect[T any](ctx context.Context, db querier, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func scanOne[T any](r row) (T, error) {
	var v T
	err := r.Scan(&v)
	return v, err
}

func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// optional turns a nullable time into a pointer.
func optional(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := fromMicros(us.Int64)
	return &t
}

// failure is nil where there is no code.
func failure(code, message string) *rag.Failure {
	if code == "" {
		return nil
	}
	return &rag.Failure{Code: code, Message: message}
}

// placeholders gives "?, ?, ?" and the ids as arguments.
func placeholders[T any](ids []T) (string, []any) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return strings.TrimSuffix(strings.Repeat("?, ", len(ids)), ", "), args
}

// toJSON writes a value whose types always can be written; map keys come sorted, so equal values give equal text.
func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("write json: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// toMetadata reads metadata back with the types it had: int64, float64, string, bool and []string.
func toMetadata(text string) (rag.Metadata, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var m rag.Metadata
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	for key, value := range m {
		m[key] = settle(value)
	}
	return m, nil
}

func settle(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		texts := make([]string, 0, len(v))
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return v
			}
			texts = append(texts, text)
		}
		return texts
	}
	return value
}
