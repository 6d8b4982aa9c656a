package catalogtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
)

// refusing fails every job for good while *fails.
func refusing(next catalog.Handler, fails *bool) catalog.Handler {
	return func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if *fails {
			return rag.Invalid("", "the file is broken")
		}
		return next(ctx, claim, job)
	}
}

// gate lets a test act while a handler runs.
type gate struct {
	arrived chan rag.Claim // the handler has come this far
	proceed chan struct{}  // closed to let handlers go on
}

func newGate() *gate { return &gate{arrived: make(chan rag.Claim, 100), proceed: make(chan struct{})} }

// pass tells of a handler's arrival and waits until it may go on.
func (g *gate) pass(claim rag.Claim) {
	g.arrived <- claim
	<-g.proceed
}

// texts are the live texts among what the index holds.
func (b bundle) texts(t *testing.T, x *index) []string {
	t.Helper()
	hits, err := b.LiveHits(b.ctx, b.collection.ID, x.ids())
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, h := range hits {
		texts = append(texts, h.Chunk.Text)
	}
	slices.Sort(texts)
	return texts
}

func (b bundle) checkTexts(t *testing.T, x *index, want ...string) {
	t.Helper()
	if got := b.texts(t, x); !slices.Equal(got, want) {
		t.Errorf("live texts %q, want %q", got, want)
	}
}

func testReplace(t *testing.T, b bundle) {
	x, g := newIndex(), newGate()
	first := b.put(t, upload("one", "v1"))
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, first.Job.ID, rag.JobSucceeded)
	stop()

	second := b.put(t, upload("one", "v2"))
	stop = b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if err := errors.Join(WriteChunks(ctx, b.Catalog, claim, b.warned(cut("v2", 3))), indexAll(ctx, b.Catalog, x, claim)); err != nil {
			return err
		}
		g.pass(claim)
		if err := b.Publish(ctx, claim); err != nil {
			return err
		}
		if got := b.texts(t, x); len(got) != 3 || got[0] != "v2 #0" {
			t.Errorf("live texts right after publishing: %q", got)
		}
		return clean(ctx, b.Catalog, x, claim)
	})
	claim := <-g.arrived
	b.checkTexts(t, x, "blob/one/v1 #0", "blob/one/v1 #1")
	if blobs, err := b.Released(b.ctx, claim); err != nil || len(blobs) != 0 {
		t.Errorf("blobs released before publishing: %v %v", err, blobs)
	}
	close(g.proceed)
	b.wait(t, second.Job.ID, rag.JobSucceeded)
	stop()
	b.checkTexts(t, x, "v2 #0", "v2 #1", "v2 #2")
	if n := len(x.ids()); n != 3 {
		t.Errorf("the index holds %d chunks, want 3", n)
	}
	d, err := b.Document(b.ctx, b.collection.ID, "one")
	if err != nil || d.Status != rag.StatusReadyWithWarnings || d.LiveVersion != 2 || d.Chunks != 3 {
		t.Errorf("document: %v %+v", err, d)
	}
	if !slices.Equal(d.Warnings, b.warned(cut("v2", 3)).Warnings) {
		t.Errorf("warnings: %v", d.Warnings)
	}
	if keys, err := b.NeededBlobs(b.ctx, []string{"blob/one/v1", "blob/one/v2", "none"}); err != nil || !slices.Equal(keys, []string{"blob/one/v2"}) {
		t.Errorf("blobs in use: %v %v", err, keys)
	}
}

func testReplaceWhileIngesting(t *testing.T, b bundle) {
	x, g := newIndex(), newGate()
	first := b.put(t, upload("one", "v1"))
	late := make(chan error, 1)
	var overlap error
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Version != 1 {
			if len(late) == 0 {
				overlap = errors.New("version 2 was claimed before version 1's handler had stopped")
			}
			return ingester(b.Catalog, x, 1)(ctx, claim, job)
		}
		if err := WriteChunks(ctx, b.Catalog, claim, cut("v1", 2)); err != nil {
			return err
		}
		pending, err := b.PendingChunks(ctx, claim, 9)
		if err != nil {
			return err
		}
		g.pass(claim)
		<-ctx.Done() // told that the claim is lost
		if !errors.Is(context.Cause(ctx), rag.ErrStale) {
			t.Errorf("cause is %v, want stale", context.Cause(ctx))
		}
		x.upsert(pending...) // a write to Milvus that can't be called back
		free := context.WithoutCancel(ctx)
		late <- errors.Join(b.MarkIndexed(free, claim, []rag.ChunkID{pending[0].ID}, 0), b.Publish(free, claim))
		return ctx.Err()
	})
	<-g.arrived
	second := b.put(t, upload("one", "v2"))
	b.wait(t, first.Job.ID, rag.JobCanceled)
	close(g.proceed)
	b.wait(t, second.Job.ID, rag.JobSucceeded)
	if err := <-late; !errors.Is(err, rag.ErrStale) {
		t.Errorf("late write: %v, want stale", err)
	}
	if overlap != nil {
		t.Error(overlap)
	}
	b.checkTexts(t, x, "blob/one/v2 #0")
	if n := len(x.ids()); n != 1 {
		t.Errorf("the index holds %d chunks, want 1: the older version's were left", n)
	}
}

