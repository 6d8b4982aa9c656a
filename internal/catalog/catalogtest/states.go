package catalogtest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
)

// testStatesGoTogether follows a document through its job: in work only while the job runs, queued while that waits.
func testStatesGoTogether(t *testing.T, b bundle) {
	slow := quick()
	slow.RetryFirst, slow.RetryMost, slow.WaitMost = time.Minute, time.Minute, time.Minute
	c := b.openWith(slow)
	a := b.put(t, upload("one", "v1"))
	states := make(chan rag.Status, 10)
	see := func(ctx context.Context, id string) {
		d, err := b.Document(ctx, b.collection.ID, id)
		if err != nil {
			t.Error(err)
		}
		states <- d.Status
	}
	stop := b.work(t, c, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
		see(ctx, "one")
		for _, stage := range []rag.Stage{rag.StageParse, rag.StageEmbed, rag.StagePublish} {
			if err := c.SetStage(ctx, claim, stage); err != nil {
				t.Error(err)
			}
			see(ctx, "one")
		}
		return rag.Unavailable("milvus", errors.New("refused"))
	})
	want := []rag.Status{rag.StatusQueued, rag.StatusParsing, rag.StatusEmbedding, rag.StatusIndexing}
	var got []rag.Status
	for range want {
		got = append(got, <-states)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("while the job ran (-want +got):\n%s", diff)
	}
	b.until(t, a.Job.ID, rag.JobRetrying)
	if d := b.status(t, "one"); d.Status != rag.StatusQueued || d.Error != nil {
		t.Errorf("while the job waits: %s (%+v)", d.Status, d.Error)
	}
	stop()

	// One that its process gives back.
	second := b.put(t, upload("two", "v1"))
	stop = b.work(t, c, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
		if err := c.SetStage(ctx, claim, rag.StageParse); err != nil {
			t.Error(err)
		}
		see(ctx, "two")
		<-ctx.Done()
		return ctx.Err()
	})
	if s := <-states; s != rag.StatusParsing {
		t.Errorf("in work: %s", s)
	}
	stop()
	if d := b.status(t, "two"); d.Status != rag.StatusQueued {
		t.Errorf("given back: %s", d.Status)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, newIndex(), 1))
	b.wait(t, second.Job.ID, rag.JobSucceeded)
}

// until waits until a job is in a state that is not final.
func (b bundle) until(t *testing.T, id rag.JobID, want rag.JobState) rag.Job {
	t.Helper()
	for {
		j, err := b.Job(b.ctx, rag.DefaultTenant, id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State == want {
			return j
		}
		time.Sleep(time.Millisecond) // another process's view: there is nothing to wait on
	}
}

// testIllegalMoves asks for changes of state that are not allowed; each is refused and changes nothing.
func testIllegalMoves(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	var calls atomic.Int32
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if calls.Add(1) > 1 {
			return ingester(b.Catalog, newIndex(), 1)(ctx, claim, job)
		}
		refused := func(what string, err error, stays rag.Status) {
			if err == nil || errors.Is(err, rag.ErrStale) {
				t.Errorf("%s: %v, want it refused", what, err)
			}
			if d := b.status(t, "one"); d.Status != stays {
				t.Errorf("%s: the document is %s, want %s", what, d.Status, stays)
			}
		}
		must := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		refused("publish what is queued", b.Publish(ctx, claim), rag.StatusQueued)
		refused("index what is queued", b.SetStage(ctx, claim, rag.StagePublish), rag.StatusQueued)
		must(WriteChunks(ctx, b.Catalog, claim, cut("v1", 0)))
		must(b.SetStage(ctx, claim, rag.StageParse))
		refused("publish what is parsed", b.Publish(ctx, claim), rag.StatusParsing)
		must(b.SetStage(ctx, claim, rag.StageEmbed))
		refused("parse again", b.SetStage(ctx, claim, rag.StageParse), rag.StatusEmbedding)
		refused("publish what is embedded", b.Publish(ctx, claim), rag.StatusEmbedding)
		must(b.SetStage(ctx, claim, rag.StagePublish))
		refused("embed again", b.SetStage(ctx, claim, rag.StageEmbed), rag.StatusIndexing)
		must(b.Publish(ctx, claim))
		refused("index what is live", b.SetStage(ctx, claim, rag.StagePublish), rag.StatusReady)
		must(b.Publish(ctx, claim)) // what is so already
		return nil
	})
	b.wait(t, a.Job.ID, rag.JobSucceeded)
}

