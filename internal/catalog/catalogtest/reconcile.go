package catalogtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// places tells how many chunks are where, over all ids.
func places(t *testing.T, b bundle, claim rag.Claim) map[ingest.Place]int {
	t.Helper()
	low, high, err := b.ChunkRange(b.ctx, claim)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := b.Chunks(b.ctx, claim, low, high+1)
	if err != nil {
		t.Fatal(err)
	}
	n := map[ingest.Place]int{}
	for _, k := range kept {
		n[k.Place]++
	}
	return n
}

// testPlaces sees a live document, one whose ingestion failed half way, and one that waits to be tried again; then it
// gives up what is abandoned, which a retry cuts anew.
func testPlaces(t *testing.T, b bundle) {
	x := newIndex()
	half := func(ctx context.Context, claim rag.Claim, last error) error {
		if err := WriteChunks(ctx, b.Catalog, claim, cut("half", 4)); err != nil {
			return err
		}
		pending, err := b.PendingChunks(ctx, claim, 2)
		if err != nil {
			return err
		}
		if err := b.MarkIndexed(ctx, claim, x.upsert(pending...), 0); err != nil {
			return err
		}
		return last
	}
	var checks func(claim rag.Claim) error
	away := true
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		task, err := b.Task(ctx, claim)
		switch {
		case err != nil:
			return err
		case job.Kind == rag.JobReconcile:
			return checks(claim)
		case job.Kind == rag.JobCleanUp:
			return rag.Invalid("", "it can't be cleaned up") // so that something is left
		case task.Blob == "blob/two/v1" && !task.Chunked:
			return half(ctx, claim, rag.Invalid("", "it is broken"))
		case task.Blob == "blob/three/v1" && away:
			if task.Chunked {
				return rag.Unavailable("milvus", nil)
			}
			return half(ctx, claim, rag.Unavailable("milvus", nil))
		}
		return ingester(b.Catalog, x, 3)(ctx, claim, job)
	})
	b.wait(t, b.put(t, upload("one", "v1")).Job.ID, rag.JobSucceeded)
	two := b.put(t, upload("two", "v1"))
	b.wait(t, two.Job.ID, rag.JobFailed)
	b.wait(t, b.cleaning(t, "two").ID, rag.JobFailed)
	three := b.put(t, upload("three", "v1"))
	for {
		if j, err := b.Job(b.ctx, rag.DefaultTenant, three.Job.ID); err != nil || j.State == rag.JobRetrying {
			break
		}
	}
	checks = func(claim rag.Claim) error {
		if diff := cmp.Diff(map[ingest.Place]int{ingest.PlaceLive: 3, ingest.PlaceAbandoned: 4, ingest.PlaceUnderWay: 4}, places(t, b, claim)); diff != "" {
			t.Errorf("places (-want +got):\n%s", diff)
		}
		low, high, err := b.ChunkRange(b.ctx, claim)
		if err != nil {
			return err
		}
		var all []rag.ChunkID
		for id := low; id <= high; id++ {
			all = append(all, id)
		}
		gone, err := b.Abandon(b.ctx, claim, all)
		if err != nil {
			return err
		}
		slices.Sort(gone)
		if len(gone) != 4 {
			t.Errorf("gave up %v", gone)
		}
		if diff := cmp.Diff(map[ingest.Place]int{ingest.PlaceLive: 3, ingest.PlaceUnderWay: 4}, places(t, b, claim)); diff != "" {
			t.Errorf("afterwards (-want +got):\n%s", diff)
		}
		return b.SetProgress(b.ctx, claim, 1, 2, `{"missing":0}`)
	}
	job, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", rag.JobReconcile, "")
	if err != nil {
		t.Fatal(err)
	}
	if j := b.wait(t, job.ID, rag.JobSucceeded); j.Done != 1 || j.Total != 2 || j.Result != `{"missing":0}` {
		t.Errorf("the job at its end: %+v", j)
	}
	if _, err := b.RetryJob(b.ctx, rag.DefaultTenant, two.Job.ID); err != nil {
		t.Fatal(err)
	}
	b.wait(t, two.Job.ID, rag.JobFailed) // it was cut anew, and is broken still
	away = false
	stop()
}

