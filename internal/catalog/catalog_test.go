package catalog_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/catalogtest"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		os.Exit(child(path))
	}
	os.Exit(m.Run())
}

func TestSQLite(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) catalogtest.Opener {
		path := filepath.Join(t.TempDir(), "catalog.db")
		return func(ctx context.Context, cfg catalog.Config) (*catalog.Catalog, error) {
			cfg.Path = path
			return catalog.Open(ctx, cfg, quiet())
		}
	})
}

// publish takes a version whose chunks are indexed to live.
func publish(ctx context.Context, c *catalog.Catalog, claim rag.Claim) error {
	for _, stage := range []rag.Stage{rag.StageEmbed, rag.StagePublish} {
		if err := c.SetStage(ctx, claim, stage); err != nil {
			return err
		}
	}
	return c.Publish(ctx, claim)
}

// open opens and migrates a catalog at path, closed when the test ends.
func open(t *testing.T, cfg catalog.Config) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw opens the file beside the catalog, to do what only a fault would.
func raw(t *testing.T, path, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=5000")
	if strings.HasPrefix(path, "postgres:") {
		db, err = sql.Open("pgx", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.ExecContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 && !strings.HasPrefix(statement, "CREATE") {
		t.Fatalf("%s: %d rows (%v)", statement, n, err)
	}
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space & question?.db")
	c := open(t, catalog.Config{Path: path})
	raw(t, strings.ReplaceAll(strings.ReplaceAll(path, "?", "%3f"), " ", "%20"),
		`INSERT INTO schema_migrations (number, name, applied_at) VALUES (9999, '9999_future.sql', 0)`)
	_, err := catalog.Open(t.Context(), catalog.Config{Path: path}, quiet())
	var p *rag.Problem
	if !errors.As(err, &p) || p.Code != "schema_too_new" || !strings.Contains(p.Message, "9999") {
		t.Errorf("open: %v", err)
	}
	if err := c.Migrate(t.Context()); !errors.As(err, &p) || p.Code != "schema_too_new" {
		t.Errorf("migrate: %v", err)
	}
}

func TestOpenAndMigrateTogether(t *testing.T) {
	testMigrateTogether(t, catalog.Config{Path: filepath.Join(t.TempDir(), "catalog.db")})
}

func testMigrateTogether(t *testing.T, cfg catalog.Config) {
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			c, err := catalog.Open(t.Context(), cfg, quiet())
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer c.Close()
			if err := c.Migrate(t.Context()); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	all.Wait()
}

func TestOpenWithoutFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "catalog.db")
	if _, err := catalog.Open(t.Context(), catalog.Config{Path: path}, quiet()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("open: %v, want an error that names %s", err, path)
	}
}

// TestLostWake takes River's row away, or leaves it taken by a process that died before it claimed.
func TestLostWake(t *testing.T) {
	testLostWake(t, func(t *testing.T) catalog.Config {
		return catalog.Config{Path: filepath.Join(t.TempDir(), "catalog.db")}
	})
}

// putOne uploads a document into a collection of tenant t.
func putOne(t *testing.T, c *catalog.Catalog) ingest.Accepted {
	t.Helper()
	collection, err := c.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.PutDocument(t.Context(), collection.ID, ingest.Staged{Blob: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func testLostWake(t *testing.T, fresh func(t *testing.T) catalog.Config) {
	for name, fault := range map[string]string{
		"gone":      `DELETE FROM river_job`,
		"ended":     `UPDATE river_job SET state = 'discarded', finalized_at = CURRENT_TIMESTAMP`,
		"taken":     `UPDATE river_job SET state = 'running', attempted_at = '2020-01-01 00:00:00'`,
		"scheduled": `UPDATE river_job SET state = 'scheduled', scheduled_at = '2020-01-01 00:00:00'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := fresh(t)
			cfg.Queue = catalog.QueueConfig{Reap: 50 * time.Millisecond, Poll: 10 * time.Millisecond}
			c := open(t, cfg)
			a := putOne(t, c)
			raw(t, cmp.Or(cfg.URL, cfg.Path), fault)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			ran := make(chan rag.JobID, 9)
			done := make(chan error, 1)
			running, stop := context.WithCancel(ctx)
			go func() {
				done <- c.Run(running, func(_ context.Context, claim rag.Claim, _ rag.Job) error {
					ran <- claim.Job
					return rag.Invalid("", "enough")
				}, 2)
			}()
			if j, err := c.WaitJob(ctx, "t", a.Job.ID); err != nil || j.State != rag.JobFailed {
				t.Errorf("wait: %v %+v", err, j)
			}
			stop()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
			if len(ran) != 1 {
				t.Errorf("the job ran %d times", len(ran))
			}
		})
	}
}

// TestUnsettledJobIsTakenUpAgain lets the end of a job fail to be written once. Its lease must then run out, although
// the process that held it lives on.
func TestUnsettledJobIsTakenUpAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := open(t, catalog.Config{Path: path, Queue: catalog.QueueConfig{
		Lease: 300 * time.Millisecond, Renew: 50 * time.Millisecond, Reap: 50 * time.Millisecond, Poll: 10 * time.Millisecond,
	}})
	a := putOne(t, c)
	raw(t, path, `CREATE TRIGGER unsettled BEFORE UPDATE OF finished_at ON jobs WHEN NEW.crashes = 0
		BEGIN SELECT RAISE(ABORT, 'a fault'); END`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() {
		done <- c.Run(running, func(context.Context, rag.Claim, rag.Job) error { return rag.Invalid("", "enough") }, 1)
	}()
	if j, err := c.WaitJob(ctx, "t", a.Job.ID); err != nil || j.State != rag.JobFailed || j.Attempts != 2 {
		t.Errorf("wait: %v %+v", err, j)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
