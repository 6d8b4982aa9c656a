package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/rag"
)

// openCatalog opens the catalog: the PostgreSQL database that is set, else the file in the data folder.
func openCatalog(ctx context.Context, s config.Settings, log *slog.Logger) (*catalog.Catalog, error) {
	return catalog.Open(ctx, catalog.Config{Path: catalogFile(s), URL: s.CatalogURL, Queue: catalog.QueueConfig{MaxParseCrashes: s.ParseCrashes}}, log)
}

func catalogFile(s config.Settings) string { return filepath.Join(s.Data, "catalog.db") }

// withCatalog opens the catalog, brought up to date, for one operation.
func withCatalog(ctx context.Context, s config.Settings, log *slog.Logger, do func(*catalog.Catalog) error) error {
	if err := os.MkdirAll(s.Data, 0o750); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	c, err := openCatalog(ctx, s, log)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Migrate(ctx); err != nil {
		return err
	}
	return do(c)
}

// Migrate brings the catalog's schema up to date; a server does so itself when it starts.
func Migrate(ctx context.Context, s config.Settings, log *slog.Logger) error {
	return withCatalog(ctx, s, log, func(*catalog.Catalog) error { return nil })
}

// NewKey is an API key as it is shown once, when it is made.
type NewKey struct {
	ID     string    `json:"id"`
	Secret string    `json:"secret"`
	Tenant string    `json:"tenant"`
	Name   string    `json:"name"`
	Scope  rag.Scope `json:"scope"`
}

// CreateKey makes an API key for a tenant. Its secret is kept nowhere.
func CreateKey(ctx context.Context, s config.Settings, log *slog.Logger, tenant, name string, scope rag.Scope) (NewKey, error) {
	var key NewKey
	err := withCatalog(ctx, s, log, func(c *catalog.Catalog) error {
		k, err := c.CreateKey(ctx, tenant, name, scope)
		key = NewKey{ID: k.ID, Secret: k.Secret, Tenant: k.Tenant, Name: k.Name, Scope: k.Scope}
		return err
	})
	return key, err
}

// KeyEntry is an API key as it is listed.
type KeyEntry struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	Name       string     `json:"name"`
	Scope      rag.Scope  `json:"scope"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
}

// Keys lists API keys, revoked ones too.
func Keys(ctx context.Context, s config.Settings, log *slog.Logger) ([]KeyEntry, error) {
	entries := []KeyEntry{}
	err := withCatalog(ctx, s, log, func(c *catalog.Catalog) error {
		keys, err := c.Keys(ctx)
		for _, k := range keys {
			entries = append(entries, KeyEntry{ID: k.ID, Tenant: k.Tenant, Name: k.Name, Scope: k.Scope, CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt, RevokedAt: k.RevokedAt})
		}
		return err
	})
	return entries, err
}

// RevokeKey makes an API key worthless at once.
func RevokeKey(ctx context.Context, s config.Settings, log *slog.Logger, id string) error {
	return withCatalog(ctx, s, log, func(c *catalog.Catalog) error { return c.RevokeKey(ctx, id) })
}

// OpenModels opens the models: the bundled ones and those added to the data folder.
func OpenModels(s config.Settings) (*model.Store, error) {
	bundled, added, err := modelDirs(s)
	if err != nil {
		return nil, err
	}
	return model.Open(bundled, added)
}
