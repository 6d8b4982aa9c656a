package catalog_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/catalogtest"
)

func TestSQLite(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) catalogtest.Opener {
		path := filepath.Join(t.TempDir(), "catalog.db")
		return func(ctx context.Context, cfg catalog.Config) (*catalog.Catalog, error) {
			cfg.Path = path
			return catalog.Open(ctx, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
		}
	})
}