// testRetryAfterPublishing retries a job that failed when its version was live already: that stays so all along.
func testRetryAfterPublishing(t *testing.T, b bundle) {
	x := newIndex()
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind == rag.JobIngest && job.Version == 2 && job.Attempts <= quick().MaxFailures {
			task, err := b.Task(ctx, claim)
			if err == nil && !task.Live {
				err = errors.Join(WriteChunks(ctx, b.Catalog, claim, cut("v2", 1)), indexAll(ctx, b.Catalog, x, claim), b.Publish(ctx, claim))
			}
			return errors.Join(errors.New("the old version can't be removed"), err)
		}
		return ingester(b.Catalog, x, 1)(ctx, claim, job)
	})
	b.wait(t, b.put(t, upload("one", "v1")).Job.ID, rag.JobSucceeded)
	second := b.put(t, upload("one", "v2"))
	b.wait(t, second.Job.ID, rag.JobFailed)
	if d := b.status(t, "one"); d.Status != rag.StatusReady || d.LiveVersion != 2 {
		t.Errorf("live, its job failed: %+v", d)
	}
	if _, err := b.RetryJob(b.ctx, rag.DefaultTenant, second.Job.ID); err != nil {
		t.Fatal(err)
	}
	if d := b.status(t, "one"); d.Status != rag.StatusReady {
		t.Errorf("live, its job retried: %s", d.Status)
	}
	b.wait(t, second.Job.ID, rag.JobSucceeded)
	if d := b.status(t, "one"); d.Status != rag.StatusReady || len(x.ids()) != 1 {
		t.Errorf("at the end: %s, %d chunks in the index", d.Status, len(x.ids()))
	}
}

// testRetryAfterCrashes retries a job that was given up because it kills its workers: the next crash ends it again.
func testRetryAfterCrashes(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	for range quick().MaxCrashes {
		abandon(t, b, b.open(), a.Job.ID)
	}
	stop := b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return errors.New("the job was tried once more") })
	if j := b.wait(t, a.Job.ID, rag.JobFailed); j.Error == nil || j.Error.Code != "crashed" {
		t.Errorf("given up: %+v", j)
	}
	stop()
	if _, err := b.RetryDocument(b.ctx, rag.DefaultTenant, b.collection.ID, "one"); err != nil {
		t.Fatal(err)
	}
	abandon(t, b, b.open(), a.Job.ID)
	stop = b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return errors.New("the job was tried once more") })
	if j := b.wait(t, a.Job.ID, rag.JobFailed); j.Error == nil || j.Error.Code != "crashed" || j.Attempts != quick().MaxCrashes+1 {
		t.Errorf("given up again: %+v", j)
	}
	stop()
	kept, counts, err := b.Attempts(b.ctx, rag.DefaultTenant, a.Job.ID)
	if err != nil || counts[rag.AttemptCrashed] != quick().MaxCrashes+1 || len(counts) != 1 {
		t.Errorf("attempts: %v %v %v", err, counts, kept)
	}
	for _, at := range kept {
		if at.Worker == "" || at.StartedAt == nil || at.EndedAt.Before(*at.StartedAt) {
			t.Errorf("an attempt without its worker or times: %+v", at)
		}
	}
	if _, err := b.RetryDocument(b.ctx, rag.DefaultTenant, b.collection.ID, "one"); err != nil {
		t.Fatal(err)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, newIndex(), 1)) // mended, or more memory
	b.wait(t, a.Job.ID, rag.JobSucceeded)
}

// testCancelElsewhere cancels a job that another process works on, and retries it before its handler has stopped: the
// handler is told, and the job does not run twice at a time.
func testCancelElsewhere(t *testing.T, b bundle) {
	x, g := newIndex(), newGate()
	other := b.open()
	var calls, running atomic.Int32
	a := b.put(t, upload("one", "v1"))
	b.work(t, other, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if running.Add(1) > 1 {
			t.Error("the job runs twice at a time")
		}
		defer running.Add(-1)
		if calls.Add(1) > 1 {
			return ingester(other, x, 1)(ctx, claim, job)
		}
		g.arrived <- claim
		<-ctx.Done()
		<-g.proceed
		return ctx.Err()
	})
	<-g.arrived
	if _, err := b.CancelJob(b.ctx, rag.DefaultTenant, a.Job.ID); err != nil {
		t.Fatal(err)
	}
	if _, counts, err := b.Attempts(b.ctx, rag.DefaultTenant, a.Job.ID); err != nil || len(counts) != 0 {
		t.Errorf("before the handler has stopped: %v %v", err, counts)
	}
	if j, err := b.RetryJob(b.ctx, rag.DefaultTenant, a.Job.ID); err != nil || j.State != rag.JobQueued {
		t.Fatalf("retried while it stops: %+v %v", j, err)
	}
	close(g.proceed)
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Attempts != 2 {
		t.Errorf("%d attempts, want 2", j.Attempts)
	}
	b.checkAttempts(t, a.Job.ID, []rag.Attempt{{
		Number: 1, Outcome: rag.AttemptCanceled, Times: 1, Error: rag.Failure{Code: "canceled", Message: "it was canceled on request"},
	}})
	b.checkTexts(t, x, "blob/one/v1 #0")
}

