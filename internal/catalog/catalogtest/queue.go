package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

func testFence(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	x := newIndex()
	var calls atomic.Int32
	var old rag.Claim
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if calls.Add(1) == 1 {
			old = claim
			return errors.New("try again")
		}
		if claim.Fence <= old.Fence {
			t.Errorf("second claim's fence %d is not above %d", claim.Fence, old.Fence)
		}
		_, task := b.Task(ctx, old)
		_, pending := b.PendingChunks(ctx, old, 1)
		_, indexed := b.IndexedChunks(ctx, old)
		_, dead := b.DeadChunks(ctx, old, 1)
		_, released := b.Released(ctx, old)
		for name, err := range map[string]error{
			"Task": task, "PendingChunks": pending, "IndexedChunks": indexed, "DeadChunks": dead, "Released": released,
			"SetStage":    b.SetStage(ctx, old, rag.StageEmbed),
			"WriteChunks": WriteChunks(ctx, b.Catalog, old, cut("zombie", 1)),
			"MarkIndexed": b.MarkIndexed(ctx, old, []rag.ChunkID{1}, 0),
			"Publish":     b.Publish(ctx, old),
			"Forget":      b.Forget(ctx, old, []rag.ChunkID{1}),
			"Removed":     b.Removed(ctx, old),
		} {
			if !errors.Is(err, rag.ErrStale) {
				t.Errorf("%s with an old claim: %v, want stale", name, err)
			}
		}
		return ingester(b.Catalog, x, 1)(ctx, claim, job)
	})
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Attempts != 2 || j.Error != nil {
		t.Errorf("job at its end: %+v", j)
	}
}

func testResume(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	x := newIndex()
	var calls atomic.Int32
	var first []rag.Chunk
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if calls.Add(1) > 1 {
			task, err := b.Task(ctx, claim)
			pending, read := b.PendingChunks(ctx, claim, 9)
			if err != nil || read != nil || !task.Chunked || task.Live || len(pending) != 3 || pending[0].ID != first[2].ID {
				t.Errorf("resumed: %v %v %+v %+v", err, read, task, pending)
			}
			if job.Done != 2 || job.Total != 5 {
				t.Errorf("progress when resumed: %d of %d", job.Done, job.Total)
			}
			return ingester(b.Catalog, x, 5)(ctx, claim, job)
		}
		if err := WriteChunks(ctx, b.Catalog, claim, cut("v1", 5)); err != nil {
			return err
		}
		var err error
		if first, err = b.PendingChunks(ctx, claim, 9); err != nil {
			return err
		}
		if err := b.MarkIndexed(ctx, claim, x.upsert(first[:2]...), 0); err != nil {
			return err
		}
		if err := b.Publish(ctx, claim); err == nil {
			t.Error("a version was published with chunks that are not indexed")
		}
		return errors.New("something broke")
	})
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	b.checkTexts(t, x, "v1 #0", "v1 #1", "v1 #2", "v1 #3", "v1 #4")
}

func testResumeCleaning(t *testing.T, b bundle) {
	x := newIndex()
	first := b.put(t, upload("one", "v1"))
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, first.Job.ID, rag.JobSucceeded)
	stop()
	second := b.put(t, upload("one", "v2"))
	var calls atomic.Int32
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if calls.Add(1) > 1 {
			task, err := b.Task(ctx, claim)
			if err != nil || !task.Live {
				t.Errorf("task after publishing: %v %+v", err, task)
			}
			return ingester(b.Catalog, x, 2)(ctx, claim, job)
		}
		err := errors.Join(WriteChunks(ctx, b.Catalog, claim, cut("v2", 2)), indexAll(ctx, b.Catalog, x, claim), b.Publish(ctx, claim))
		return errors.Join(errors.New("broke after publishing"), err)
	})
	b.wait(t, second.Job.ID, rag.JobSucceeded)
	b.checkTexts(t, x, "v2 #0", "v2 #1")
	if n := len(x.ids()); n != 2 {
		t.Errorf("the index holds %d chunks, want 2", n)
	}
}

type permanent struct{}

func (permanent) Error() string   { return "never again" }
func (permanent) Permanent() bool { return true }

