package catalog

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/riverqueue/river/rivermigrate"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/migrations"
)

// migration is one numbered file.
type migration struct {
	number int
	name   string
	sql    string
}

// Migrate brings the catalog's tables and River's up to date; processes that start together take turns. On SQLite all
// of it is one transaction. On PostgreSQL River's migrations are transactions of their own, and what an attempt that was
// cut short left undone is done by the next.
func (c *Catalog) Migrate(ctx context.Context) error {
	release, err := c.write.takeTurn(ctx, c.write.DB)
	if err != nil {
		return unavailable("wait for another process's migration", err)
	}
	defer release()
	queue, err := rivermigrate.New(c.write.queue(c.write.DB), &rivermigrate.Config{Logger: riverLogger(c.log)})
	if err != nil {
		return fmt.Errorf("migrate queue: %w", err)
	}
	err = c.inTx(ctx, "migrate catalog", func(tx *transaction) error {
		if _, err := tx.Tx.ExecContext(ctx, c.write.schema(`CREATE TABLE IF NOT EXISTS schema_migrations (
			number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)`)); err != nil {
			return err
		}
		if err := c.apply(ctx, tx); err != nil || c.write.queueApart {
			return err
		}
		//lint:ignore SA1019 the migrations must be one transaction with ours, and those for SQLite can be
		if _, err := queue.MigrateTx(ctx, tx.Tx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate queue: %w", err)
		}
		return nil
	})
	if err != nil || !c.write.queueApart {
		return err
	}
	_, err = queue.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return unavailable("migrate queue", err)
}

// apply runs the migrations that the database does not have.
func (c *Catalog) apply(ctx context.Context, tx *transaction) error {
	known, err := knownMigrations()
	if err != nil {
		return err
	}
	at, err := schemaNumber(ctx, tx)
	if err != nil {
		return err
	}
	if err := refuseNewer(at, known); err != nil {
		return err
	}
	for _, m := range known {
		if m.number <= at {
			continue
		}
		if _, err := tx.Tx.ExecContext(ctx, c.write.schema(m.sql)); err != nil {
			return fmt.Errorf("apply %s: %w", m.name, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO schema_migrations (number, name, applied_at) VALUES (?, ?, ?)`,
			m.number, m.name, micros(c.now())); err != nil {
			return fmt.Errorf("record %s: %w", m.name, err)
		}
		c.log.InfoContext(ctx, "migrated", "migration", m.name)
	}
	return nil
}

// checkSchema refuses a database that a newer redkite has migrated. One without any schema is fine: Migrate makes it.
func (c *Catalog) checkSchema(ctx context.Context) error {
	if found, err := c.Migrated(ctx); err != nil || !found {
		return err
	}
	at, err := schemaNumber(ctx, c.write)
	if err != nil {
		return err
	}
	known, err := knownMigrations()
	if err != nil {
		return err
	}
	return refuseNewer(at, known)
}

// Migrated reports whether the database has a catalog's tables, of whatever release.
func (c *Catalog) Migrated(ctx context.Context) (bool, error) {
	var tables int
	if err := c.write.QueryRowContext(ctx, c.write.hasTable, "schema_migrations").Scan(&tables); err != nil {
		return false, unavailable("read schema", err)
	}
	return tables > 0, nil
}

func refuseNewer(at int, known []migration) error {
	newest := known[len(known)-1].number
	if at <= newest {
		return nil
	}
	return &rag.Problem{
		Kind: rag.ErrConflict, Code: "schema_too_new",
		Message: fmt.Sprintf("the catalog has schema %d, but this redkite knows only up to %d: it was migrated by a newer "+
			"release; run that release, or restore a backup from before", at, newest),
	}
}

// schemaNumber is the number of the last migration applied; 0 for none.
func schemaNumber(ctx context.Context, db querier) (int, error) {
	var number int
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM schema_migrations`).Scan(&number); err != nil {
		return 0, fmt.Errorf("read schema number: %w", err)
	}
	return number, nil
}

// knownMigrations reads the embedded files in order of their numbers.
func knownMigrations() ([]migration, error) {
	files, err := fs.ReadDir(migrations.Catalog(), ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	known := make([]migration, 0, len(files))
	for i, f := range files {
		prefix, _, _ := strings.Cut(f.Name(), "_")
		number, err := strconv.Atoi(prefix)
		if err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", f.Name(), i+1)
		}
		text, err := fs.ReadFile(migrations.Catalog(), f.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", f.Name(), err)
		}
		known = append(known, migration{number: number, name: f.Name(), sql: string(text)})
	}
	return known, nil
}