func testDelete(t *testing.T, b bundle) {
	x := newIndex()
	a := b.put(t, upload("one", "v1"))
	b.work(t, b.Catalog, ingester(b.Catalog, x, 3))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	before := x.ids()
	job, err := b.DeleteDocument(b.ctx, b.collection.ID, "one")
	if err != nil || job.Kind != rag.JobDeleteDocument {
		t.Fatalf("delete: %v %+v", err, job)
	}
	if hits, err := b.LiveHits(b.ctx, b.collection.ID, before); err != nil || len(hits) != 0 {
		t.Errorf("deleted document found: %v %v", err, hits)
	}
	_, err = b.Document(b.ctx, b.collection.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	_, err = b.DeleteDocument(b.ctx, b.collection.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	next := b.put(t, upload("one", "v1"))
	if next.Document.ID == a.Document.ID || next.Unchanged {
		t.Errorf("upload after deletion: %+v, want a new document", next)
	}
	b.wait(t, job.ID, rag.JobSucceeded)
	b.wait(t, next.Job.ID, rag.JobSucceeded)
	if n := len(x.ids()); n != 3 {
		t.Errorf("the index holds %d chunks, want 3", n)
	}
	counts, err := b.Counts(b.ctx, b.collection.ID)
	if err != nil || counts != (rag.Counts{Total: 1, Ready: 1, Chunks: 3}) {
		t.Errorf("counts: %v %+v", err, counts)
	}
}

func testDeleteWhileIngesting(t *testing.T, b bundle) {
	x, g := newIndex(), newGate()
	a := b.put(t, upload("one", "v1"))
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind != rag.JobIngest {
			task, err := b.Task(ctx, claim)
			blobs, released := b.Released(ctx, claim)
			if err != nil || released != nil || task.Collection.ID != b.collection.ID || !slices.Equal(blobs, []string{"blob/one/v1", "text of v1"}) {
				t.Errorf("deleting: %v %v %+v %v", err, released, task, blobs)
			}
			return ingester(b.Catalog, x, 1)(ctx, claim, job)
		}
		if err := errors.Join(WriteChunks(ctx, b.Catalog, claim, cut("v1", 2)), indexAll(ctx, b.Catalog, x, claim)); err != nil {
			return err
		}
		g.pass(claim)
		return b.Publish(ctx, claim)
	})
	<-g.arrived
	job, err := b.DeleteDocument(b.ctx, b.collection.ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	close(g.proceed)
	b.wait(t, a.Job.ID, rag.JobCanceled)
	b.wait(t, job.ID, rag.JobSucceeded)
	b.checkTexts(t, x)
	if n := len(x.ids()); n != 0 {
		t.Errorf("the index holds %d chunks, want none", n)
	}
	if keys, err := b.NeededBlobs(b.ctx, []string{"blob/one/v1", "blob/one/v2", "blob/two/v1"}); err != nil || len(keys) != 0 {
		t.Errorf("blobs in use: %v %v", err, keys)
	}
}

func testDeleteCollection(t *testing.T, b bundle) {
	x := newIndex()
	var jobs []rag.JobID
	for _, id := range []string{"a", "b", "c"} {
		jobs = append(jobs, b.put(t, upload(id, "v1")).Job.ID)
	}
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	for _, id := range jobs {
		b.wait(t, id, rag.JobSucceeded)
	}
	stop()
	pending := b.put(t, upload("d", "v1"))
	ids := x.ids()
	job, err := b.DeleteCollection(b.ctx, rag.DefaultTenant, "docs")
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, pending.Job.ID, rag.JobCanceled)
	if hits, err := b.LiveHits(b.ctx, b.collection.ID, ids); err != nil || len(hits) != 0 {
		t.Errorf("found in a deleted collection: %v %v", err, hits)
	}
	if _, err := b.CollectionByID(b.ctx, b.collection.ID); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("deleted collection by id: %v", err)
	}
	if again := b.create(t, rag.DefaultTenant, "docs"); again.ID == b.collection.ID {
		t.Error("a deleted collection's number was given again")
	}
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, j rag.Job) error {
		task, err := b.Task(ctx, claim)
		blobs, released := b.Released(ctx, claim)
		if err != nil || released != nil || task.Collection.Name != "docs" || len(blobs) != 7 { // one of the four was not cut
			t.Errorf("deleting: %v %v %+v %v", err, released, task, blobs)
		}
		return b.Removed(ctx, claim)
	})
	b.wait(t, job.ID, rag.JobSucceeded)
	if keys, err := b.NeededBlobs(b.ctx, []string{"blob/one/v1", "blob/one/v2", "blob/two/v1"}); err != nil || len(keys) != 0 {
		t.Errorf("blobs in use: %v %v", err, keys)
	}
}