// testCancelWaiting cancels a job that waits for its next attempt; nothing of it runs afterwards.
func testCancelWaiting(t *testing.T, b bundle) {
	var calls atomic.Int32
	a := b.put(t, upload("one", "v1"))
	stop := b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error {
		calls.Add(1)
		return rag.Unavailable("milvus", errors.New("refused"))
	})
	b.until(t, a.Job.ID, rag.JobRetrying)
	if _, err := b.CancelJob(b.ctx, rag.DefaultTenant, a.Job.ID); err != nil {
		t.Fatal(err)
	}
	j := b.wait(t, a.Job.ID, rag.JobCanceled)
	if j.NextRunAt != nil || j.FinishedAt == nil {
		t.Errorf("canceled: %+v", j)
	}
	if d := b.status(t, "one"); d.Status != rag.StatusCanceled {
		t.Errorf("the document: %s", d.Status)
	}
	if counts, err := b.Counts(b.ctx, b.collection.ID); err != nil || counts != (rag.Counts{Total: 1, Canceled: 1}) {
		t.Errorf("counts: %v %+v", err, counts)
	}
	stop()
	if again := b.put(t, upload("one", "v1")); again.Unchanged || again.Document.Version != 2 {
		t.Errorf("the same upload after a cancellation: %+v, want version 2", again)
	}
}

// testDeleting sees a document that is being removed: gone by its id, listed where that is asked for.
func testDeleting(t *testing.T, b bundle) {
	x := newIndex()
	a := b.put(t, upload("one", "v1"))
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	stop()
	gone, err := b.DeleteDocument(b.ctx, b.collection.ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Document(b.ctx, b.collection.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	_, err = b.RetryDocument(b.ctx, rag.DefaultTenant, b.collection.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	listed := func(status ...rag.Status) int {
		page, err := b.Documents(b.ctx, b.collection.ID, catalog.Page{Status: status, Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			if d.Status != rag.StatusDeleting || d.LiveVersion != 0 {
				t.Errorf("listed: %+v", d)
			}
		}
		return len(page)
	}
	if all, ready, deleting := listed(), listed(rag.StatusReady), listed(rag.StatusDeleting); all != 0 || ready != 0 || deleting != 1 {
		t.Errorf("listed %d, ready %d, deleting %d", all, ready, deleting)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, gone.ID, rag.JobSucceeded)
	if n := listed(rag.StatusDeleting); n != 0 {
		t.Errorf("%d are listed when the job is done", n)
	}
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Collection: b.collection.ID, ExternalID: "one", Limit: 9})
	if gone.Name != "docs" || a.Job.Name != "docs" || gone.ExternalID != "one" || a.Job.ExternalID != "one" {
		t.Errorf("new jobs: %+v %+v", a.Job, gone)
	}
	if err != nil || len(jobs) != 2 || jobs[0].ID != gone.ID || jobs[0].ExternalID != "one" || jobs[0].Name != "docs" {
		t.Errorf("jobs of the deleted document: %v %+v", err, jobs)
	}
}

// testRetryInDeletedCollection refuses to retry what the collection's deletion has canceled.
func testRetryInDeletedCollection(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	gone, err := b.DeleteDocument(b.ctx, b.collection.ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	second := b.put(t, upload("one", "v1"))
	whole, err := b.DeleteCollection(b.ctx, rag.DefaultTenant, "docs")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []rag.JobID{a.Job.ID, gone.ID, second.Job.ID} {
		b.wait(t, id, rag.JobCanceled)
		_, err := b.RetryJob(b.ctx, rag.DefaultTenant, id)
		refused(t, err, "collection_deleted")
	}
	_, err = b.CancelJob(b.ctx, rag.DefaultTenant, whole.ID)
	refused(t, err, "not_cancelable")
}

// testCancelable sees which jobs on a collection can be canceled.
func testCancelable(t *testing.T, b bundle) {
	for kind, code := range map[rag.JobKind]string{
		rag.JobReconcile: "", rag.JobDeleteDocuments: "", rag.JobRebuild: "not_cancelable", rag.JobDeleteCollection: "not_cancelable",
	} {
		j, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", kind, "{}")
		if err != nil {
			t.Fatal(err)
		}
		canceled, err := b.CancelJob(b.ctx, rag.DefaultTenant, j.ID)
		if code != "" {
			refused(t, err, code)
			continue
		}
		if err != nil || canceled.State != rag.JobCanceled {
			t.Errorf("%s: %v %+v", kind, err, canceled)
		}
		if again, err := b.RetryJob(b.ctx, rag.DefaultTenant, j.ID); err != nil || again.State != rag.JobQueued || again.Params != "{}" {
			t.Errorf("%s: %v %+v", kind, err, again)
		}
	}
}
