package catalogtest

import (
	"context"
	"testing"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
)

// cleaning is the newest job that removes what an ingest of a document left.
func (b bundle) cleaning(t *testing.T, id string) rag.Job {
	t.Helper()
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Kind: rag.JobCleanUp, Collection: b.collection.ID, ExternalID: id, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) == 0 {
		t.Fatalf("nothing cleans up document %s", id)
	}
	return jobs[0]
}

// halfway does an ingest up to two of four chunks, then ends as end says.
func halfway(b bundle, x *index, end func(rag.Claim) error) catalog.Handler {
	return func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind != rag.JobIngest || job.Version == 1 {
			return ingester(b.Catalog, x, 3)(ctx, claim, job)
		}
		if err := b.SetStage(ctx, claim, rag.StageParse); err != nil {
			return err
		}
		if err := WriteChunks(ctx, b.Catalog, claim, cut("half", 4)); err != nil {
			return err
		}
		pending, err := b.PendingChunks(ctx, claim, 3)
		if err != nil {
			return err
		}
		ids := x.upsert(pending...) // of three, one is not marked
		if err := b.MarkIndexed(ctx, claim, ids[:2], 0); err != nil {
			return err
		}
		return end(claim)
	}
}

// testCleanUp sees a failed ingest's rows go by themselves, the live version stay, and a retry make the version anew.
func testCleanUp(t *testing.T, b bundle) {
	x := newIndex()
	stop := b.work(t, b.Catalog, halfway(b, x, func(rag.Claim) error { return rag.Invalid("", "it is broken") }))
	b.wait(t, b.put(t, upload("one", "v1")).Job.ID, rag.JobSucceeded)
	second := b.put(t, upload("one", "v2"))
	b.wait(t, second.Job.ID, rag.JobFailed)
	cleaning := b.cleaning(t, "one")
	b.wait(t, cleaning.ID, rag.JobSucceeded)
	stop()
	v1 := []string{"blob/one/v1 #0", "blob/one/v1 #1", "blob/one/v1 #2"}
	b.checkTexts(t, x, v1...)
	if held := x.ids(); len(held) != 3 {
		t.Errorf("the index holds %d chunks, want those of the live version", len(held))
	}
	if d := b.status(t, "one"); d.Status != rag.StatusFailed || d.LiveVersion != 1 {
		t.Errorf("the document: %+v", d)
	}
	_, err := b.CancelJob(b.ctx, rag.DefaultTenant, cleaning.ID)
	refused(t, err, "job_over")
	if _, err := b.RetryDocument(b.ctx, rag.DefaultTenant, b.collection.ID, "one"); err != nil {
		t.Fatal(err)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, second.Job.ID, rag.JobSucceeded)
	b.checkTexts(t, x, "blob/one/v2 #0", "blob/one/v2 #1")
	if held := x.ids(); len(held) != 2 {
		t.Errorf("the index holds %d chunks at the end", len(held))
	}
}

// testCleanUpBeforeRetry cancels an ingest, and has the process die that removes what it left, between Milvus and the
// catalog; a retry was asked for meanwhile. The removal ends first, then the retry begins, and nothing is left over.
func testCleanUpBeforeRetry(t *testing.T, b bundle) {
	x, g := newIndex(), newGate()
	ingesting := halfway(b, x, func(claim rag.Claim) error { g.pass(claim); return nil })
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind == rag.JobCleanUp { // it came before the stop: the handler below gets it
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return ingesting(ctx, claim, job)
	})
	b.wait(t, b.put(t, upload("one", "v1")).Job.ID, rag.JobSucceeded)
	second := b.put(t, upload("one", "v2"))
	<-g.arrived
	if _, err := b.CancelJob(b.ctx, rag.DefaultTenant, second.Job.ID); err != nil {
		t.Fatal(err)
	}
	cleaning := b.cleaning(t, "one")
	_, err := b.CancelJob(b.ctx, rag.DefaultTenant, cleaning.ID)
	refused(t, err, "not_cancelable")
	if j, err := b.Job(b.ctx, rag.DefaultTenant, cleaning.ID); err != nil || j.State != rag.JobQueued {
		t.Errorf("it is cleaned up while the canceled handler still runs: %+v, %v", j, err)
	}
	close(g.proceed)
	// The handler below takes the place of the first one's when that has let go.
	stop()

	died, retried := make(chan struct{}), make(chan struct{})
	var order []rag.JobKind
	first := true
	stop = b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		order = append(order, job.Kind)
		if job.Kind == rag.JobCleanUp && first {
			first = false
			if err := b.GiveUp(ctx, claim); err != nil {
				return err
			}
			dead, err := b.DeadChunks(ctx, claim, 1)
			if err != nil {
				return err
			}
			x.remove(dead...)
			close(died)
			<-retried
			return context.DeadlineExceeded // any end that is tried again
		}
		return ingester(b.Catalog, x, 2)(ctx, claim, job)
	})
	<-died
	if _, err := b.RetryJob(b.ctx, rag.DefaultTenant, second.Job.ID); err != nil {
		t.Fatal(err)
	}
	close(retried)
	b.wait(t, second.Job.ID, rag.JobSucceeded)
	b.wait(t, cleaning.ID, rag.JobSucceeded)
	stop()
	if len(order) != 3 || order[0] != rag.JobCleanUp || order[1] != rag.JobCleanUp || order[2] != rag.JobIngest {
		t.Errorf("jobs ran as %v", order)
	}
	b.checkTexts(t, x, "blob/one/v2 #0", "blob/one/v2 #1")
	if held := x.ids(); len(held) != 2 {
		t.Errorf("the index holds %d chunks, want those of the live version", len(held))
	}
}
