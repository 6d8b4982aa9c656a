package catalogtest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// testWindows writes a version's chunks piece by piece, breaks off, and begins anew: nothing is searchable before the last
// piece, nothing is left of the first attempt, and places go on from piece to piece.
func testWindows(t *testing.T, b bundle) {
	x := newIndex()
	a := b.put(t, upload("one", "v1"))
	var calls atomic.Int32
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		left, err := b.BeginChunks(ctx, claim)
		if err != nil || left != "" {
			t.Errorf("text left: %v %q", err, left)
		}
		if pending, err := b.PendingChunks(ctx, claim, 9); err != nil || len(pending) != 0 {
			t.Errorf("begun anew with %d chunks (%v)", len(pending), err)
		}
		whole := cut("v1", 7)
		for i, piece := range [][]rag.Chunk{whole.Chunks[:3], nil, whole.Chunks[3:5]} {
			if err := b.AddChunks(ctx, claim, piece, i+1, 4); err != nil {
				return err
			}
			j, err := b.Job(ctx, b.collection.Tenant, job.ID)
			if err != nil || j.Stage != rag.StageParse || j.Done != i+1 || j.Total != 4 {
				t.Errorf("progress: %v %+v", err, j)
			}
		}
		if task, err := b.Task(ctx, claim); err != nil || task.Chunked {
			t.Errorf("half cut: %v %+v", err, task)
		}
		if d := b.status(t, "one"); d.Status != rag.StatusParsing {
			t.Errorf("half cut the document is %s", d.Status)
		}
		if calls.Add(1) == 1 {
			return errors.New("pulled the plug")
		}
		whole.Chunks = whole.Chunks[5:]
		if err := b.EndChunks(ctx, claim, whole); err != nil {
			return err
		}
		pending, err := b.PendingChunks(ctx, claim, 9)
		if err != nil || len(pending) != 7 {
			t.Fatalf("%d chunks (%v)", len(pending), err)
		}
		for i, ch := range pending {
			if want := cut("v1", 7).Chunks[i]; ch.Ordinal != i || ch.Text != want.Text || ch.Span != want.Span {
				t.Errorf("chunk %d is %+v", i, ch)
			}
		}
		return errors.Join(indexAll(ctx, b.Catalog, x, claim), b.Publish(ctx, claim))
	})
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Done != 7 || j.Total != 7 || j.Attempts != 2 {
		t.Errorf("at its end: %+v", j)
	}
	if got := b.texts(t, x); len(got) != 7 {
		t.Errorf("live: %q", got)
	}
}