func testOutcomes(t *testing.T, b bundle) {
	for name, test := range map[string]struct {
		err      error
		attempts int
		code     string
	}{
		"invalid":     {rag.Invalid("", "no text in it"), 1, "invalid"},
		"unsupported": {fmt.Errorf("parse: %w", rag.ErrUnsupported), 1, "internal"},
		"too large":   {fmt.Errorf("parse: %w", rag.ErrTooLarge), 1, "internal"},
		"permanent":   {permanent{}, 1, "internal"},
		"not found":   {rag.NotFound("no such model"), 1, "not_found"},
		"unknown":     {errors.New("disk trouble"), 3, "internal"},
		"unpublished": {nil, 1, "internal"},
	} {
		a := b.put(t, upload(name, "v1"))
		stop := b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return test.err })
		j := b.wait(t, a.Job.ID, rag.JobFailed)
		stop()
		if j.Attempts != test.attempts || j.Error == nil || j.Error.Code != test.code || j.NextRunAt != nil {
			t.Errorf("%s: job %+v (%+v), want %d attempts and code %s", name, j, j.Error, test.attempts, test.code)
		}
		d, err := b.Document(b.ctx, b.collection.ID, name)
		if err != nil || d.Status != rag.StatusFailed || d.Error == nil || *d.Error != *j.Error {
			t.Errorf("%s: document %v %+v", name, err, d)
		}
	}
	if c, err := b.Counts(b.ctx, b.collection.ID); err != nil || c != (rag.Counts{Total: 7, Failed: 7}) {
		t.Errorf("counts: %v %+v", err, c)
	}
}

func testUnavailable(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	x := newIndex()
	var calls atomic.Int32
	seen := make(chan rag.Job, 1)
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		switch n := calls.Add(1); {
		case n < 8: // more often than failures are allowed
			return fmt.Errorf("index: %w", rag.Unavailable("milvus", errors.New("connection refused")))
		case n == 8:
			seen <- job
		}
		return ingester(b.Catalog, x, 1)(ctx, claim, job)
	})
	if j := <-seen; j.Error == nil || j.Error.Code != "milvus_unavailable" {
		t.Errorf("job while it waited: %+v", j)
	}
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Attempts != 1 || j.Error != nil {
		t.Errorf("job at its end: %+v; waiting must not count as an attempt", j)
	}
}

func testPanic(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	x := newIndex()
	var calls atomic.Int32
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if calls.Add(1) == 1 {
			panic("boom")
		}
		if job.Error == nil || job.Error.Message == "" {
			t.Errorf("the panic left no error: %+v", job)
		}
		return ingester(b.Catalog, x, 1)(ctx, claim, job)
	})
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Attempts != 2 {
		t.Errorf("%d attempts, want 2", j.Attempts)
	}
}

func testStop(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	g := newGate()
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
		g.arrived <- claim
		<-ctx.Done()
		return ctx.Err()
	})
	<-g.arrived
	stop()
	j, err := b.Job(b.ctx, rag.DefaultTenant, a.Job.ID)
	if err != nil || j.State != rag.JobQueued || j.Attempts != 0 {
		t.Errorf("job after the stop: %v %+v", err, j)
	}
	x := newIndex()
	next := b.open()
	start := time.Now()
	b.work(t, next, ingester(next, x, 1))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the next process took %s to take the job", took)
	}
}

func testAbandoned(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	x := newIndex()
	dead := b.open()
	abandonAt(t, b, dead, a.Job.ID, func(claim rag.Claim) {
		if err := errors.Join(dead.SetStage(b.ctx, claim, rag.StageParse), WriteChunks(b.ctx, dead, claim, cut("blob/one/v1", 3)),
			dead.SetStage(b.ctx, claim, rag.StageEmbed)); err != nil {
			t.Error(err)
		}
		first, err := dead.PendingChunks(b.ctx, claim, 1)
		if err := errors.Join(err, dead.MarkIndexed(b.ctx, claim, x.upsert(first...), 0)); err != nil {
			t.Error(err)
		}
	})
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		pending, err := b.PendingChunks(ctx, claim, 9)
		if d := b.status(t, "one"); err != nil || job.Done != 1 || len(pending) != 2 || pending[0].Ordinal != 1 || d.Status != rag.StatusQueued {
			t.Errorf("resumed: %v %+v %+v, the document %s", err, job, pending, d.Status)
		}
		return ingester(b.Catalog, x, 9)(ctx, claim, job)
	})
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	b.checkTexts(t, x, "blob/one/v1 #0", "blob/one/v1 #1", "blob/one/v1 #2")
}

