package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/catalogtest"
	"github.com/redkite/redkite/internal/catalog/postgrestest"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// TestPostgres runs on PostgreSQL what must hold on either database, and what only several processes on several hosts
// bring.
func TestPostgres(t *testing.T) {
	server := postgrestest.Start(t)
	fresh := func(t *testing.T) catalog.Config { return catalog.Config{URL: server.Database(t)} }
	t.Run("conformance", func(t *testing.T) {
		catalogtest.Run(t, func(t *testing.T) catalogtest.Opener {
			address := server.Database(t)
			return func(ctx context.Context, cfg catalog.Config) (*catalog.Catalog, error) {
				cfg.URL = address
				return catalog.Open(ctx, cfg, quiet())
			}
		})
	})
	t.Run("lost wake", func(t *testing.T) { testLostWake(t, fresh) })
	t.Run("schema of its own", func(t *testing.T) {
		testLostWake(t, func(t *testing.T) catalog.Config {
			address := server.Database(t)
			server.Exec(t, address, `CREATE SCHEMA apart`)
			return catalog.Config{URL: address + "&search_path=apart"}
		})
	})
	t.Run("migrate together", func(t *testing.T) { testMigrateTogether(t, fresh(t)) })
	t.Run("newer schema", func(t *testing.T) {
		cfg := fresh(t)
		open(t, cfg)
		raw(t, cfg.URL, `INSERT INTO schema_migrations (number, name, applied_at) VALUES (9999, '9999_future.sql', 0)`)
		_, err := catalog.Open(t.Context(), cfg, quiet())
		var p *rag.Problem
		if !errors.As(err, &p) || p.Code != "schema_too_new" {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("versions from before chunkings", func(t *testing.T) {
		cfg := fresh(t)
		testVersionsFromBeforeChunkings(t, cfg, cfg.URL)
	})
	t.Run("many claim", func(t *testing.T) { testManyClaim(t, fresh(t)) })
	t.Run("writers clash", func(t *testing.T) { testWritersClash(t, fresh(t)) })
	t.Run("replace while claiming", func(t *testing.T) { testReplaceWhileClaiming(t, fresh(t)) })
	t.Run("processes killed", func(t *testing.T) { testKilled(t, server.Database(t)) })
	t.Run("server killed", func(t *testing.T) { testServerKilled(t, server, fresh(t)) }) // last: it ends all connections
}

// docs makes a collection.
func docs(t *testing.T, c *catalog.Catalog) rag.Collection {
	t.Helper()
	collection, err := c.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	return collection
}

// testManyClaim lets six catalogs with pools of their own work on one queue: no job is held twice at a time, and each
// is done once.
func testManyClaim(t *testing.T, cfg catalog.Config) {
	cfg.Queue = catalog.QueueConfig{Poll: 10 * time.Millisecond, Lease: time.Minute, Overdue: time.Minute}
	first := open(t, cfg)
	collection := docs(t, first)
	const jobs, catalogs = 150, 6
	var mu sync.Mutex
	holds, runs := map[rag.JobID]int{}, map[rag.JobID]int{}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range catalogs {
		c := open(t, cfg)
		all.Go(func() {
			err := c.Run(ctx, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
				mu.Lock()
				holds[job.ID]++
				runs[job.ID]++
				if holds[job.ID] > 1 {
					t.Errorf("job %d is held twice", job.ID)
				}
				mu.Unlock()
				defer func() {
					mu.Lock()
					holds[job.ID]--
					mu.Unlock()
				}()
				if err := catalogtest.WriteChunks(ctx, c, claim, ingest.Cut{}); err != nil {
					return err
				}
				return publish(ctx, c, claim)
			}, 4)
			if err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	ids := make([]rag.JobID, jobs)
	for i := range ids {
		a, err := first.PutDocument(t.Context(), collection.ID, ingest.Staged{Blob: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = a.Job.ID
	}
	waiting, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, id := range ids {
		if j, err := first.WaitJob(waiting, "t", id); err != nil || j.State != rag.JobSucceeded || j.Attempts != 1 {
			t.Errorf("wait: %v %+v", err, j)
		}
	}
	stop()
	all.Wait()
	for _, id := range ids {
		if runs[id] != 1 {
			t.Errorf("job %d was run %d times", id, runs[id])
		}
	}
}

// testWritersClash lets catalogs write the same things at once. Each name and each version must be there once, and no
// clash be seen from outside.
func testWritersClash(t *testing.T, cfg catalog.Config) {
	const writers, rounds = 5, 12
	var all sync.WaitGroup
	for range writers {
		c := open(t, cfg)
		all.Go(func() {
			for round := range rounds {
				_, err := c.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: fmt.Sprint("c", round)})
				if err != nil && !errors.Is(err, rag.ErrConflict) {
					t.Errorf("create: %v", err)
				}
				collection, err := c.Collection(t.Context(), "t", fmt.Sprint("c", round))
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				for range 2 {
					staged := []ingest.Staged{
						{Upload: ingest.Upload{ExternalID: "same"}, Blob: "b", SHA256: fmt.Sprint(time.Now().UnixNano())},
						{Blob: "b"},
					}
					if _, err := c.PutDocuments(t.Context(), collection.ID, staged); err != nil {
						t.Errorf("put: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	c := open(t, cfg)
	collections, err := c.Collections(t.Context(), "t")
	if err != nil || len(collections) != rounds {
		t.Fatalf("%d collections (%v), want %d", len(collections), err, rounds)
	}
	for _, collection := range collections {
		d, err := c.Document(t.Context(), collection.ID, "same")
		if err != nil || d.Version != 2*writers {
			t.Errorf("%s: version %d (%v), want %d", collection.Name, d.Version, err, 2*writers)
		}
		open, err := c.Jobs(t.Context(), "t", catalog.JobFilter{Document: d.ID, States: []rag.JobState{rag.JobQueued}, Limit: 99})
		if err != nil || len(open) != 1 || open[0].Version != d.Version {
			t.Errorf("%s: open jobs %+v (%v), want one for version %d", collection.Name, open, err, d.Version)
		}
		if counts, err := c.Counts(t.Context(), collection.ID); err != nil || counts.Total != 1+2*writers {
			t.Errorf("%s: %+v (%v)", collection.Name, counts, err)
		}
	}
}

// testReplaceWhileClaiming replaces one document again and again from several catalogs while others take its jobs. A job
// must not come back once it was canceled, and no two handlers be at the document at a time.
func testReplaceWhileClaiming(t *testing.T, cfg catalog.Config) {
	cfg.Queue = catalog.QueueConfig{
		Poll: 5 * time.Millisecond, Lease: time.Minute, Overdue: time.Minute, Watch: 5 * time.Millisecond, RetryFirst: time.Millisecond,
	}
	first := open(t, cfg)
	collection := docs(t, first)
	ctx, stop := context.WithCancel(t.Context())
	var workers, writers sync.WaitGroup
	var at atomic.Int32
	for range 3 {
		c := open(t, cfg)
		workers.Go(func() {
			err := c.Run(ctx, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
				if at.Add(1) > 1 {
					t.Errorf("job %d runs beside another one on its document", job.ID)
				}
				defer at.Add(-1)
				if err := catalogtest.WriteChunks(ctx, c, claim, ingest.Cut{Chunks: make([]rag.Chunk, 3)}); err != nil {
					return err
				}
				pending, err := c.PendingChunks(ctx, claim, 9)
				if err != nil {
					return err
				}
				for _, chunk := range pending {
					err = errors.Join(err, c.MarkIndexed(ctx, claim, []rag.ChunkID{chunk.ID}, 0))
				}
				return errors.Join(err, publish(ctx, c, claim))
			}, 4)
			if err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	for writer := range 3 {
		c := open(t, cfg)
		writers.Go(func() {
			for i := range 60 {
				s := ingest.Staged{Upload: ingest.Upload{ExternalID: "one"}, Blob: "b", SHA256: fmt.Sprint(writer, i)}
				if _, err := c.PutDocument(t.Context(), collection.ID, s); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	writers.Wait()
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	awaitReady(limited, t, first, collection.ID, []string{"one"})
	stop()
	workers.Wait()
	open, err := first.Jobs(t.Context(), "t", catalog.JobFilter{
		States: []rag.JobState{rag.JobQueued, rag.JobRunning, rag.JobRetrying, rag.JobFailed}, Limit: 9,
	})
	if err != nil || len(open) != 0 {
		t.Errorf("jobs that came back or failed: %v %+v", err, open)
	}
}

// testServerKilled kills the server in the middle of uploads and work, three times. What was acknowledged must come
// through, by itself and without an attempt counted as a failure; meanwhile the catalog says that it is unavailable.
func testServerKilled(t *testing.T, server *postgrestest.Server, cfg catalog.Config) {
	cfg.Queue = catalog.QueueConfig{
		Poll: 10 * time.Millisecond, Lease: 2 * time.Second, Renew: 300 * time.Millisecond, Reap: 200 * time.Millisecond,
		Overdue: time.Second, RetryFirst: 50 * time.Millisecond, WaitMost: 500 * time.Millisecond, MaxFailures: 1,
	}
	c := open(t, cfg)
	collection := docs(t, c)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
			if err := catalogtest.WriteChunks(ctx, c, claim, ingest.Cut{}); err != nil {
				return err
			}
			return publish(ctx, c, claim)
		}, 4)
	}()
	var acknowledged []string
	refused := 0
	for outage := range 3 {
		killed := make(chan struct{})
		time.AfterFunc(500*time.Millisecond, func() { server.Kill(t); close(killed) })
		for i := 0; ; i++ {
			id := fmt.Sprintf("d%d-%d", outage, i)
			_, err := c.PutDocument(t.Context(), collection.ID, ingest.Staged{Upload: ingest.Upload{ExternalID: id}, Blob: id})
			if err == nil {
				acknowledged = append(acknowledged, id)
				continue
			}
			if refused++; !errors.Is(err, rag.ErrUnavailable) {
				t.Errorf("put while PostgreSQL is away: %v", err)
			}
			break
		}
		<-killed
		if err := c.Ping(t.Context()); !errors.Is(err, rag.ErrUnavailable) {
			t.Errorf("ping while PostgreSQL is away: %v", err)
		}
		if _, err := c.Document(t.Context(), collection.ID, "d"); !errors.Is(err, rag.ErrUnavailable) {
			t.Errorf("read while PostgreSQL is away: %v", err)
		}
		server.Restart(t)
	}
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // what was at work in an outage comes back at the end of the line
	defer cancel()
	awaitReady(limited, t, c, collection.ID, acknowledged)
	t.Logf("%d documents acknowledged over %d outages", len(acknowledged), refused)
	failed, err := c.Jobs(t.Context(), "t", catalog.JobFilter{States: []rag.JobState{rag.JobFailed}, Limit: 9})
	if err != nil || len(failed) != 0 {
		t.Errorf("failed jobs: %v %+v", err, failed)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

// awaitReady waits until the documents are all searchable.
func awaitReady(ctx context.Context, t *testing.T, c *catalog.Catalog, collection rag.CollectionID, ids []string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for _, id := range ids {
		for {
			d, err := c.Document(ctx, collection, id)
			if errors.Is(err, rag.ErrNotFound) {
				t.Errorf("document %s was acknowledged and is lost", id)
				break
			}
			if err == nil && d.LiveVersion == d.Version {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("document %s is not ready: %+v (%v)", id, d, err)
			case <-ticker.C:
			}
		}
	}
}

func TestPostgresAddress(t *testing.T) {
	for _, address := range []string{
		"mysql://u:s3cret@h/d", "postgres://u:s3cret@h:notaport/d", "postgres://u:s3cret@127.0.0.1:1/d?sslmode=nonsense",
		"postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable", "postgres://u:s3c%ret@h/d",
	} {
		_, err := catalog.Open(t.Context(), catalog.Config{URL: address}, quiet())
		var p *rag.Problem
		if !errors.As(err, &p) || strings.Contains(err.Error(), "s3c") || strings.Contains(p.Message, "s3c") {
			t.Errorf("open %s: %v", address, err)
		}
	}
	_, err := catalog.Open(t.Context(), catalog.Config{URL: "postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable"}, quiet())
	if !errors.Is(err, rag.ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("open where nobody listens: %v", err)
	}
}
