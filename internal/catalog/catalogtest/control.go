package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
)

// refused checks that an error is a conflict of this code.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var p *rag.Problem
	if !errors.As(err, &p) || !errors.Is(err, rag.ErrConflict) || p.Code != code {
		t.Errorf("got %v, want the conflict %s", err, code)
	}
}

func (b bundle) status(t *testing.T, id string) rag.Document {
	t.Helper()
	d, err := b.Document(b.ctx, b.collection.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// testCancel cancels a replace while it runs: the handler is stopped, what it writes late is refused, and the version
// before stays live. Retried, it goes on where it was.
func testCancel(t *testing.T, b bundle) {
	x := newIndex()
	first := b.put(t, upload("one", "v1"))
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, first.Job.ID, rag.JobSucceeded)
	stop()
	_, err := b.CancelJob(b.ctx, rag.DefaultTenant, first.Job.ID)
	refused(t, err, "job_over")

	second := b.put(t, upload("one", "v2"))
	g := newGate()
	late := make(chan error, 1)
	stop = b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if err := WriteChunks(ctx, b.Catalog, claim, cut("v2", 3)); err != nil {
			return err
		}
		g.arrived <- claim
		<-ctx.Done()
		late <- b.SetStage(context.WithoutCancel(ctx), claim, rag.StageEmbed)
		return ctx.Err()
	})
	<-g.arrived
	if _, err := b.CancelJob(b.ctx, "other", second.Job.ID); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("another tenant's job: %v", err)
	}
	for range 2 {
		if j, err := b.CancelJob(b.ctx, rag.DefaultTenant, second.Job.ID); err != nil || j.State != rag.JobCanceled || j.Error == nil {
			t.Fatalf("canceled: %+v, %v", j, err)
		}
	}
	if err := <-late; !errors.Is(err, rag.ErrStale) {
		t.Errorf("a write after that: %v", err)
	}
	stop()
	if d := b.status(t, "one"); d.Status != rag.StatusCanceled || d.LiveVersion != 1 || d.Error == nil || d.Error.Code != "canceled" {
		t.Errorf("the document: %+v", d)
	}
	b.checkTexts(t, x, "blob/one/v1 #0", "blob/one/v1 #1")

	if j, err := b.RetryJob(b.ctx, rag.DefaultTenant, second.Job.ID); err != nil || j.State != rag.JobQueued || j.FinishedAt != nil || j.Error != nil {
		t.Fatalf("retried: %+v, %v", j, err)
	}
	if d := b.status(t, "one"); d.Status != rag.StatusQueued || d.Error != nil {
		t.Errorf("the document when retried: %+v", d)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, x, 3))
	if j := b.wait(t, second.Job.ID, rag.JobSucceeded); j.Attempts != 2 {
		t.Errorf("attempts: %d", j.Attempts)
	}
	b.checkTexts(t, x, "v2 #0", "v2 #1", "v2 #2")
}

// testRetry runs a job that failed for good once more, and refuses those that there is nothing to retry of.
func testRetry(t *testing.T, b bundle) {
	x := newIndex()
	fails := true
	b.work(t, b.Catalog, refusing(ingester(b.Catalog, x, 1), &fails))
	a := b.put(t, upload("one", "v1"))
	b.wait(t, a.Job.ID, rag.JobFailed)
	_, err := b.CancelJob(b.ctx, rag.DefaultTenant, a.Job.ID)
	refused(t, err, "job_over")
	if _, err := b.RetryJob(b.ctx, "other", a.Job.ID); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("another tenant's job: %v", err)
	}
	fails = false
	if _, err := b.RetryJob(b.ctx, rag.DefaultTenant, a.Job.ID); err != nil {
		t.Fatal(err)
	}
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	_, err = b.RetryJob(b.ctx, rag.DefaultTenant, a.Job.ID)
	refused(t, err, "not_retryable")

	fails = true
	second := b.put(t, upload("one", "v2"))
	b.wait(t, second.Job.ID, rag.JobFailed)
	fails = false
	b.wait(t, b.put(t, upload("one", "v3")).Job.ID, rag.JobSucceeded)
	_, err = b.RetryJob(b.ctx, rag.DefaultTenant, second.Job.ID)
	refused(t, err, "superseded")

	fails = true
	third := b.put(t, upload("one", "v4"))
	b.wait(t, third.Job.ID, rag.JobFailed)
	fails = false
	deletion, err := b.DeleteDocument(b.ctx, b.collection.ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, deletion.ID, rag.JobSucceeded)
	_, err = b.RetryJob(b.ctx, rag.DefaultTenant, third.Job.ID)
	refused(t, err, "document_deleted")
}