// abandon claims a job and closes the database under the claim, so that nobody renews or settles it.
func abandon(t *testing.T, b bundle, c *catalog.Catalog, id rag.JobID) {
	t.Helper()
	abandonAt(t, b, c, id, func(rag.Claim) {})
}

// abandonAt does something under the claim before.
func abandonAt(t *testing.T, b bundle, c *catalog.Catalog, id rag.JobID, do func(rag.Claim)) {
	t.Helper()
	g := newGate()
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(_ context.Context, claim rag.Claim, _ rag.Job) error {
			do(claim)
			g.pass(claim)
			return nil
		}, 1)
	}()
	if claim := <-g.arrived; claim.Job != id {
		t.Fatalf("claimed job %d, want %d", claim.Job, id)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	cancel()
	close(g.proceed)
	t.Cleanup(func() { <-done }) // how it ends without its database is not of interest
}

func testCrashes(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	for range quick().MaxCrashes {
		abandon(t, b, b.open(), a.Job.ID)
	}
	b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error {
		t.Error("the job was tried once more")
		return nil
	})
	if j := b.wait(t, a.Job.ID, rag.JobFailed); j.Error == nil || j.Error.Code != "crashed" {
		t.Errorf("job at its end: %+v", j)
	}
}

func testTwoProcesses(t *testing.T, b bundle) {
	patient := quick() // a busy machine must not let leases run out here: every job is to run exactly once
	patient.Lease, patient.Overdue = time.Minute, time.Minute
	one, other := b.openWith(patient), b.openWith(patient)
	x := newIndex()
	var running, most atomic.Int32
	seen := make(chan rag.JobID, 1000)
	handler := func(c *catalog.Catalog) catalog.Handler {
		do := ingester(c, x, 2)
		return func(ctx context.Context, claim rag.Claim, job rag.Job) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			seen <- job.ID
			return do(ctx, claim, job)
		}
	}
	b.work(t, one, handler(one))
	b.work(t, other, handler(other))
	var jobs []rag.JobID
	for i := range 40 {
		c := []*catalog.Catalog{one, other}[i%2]
		a, err := c.PutDocument(b.ctx, b.collection.ID, upload(fmt.Sprint("d", i), "v1"))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, a.Job.ID)
	}
	for _, id := range jobs {
		if j := b.wait(t, id, rag.JobSucceeded); j.Attempts != 1 {
			t.Errorf("job %d took %d attempts", id, j.Attempts)
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d runs of 40 jobs", len(seen))
	}
	if most.Load() > 8 {
		t.Errorf("%d jobs at a time on 2 processes of 4 workers", most.Load())
	}
}

func testWait(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Millisecond)
	defer cancel()
	j, err := b.WaitJob(ctx, rag.DefaultTenant, a.Job.ID)
	if !errors.Is(err, context.DeadlineExceeded) || j.State != rag.JobQueued {
		t.Errorf("wait that timed out: %v %+v", err, j)
	}
	other := b.open() // ends the job where this process is not told
	b.work(t, other, ingester(other, newIndex(), 1))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
}

// testYield has a job let others go first, with one worker for all: it runs again after the one that waited, and nothing
// is counted against it.
func testYield(t *testing.T, b bundle) {
	long := b.put(t, upload("long", "v1"))
	var other ingest.Accepted
	var order []rag.DocumentID
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() {
		done <- b.Run(ctx, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
			order = append(order, job.Document)
			if len(order) > 1 {
				return ingester(b.Catalog, newIndex(), 1)(ctx, claim, job)
			}
			if waiting, err := b.Waiting(ctx, claim); err != nil || waiting {
				t.Errorf("nobody waits: %v, %v", waiting, err)
			}
			other = b.put(t, upload("other", "v1"))
			if waiting, err := b.Waiting(ctx, claim); err != nil || !waiting {
				t.Errorf("somebody waits: %v, %v", waiting, err)
			}
			return errors.Join(b.SetStage(ctx, claim, rag.StageParse), fmt.Errorf("embed: %w", rag.ErrYield))
		}, 1)
	}()
	if j := b.wait(t, long.Job.ID, rag.JobSucceeded); j.Attempts != 1 {
		t.Errorf("the job at its end: %+v", j)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	b.wait(t, other.Job.ID, rag.JobSucceeded)
	b.checkAttempts(t, long.Job.ID, nil)
	if want := []rag.DocumentID{long.Document.ID, other.Document.ID, long.Document.ID}; !slices.Equal(order, want) {
		t.Errorf("documents were worked on as %v, want %v", order, want)
	}
}
