package catalog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/catalogtest"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// BenchmarkQueue measures jobs from upload to success with a handler that does nothing but what the catalog asks for.
func BenchmarkQueue(b *testing.B) {
	c := openBench(b)
	collection, err := c.CreateCollection(b.Context(), rag.Collection{Tenant: "t", Name: "docs"})
	if err != nil {
		b.Fatal(err)
	}
	staged := make([]ingest.Staged, b.N)
	for i := range staged {
		staged[i] = ingest.Staged{Upload: ingest.Upload{ExternalID: fmt.Sprint(i)}, Blob: fmt.Sprint(i)}
	}
	start := time.Now()
	accepted, err := c.PutDocuments(b.Context(), collection.ID, staged)
	if err != nil {
		b.Fatal(err)
	}
	puts := float64(b.N) / time.Since(start).Seconds()
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	b.ResetTimer()
	go func() {
		done <- c.Run(ctx, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
			if _, err := c.Task(ctx, claim); err != nil {
				return err
			}
			if err := catalogtest.WriteChunks(ctx, c, claim, ingest.Cut{}); err != nil {
				return err
			}
			return publish(ctx, c, claim)
		}, 4)
	}()
	for _, a := range accepted {
		if _, err := c.WaitJob(b.Context(), "t", a.Job.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(puts, "puts/s")
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func openBench(b *testing.B) *catalog.Catalog {
	c, err := catalog.Open(b.Context(), catalog.Config{Path: filepath.Join(b.TempDir(), "catalog.db")}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	if err := c.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return c
}