// testRebuildAlone sees that a rebuild runs alone, that other jobs of its collection wait for it, and that chunks which
// are not live count as not indexed afterwards.
func testRebuildAlone(t *testing.T, b bundle) {
	x, g := newIndex(), newGate()
	var last []rag.JobKind
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		last = append(last, job.Kind)
		if job.Kind == rag.JobRebuild {
			g.pass(claim)
			return b.Unindex(ctx, claim)
		}
		return ingester(b.Catalog, x, 2)(ctx, claim, job)
	})
	b.wait(t, b.put(t, upload("one", "v1")).Job.ID, rag.JobSucceeded)
	rebuild, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", rag.JobRebuild, "")
	if err != nil {
		t.Fatal(err)
	}
	<-g.arrived
	b.checkRebuilding(t, true)
	again, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", rag.JobRebuild, "")
	if err != nil || again.ID != rebuild.ID {
		t.Errorf("asked for again: job %d, %v; want %d", again.ID, err, rebuild.ID)
	}
	late := b.put(t, upload("two", "v1"))
	close(g.proceed)
	b.wait(t, rebuild.ID, rag.JobSucceeded)
	b.wait(t, late.Job.ID, rag.JobSucceeded)
	b.checkRebuilding(t, false)
	if diff := cmp.Diff([]rag.JobKind{rag.JobIngest, rag.JobRebuild, rag.JobIngest}, last); diff != "" {
		t.Errorf("order of jobs (-want +got):\n%s", diff)
	}
	if _, err := b.AddCollectionJob(b.ctx, "other", "docs", rag.JobRebuild, ""); err == nil {
		t.Error("another tenant's collection was rebuilt")
	}
}

// checkRebuilding asks the catalog in every way whether search misses documents of the collection.
func (b bundle) checkRebuilding(t *testing.T, want bool) {
	t.Helper()
	c, err := b.Collection(b.ctx, rag.DefaultTenant, "docs")
	if err != nil || c.Rebuilding != want {
		t.Errorf("rebuilding: %v, %v; want %v", c.Rebuilding, err, want)
	}
	if n, err := b.Rebuilding(b.ctx); err != nil || (n == 1) != want {
		t.Errorf("%d collections are rebuilding, %v", n, err)
	}
}

// testRebuildFails sees a collection count as incomplete from the beginning of a rebuild that fails until something has
// filled it.
func testRebuildFails(t *testing.T, b bundle) {
	queue := func(kind rag.JobKind, params string) rag.JobID {
		t.Helper()
		job, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", kind, params)
		if err != nil {
			t.Fatal(err)
		}
		return job.ID
	}
	b.create(t, rag.DefaultTenant, "whole")
	rebuild := queue(rag.JobRebuild, "")
	b.checkRebuilding(t, false)
	b.work(t, b.Catalog, func(_ context.Context, _ rag.Claim, job rag.Job) error {
		if job.Kind == rag.JobRebuild {
			return rag.Invalid("", "it is broken")
		}
		return nil
	})
	b.wait(t, rebuild, rag.JobFailed)
	b.checkRebuilding(t, true)
	b.wait(t, queue(rag.JobReconcile, `{"dry_run":true}`), rag.JobSucceeded)
	b.checkRebuilding(t, true)
	b.wait(t, queue(rag.JobReconcile, ""), rag.JobSucceeded)
	b.checkRebuilding(t, false)
}

// testNightly queues one reconciliation a collection and day, whoever asks.
func testNightly(t *testing.T, b bundle) {
	second := b.open()
	count := func(every time.Duration) int {
		t.Helper()
		n, err := b.QueueReconciliations(b.ctx, every)
		if err != nil {
			t.Fatal(err)
		}
		m, err := second.QueueReconciliations(b.ctx, every)
		if err != nil {
			t.Fatal(err)
		}
		return n + m
	}
	if n := count(time.Hour); n != 0 {
		t.Errorf("a new collection was queued %d times", n)
	}
	if n := count(time.Microsecond); n != 1 {
		t.Errorf("queued %d times, want once", n)
	}
	b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return nil })
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Kind: rag.JobReconcile, Limit: 10})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("jobs %v, %v", jobs, err)
	}
	b.wait(t, jobs[0].ID, rag.JobSucceeded)
	if n := count(time.Hour); n != 0 {
		t.Errorf("queued %d times within the hour", n)
	}
}
