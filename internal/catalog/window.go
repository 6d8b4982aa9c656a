package catalog

import (
	"context"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// window reads the page that a cursor asks for, of what a query gives that ends in its conditions. column holds the
// numbers that the cursor counts by.
func window[T any](ctx context.Context, db querier, scan func(row) (T, error), query, column string, at rag.Cursor, args ...any) ([]T, error) {
	after, before := ` > ?`, ` < ?`
	if at.Descending {
		after, before = before, after
	}
	if at.After != 0 {
		query, args = query+` AND `+column+after, append(args, at.After)
	}
	if at.Before != 0 {
		query, args = query+` AND `+column+before, append(args, at.Before)
	}
	backwards := at.Before != 0 && at.After == 0 // the page right before: read from its end
	order := ` ORDER BY ` + column
	if at.Descending != backwards {
		order += ` DESC`
	}
	page, err := collect(ctx, db, scan, query+order+` LIMIT ?`, append(args, at.Limit)...)
	if backwards {
		slices.Reverse(page)
	}
	return page, err
}