// testStoredTexts follows the text of a document through its versions: it is there with the live version, shared by one that
// changes metadata alone, and released with the last version that names it.
func testStoredTexts(t *testing.T, b bundle) {
	x := newIndex()
	text := func() (int, string) {
		_, version, key, err := b.LiveText(b.ctx, b.collection.ID, "one")
		if err != nil {
			t.Fatal(err)
		}
		return version, key
	}
	first := b.put(t, upload("one", "v1"))
	_, _, _, err := b.LiveText(b.ctx, b.collection.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "no_live_version")
	_, _, _, err = b.LiveText(b.ctx, b.collection.ID, "two")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	var released []string
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if task, err := b.Task(ctx, claim); err == nil && task.Same {
			if _, err := b.CopyChunks(ctx, claim); err != nil {
				return err
			}
		}
		if job.Kind == rag.JobDeleteDocument {
			if released, err = b.Released(ctx, claim); err != nil {
				return err
			}
		}
		if err := ingester(b.Catalog, x, 2)(ctx, claim, job); err != nil || job.Kind == rag.JobDeleteDocument {
			return err
		}
		released, err = b.Released(ctx, claim)
		return err
	})
	b.wait(t, first.Job.ID, rag.JobSucceeded)
	if version, key := text(); version != 1 || key != "text of blob/one/v1" {
		t.Errorf("version %d, text %q", version, key)
	}
	patched, err := b.PatchDocument(b.ctx, b.collection.ID, "one", func(m rag.Metadata) (rag.Metadata, error) {
		return rag.Metadata{"year": int64(2027)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, patched.Job.ID, rag.JobSucceeded)
	if version, key := text(); version != 2 || key != "text of blob/one/v1" || len(released) != 0 {
		t.Errorf("patched: version %d, text %q, released %q", version, key, released)
	}
	b.wait(t, b.put(t, upload("one", "v2")).Job.ID, rag.JobSucceeded)
	slices.Sort(released)
	if version, key := text(); version != 3 || key != "text of blob/one/v2" || !slices.Equal(released, []string{"blob/one/v1", "text of blob/one/v1"}) {
		t.Errorf("replaced: version %d, text %q, released %q", version, key, released)
	}
	needed, err := b.NeededBlobs(b.ctx, []string{"text of blob/one/v1", "text of blob/one/v2", "blob/one/v2"})
	slices.Sort(needed)
	if err != nil || !slices.Equal(needed, []string{"blob/one/v2", "text of blob/one/v2"}) {
		t.Errorf("needed: %v %q", err, needed)
	}
	job, err := b.DeleteDocument(b.ctx, b.collection.ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, job.ID, rag.JobSucceeded)
	stop()
	slices.Sort(released)
	if !slices.Equal(released, []string{"blob/one/v2", "text of blob/one/v2"}) {
		t.Errorf("deleted: released %q", released)
	}
}

// testTextLeft has an ingest fail once its text is stored: the next attempt is told of it, unless a live version has it too.
func testTextLeft(t *testing.T, b bundle) {
	x := newIndex()
	b.put(t, upload("one", "v1"))
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, 1, rag.JobSucceeded)
	stop()
	for _, test := range []struct {
		id, content, text, left string
	}{
		{"one", "v2", "text of v2", "text of v2"},
		{"one", "v3", "text of blob/one/v1", ""},
	} {
		a := b.put(t, upload(test.id, test.content))
		stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
			if _, err := b.BeginChunks(ctx, claim); err != nil {
				return err
			}
			if err := b.EndChunks(ctx, claim, ingest.Cut{Text: test.text}); err != nil {
				return err
			}
			left, err := b.BeginChunks(ctx, claim)
			if err != nil || left != test.left {
				t.Errorf("%s: %v, text left %q, want %q", test.content, err, left, test.left)
			}
			return rag.Invalid("", "enough")
		})
		b.wait(t, a.Job.ID, rag.JobFailed)
		stop()
	}
}

// testParseCrashes kills the worker twice while it parses a document, and once more after a retry.
func testParseCrashes(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	suspected := func(want bool) func(rag.Claim) {
		return func(claim rag.Claim) {
			task, err := b.Task(b.ctx, claim)
			if err != nil || task.Suspect != want {
				t.Errorf("suspect: %t (%v), want %t", task.Suspect, err, want)
			}
			if _, err := b.BeginChunks(b.ctx, claim); err != nil {
				t.Error(err)
			}
			if err := b.AddChunks(b.ctx, claim, cut("half", 2).Chunks, 1, 2); err != nil { // that is no progress
				t.Error(err)
			}
		}
	}
	failed := func(attempts int) {
		t.Helper()
		stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
			if job.Kind == rag.JobIngest {
				t.Error("the job was tried once more")
			}
			return ingester(b.Catalog, newIndex(), 0)(ctx, claim, job)
		})
		defer stop()
		defer b.drained(t)
		if j := b.wait(t, a.Job.ID, rag.JobFailed); j.Error == nil || j.Error.Code != "parse_error" || j.Attempts != attempts {
			t.Errorf("at its end: %+v", j)
		}
		if d := b.status(t, "one"); d.Status != rag.StatusFailed || d.Error == nil || d.Error.Code != "parse_error" {
			t.Errorf("the document: %+v", d)
		}
	}
	abandonAt(t, b, b.open(), a.Job.ID, suspected(false))
	abandonAt(t, b, b.open(), a.Job.ID, suspected(true))
	failed(2)
	if _, err := b.RetryDocument(b.ctx, rag.DefaultTenant, b.collection.ID, "one"); err != nil {
		t.Fatal(err)
	}
	abandonAt(t, b, b.open(), a.Job.ID, suspected(true))
	failed(3)
}

// drained waits until no job is left, those among them that clean up.
func (b bundle) drained(t *testing.T) {
	t.Helper()
	for {
		depth, err := b.QueueDepth(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(depth) == 0 {
			return
		}
		time.Sleep(time.Millisecond) // as until does
	}
}

// testCrashesBeforeParsing are not held against the document, whatever stage the attempt before came to.
func testCrashesBeforeParsing(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	abandonAt(t, b, b.open(), a.Job.ID, func(claim rag.Claim) {
		if _, err := b.BeginChunks(b.ctx, claim); err != nil {
			t.Error(err)
		}
	})
	abandon(t, b, b.open(), a.Job.ID) // waiting for its turn to be parsed
	x := newIndex()
	b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
}