// testAttempts sees every kind of bad end, and that what is kept stays bounded.
func testAttempts(t *testing.T, b bundle) {
	ends := []error{
		rag.Unavailable("milvus", errors.New("refused")), rag.Unavailable("milvus", errors.New("refused")), rag.Unavailable("milvus", errors.New("refused")),
		errors.New("odd"), rag.Invalid("", "the file is broken"),
	}
	n := 0
	a := b.put(t, upload("one", "v1"))
	b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error {
		n++
		return ends[n-1]
	})
	b.wait(t, a.Job.ID, rag.JobFailed)
	want := []rag.Attempt{
		{Number: 1, Outcome: rag.AttemptWaited, Error: *rag.FailureOf(ends[0]), Times: 3},
		{Number: 2, Outcome: rag.AttemptFailed, Error: *rag.FailureOf(ends[3]), Times: 1},
		{Number: 3, Outcome: rag.AttemptFailed, Error: *rag.FailureOf(ends[4]), Times: 1},
	}
	b.checkAttempts(t, a.Job.ID, want)
	if others, counts, err := b.Attempts(b.ctx, "other", a.Job.ID); len(others)+len(counts) != 0 || err != nil {
		t.Errorf("another tenant sees %v, %v, %v", others, counts, err)
	}
}

func (b bundle) checkAttempts(t *testing.T, id rag.JobID, want []rag.Attempt) {
	t.Helper()
	got, _, err := b.Attempts(b.ctx, rag.DefaultTenant, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(rag.Attempt{}, "Worker", "StartedAt", "EndedAt")); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

// testManyAttempts keeps the newest twenty.
func testManyAttempts(t *testing.T, b bundle) {
	c := b.openWith(func() catalog.QueueConfig { q := quick(); q.MaxFailures = 25; return q }())
	a := b.put(t, upload("one", "v1"))
	n := 0
	b.work(t, c, func(context.Context, rag.Claim, rag.Job) error {
		n++
		return fmt.Errorf("number %d", n)
	})
	b.wait(t, a.Job.ID, rag.JobFailed)
	var want []rag.Attempt
	for i := 6; i <= 25; i++ {
		want = append(want, rag.Attempt{Number: i, Outcome: rag.AttemptFailed, Error: rag.Failure{Code: "internal", Message: fmt.Sprintf("number %d", i)}, Times: 1})
	}
	b.checkAttempts(t, a.Job.ID, want)
}

// testPatch gives a document other metadata. The original is kept as long as a version needs it.
func testPatch(t *testing.T, b bundle) {
	x := newIndex()
	b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	first := b.put(t, upload("one", "v1"))
	b.wait(t, first.Job.ID, rag.JobSucceeded)
	set := func(key string, value any) func(rag.Metadata) (rag.Metadata, error) {
		return func(m rag.Metadata) (rag.Metadata, error) {
			out := rag.Metadata{key: value}
			for k, v := range m {
				if k != key {
					out[k] = v
				}
			}
			return out, nil
		}
	}
	a, err := b.PatchDocument(b.ctx, b.collection.ID, "one", set("year", int64(2027)))
	if err != nil || a.Unchanged || a.Document.Version != 2 || a.Document.Metadata["year"] != int64(2027) {
		t.Fatalf("patched: %+v, %v", a, err)
	}
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Reused == 0 {
		t.Errorf("nothing was reused: %+v", j)
	}
	d := b.status(t, "one")
	if d.LiveVersion != 2 || d.Title != "About one" || d.SHA256 != "sha of v1" || len(d.Metadata) != 2 {
		t.Errorf("the document: %+v", d)
	}
	hits, err := b.LiveHits(b.ctx, b.collection.ID, x.ids())
	if err != nil || len(hits) != 2 {
		t.Fatalf("%d live hits, %v", len(hits), err)
	}
	for _, h := range hits {
		if h.Metadata["year"] != int64(2027) {
			t.Errorf("a hit has %v", h.Metadata)
		}
	}
	keys, err := b.NeededBlobs(b.ctx, []string{"blob/one/v1", "blob/one/v2"})
	if diff := cmp.Diff([]string{"blob/one/v1"}, keys); diff != "" || err != nil {
		t.Errorf("originals: %s, %v", diff, err)
	}
	if a, err := b.PatchDocument(b.ctx, b.collection.ID, "one", set("year", int64(2027))); err != nil || !a.Unchanged || a.Document.Version != 2 {
		t.Errorf("patched to what it is: %+v, %v", a, err)
	}
	broken := rag.Invalid("/metadata", "no")
	if _, err := b.PatchDocument(b.ctx, b.collection.ID, "one", func(rag.Metadata) (rag.Metadata, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("a patch that fails: %v", err)
	}
	if _, err := b.PatchDocument(b.ctx, b.collection.ID, "two", set("year", int64(1))); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("of no document: %v", err)
	}
}

// testPatchKeepsOriginal sees which originals are given up when a patched version replaces the one before, and when a
// changed one does.
func testPatchKeepsOriginal(t *testing.T, b bundle) {
	x := newIndex()
	var released [][]string
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if err := ingester(b.Catalog, x, 1)(ctx, claim, job); err != nil {
			return err
		}
		keys, err := b.Released(ctx, claim)
		released = append(released, keys)
		return err
	})
	b.wait(t, b.put(t, upload("one", "v1")).Job.ID, rag.JobSucceeded)
	a, err := b.PatchDocument(b.ctx, b.collection.ID, "one", func(rag.Metadata) (rag.Metadata, error) { return rag.Metadata{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	b.wait(t, b.put(t, upload("one", "v2")).Job.ID, rag.JobSucceeded)
	if diff := cmp.Diff([][]string{nil, nil, {"blob/one/v1", "text of blob/one/v1"}}, released); diff != "" {
		t.Errorf("released (-want +got):\n%s", diff)
	}
}

// testJobFilters lists jobs by each filter.
func testJobFilters(t *testing.T, b bundle) {
	one, two := b.put(t, upload("one", "v1")), b.put(t, upload("two", "v1"))
	gone, err := b.DeleteDocument(b.ctx, b.collection.ID, "two")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		filter catalog.JobFilter
		want   []rag.JobID
	}{
		"all":        {catalog.JobFilter{}, []rag.JobID{gone.ID, two.Job.ID, one.Job.ID}},
		"kind":       {catalog.JobFilter{Kind: rag.JobDeleteDocument}, []rag.JobID{gone.ID}},
		"state":      {catalog.JobFilter{States: []rag.JobState{rag.JobCanceled}}, []rag.JobID{two.Job.ID}},
		"document":   {catalog.JobFilter{Document: one.Document.ID}, []rag.JobID{one.Job.ID}},
		"collection": {catalog.JobFilter{Collection: b.collection.ID + 1}, nil},
		"from":       {catalog.JobFilter{From: two.Job.CreatedAt}, []rag.JobID{gone.ID, two.Job.ID}},
		"to":         {catalog.JobFilter{To: two.Job.CreatedAt}, []rag.JobID{one.Job.ID}},
		"ids":        {catalog.JobFilter{IDs: []rag.JobID{one.Job.ID, gone.ID, 4711}}, []rag.JobID{gone.ID, one.Job.ID}},
		"later":      {catalog.JobFilter{From: time.Now().Add(time.Hour)}, nil},
	} {
		test.filter.Limit = 10
		jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, test.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []rag.JobID
		for _, j := range jobs {
			got = append(got, j.ID)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// testPatchKeepsChunks makes a patched version of the live one's chunks, under ids of their own. A version of other bytes
// has none to copy.
func testPatchKeepsChunks(t *testing.T, b bundle) {
	x := newIndex()
	var same []bool
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		task, err := b.Task(ctx, claim)
		if err != nil {
			return err
		}
		same = append(same, task.Same)
		title, err := b.CopyChunks(ctx, claim)
		if (err == nil) != task.Same || task.Same && title != "found in blob/one/v1" {
			t.Errorf("version %d: copied %q, %v", job.Version, title, err)
		}
		if !task.Same {
			if err := b.SetStage(ctx, claim, rag.StageParse); err != nil {
				return err
			}
			if err := WriteChunks(ctx, b.Catalog, claim, b.warned(cut(task.Blob, 3))); err != nil {
				return err
			}
		}
		return errors.Join(indexAll(ctx, b.Catalog, x, claim), b.Publish(ctx, claim), clean(ctx, b.Catalog, x, claim))
	})
	untitled := upload("one", "v1")
	untitled.Upload.Title = ""
	b.wait(t, b.put(t, untitled).Job.ID, rag.JobSucceeded)
	first := x.ids()
	a, err := b.PatchDocument(b.ctx, b.collection.ID, "one", func(rag.Metadata) (rag.Metadata, error) { return rag.Metadata{"year": int64(1)}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Total != 3 || j.Done != 3 {
		t.Errorf("the job at its end: %+v", j)
	}
	b.checkTexts(t, x, "blob/one/v1 #0", "blob/one/v1 #1", "blob/one/v1 #2")
	hits, err := b.LiveHits(b.ctx, b.collection.ID, x.ids())
	if err != nil || len(hits) != 3 {
		t.Fatalf("%d hits, %v", len(hits), err)
	}
	for id, h := range hits {
		want := cut("blob/one/v1", 3).Chunks[h.Chunk.Ordinal]
		want.ID, want.Document, want.Version = id, a.Document.ID, 2
		if diff := cmp.Diff(want, h.Chunk); diff != "" || slices.Contains(first, id) || h.Title != "found in blob/one/v1" {
			t.Errorf("chunk %d of %q (-want +got):\n%s", id, h.Title, diff)
		}
	}
	if d := b.status(t, "one"); d.Status != rag.StatusReadyWithWarnings {
		t.Errorf("the document is %s", d.Status)
	}
	b.wait(t, b.put(t, upload("one", "v2")).Job.ID, rag.JobSucceeded)
	if want := []bool{false, true, false}; !slices.Equal(same, want) {
		t.Errorf("of the same bytes: %v, want %v", same, want)
	}
}
