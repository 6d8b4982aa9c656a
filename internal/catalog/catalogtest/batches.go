package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

func entry(id, content string) ingest.Entry {
	return ingest.Entry{Path: id, Staged: upload(id, content)}
}

func refusal(path string) ingest.Entry {
	return ingest.Entry{Path: path, Refused: &rag.Failure{Code: "empty_file", Message: path + " is empty"}}
}

// batch makes a batch of entries and, if seal is set, seals it.
func (b bundle) batch(t *testing.T, seal bool, callback *rag.Callback, entries ...ingest.Entry) (rag.BatchID, []bool) {
	t.Helper()
	id, err := b.NewBatch(b.ctx, b.collection, callback)
	if err != nil {
		t.Fatal(err)
	}
	var kept []bool
	for some := range slices.Chunk(entries, 50) { // as an intake does: one long transaction would keep leases from being renewed
		k, err := b.PutEntries(b.ctx, id, some)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, k...)
	}
	if seal {
		if err := b.SealBatch(b.ctx, id, nil); err != nil {
			t.Fatal(err)
		}
	}
	return id, kept
}

func (b bundle) batchNow(t *testing.T, id rag.BatchID) rag.Batch {
	t.Helper()
	found, err := b.Batch(b.ctx, rag.DefaultTenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// batchUntil polls a batch until it is as wanted.
func (b bundle) batchUntil(t *testing.T, id rag.BatchID, what string, is func(rag.Batch) bool) rag.Batch {
	t.Helper()
	for {
		found := b.batchNow(t, id)
		if is(found) {
			return found
		}
		select {
		case <-b.ctx.Done():
			t.Fatalf("batch %d never is %s: %+v, callback %+v", id, what, found, found.Callback)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func testBatchUpload(t *testing.T, b bundle) {
	exists := upload("exists", "v1")
	b.put(t, exists)
	same, other := ingest.Entry{Path: "exists", Staged: exists}, entry("exists", "v2")
	same.Staged.Blob, other.Staged.Upload.OnDuplicate = "blob/again", ingest.DuplicateError

	id, kept := b.batch(t, false, nil, entry("one", "v1"), refusal("empty.txt"), same, other)
	if diff := cmp.Diff([]bool{true, false, false, false}, kept); diff != "" {
		t.Errorf("kept: %s", diff)
	}
	got := b.batchNow(t, id)
	want := rag.BatchCounts{Refused: 2, Queued: 2} // what is unchanged, but not done, has its job
	if got.State != rag.BatchReceiving || got.Counts != want || got.EndedAt != nil || got.Name != "docs" {
		t.Errorf("while it is received: %+v", got)
	}
	if _, err := b.PutEntries(b.ctx, id, []ingest.Entry{entry("two", "v1"), entry("bad", "v1")}); err != nil {
		t.Fatal(err)
	}
	if err := b.SealBatch(b.ctx, id, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutEntries(b.ctx, id, []ingest.Entry{entry("late", "v1")}); err == nil {
		t.Error("a sealed batch took an entry")
	} else {
		refused(t, err, "batch_over")
	}
	if _, err := b.Document(b.ctx, b.collection.ID, "late"); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("a refused entry left a document: %v", err)
	}
	if got := b.batchNow(t, id); got.State != rag.BatchRunning || got.ReceivedAt == nil {
		t.Errorf("when it is sealed: %+v", got)
	}
	short, cancel := context.WithTimeout(b.ctx, 30*time.Millisecond)
	defer cancel()
	if got, err := b.WaitBatch(short, rag.DefaultTenant, id); !errors.Is(err, context.DeadlineExceeded) || got.State != rag.BatchRunning {
		t.Errorf("a wait that is too short: %+v, %v", got, err)
	}

	good := ingester(b.Catalog, newIndex(), 1)
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.ExternalID == "bad" {
			return rag.Invalid("", "can't be read")
		}
		return good(ctx, claim, job)
	})
	got, err := b.WaitBatch(b.ctx, rag.DefaultTenant, id)
	want = rag.BatchCounts{Refused: 2, Succeeded: 3, Failed: 1}
	if err != nil || got.State != rag.BatchEnded || got.Counts != want || got.EndedAt == nil || got.EndedAt.Before(*got.ReceivedAt) || got.Error != nil {
		t.Errorf("at its end: %+v, %v", got, err)
	}
	failed, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Batch: id, States: []rag.JobState{rag.JobFailed}, Limit: 10})
	if err != nil || len(failed) != 1 || failed[0].ExternalID != "bad" {
		t.Errorf("its failed jobs: %+v, %v", failed, err)
	}
	if _, err := b.RetryJob(b.ctx, rag.DefaultTenant, failed[0].ID); err != nil {
		t.Fatal(err)
	}
	b.batchUntil(t, id, "ended again", func(r rag.Batch) bool { return r.EndedAt != nil && r.Counts == want })
}

// testBatchBroken lets the process that receives a batch die: a worker of another process closes the batch.
func testBatchBroken(t *testing.T, b bundle) {
	id, _ := b.batch(t, false, nil, entry("one", "v1"))
	b.work(t, b.Catalog, ingester(b.Catalog, newIndex(), 1))
	b.batchUntil(t, id, "worked on while it is received", func(r rag.Batch) bool { return r.State == rag.BatchReceiving && r.Counts.Succeeded == 1 })

	later := func() time.Time { return time.Now().Add(time.Minute) }
	other := b.openAt(later)
	b.work(t, other, ingester(other, newIndex(), 1))
	got := b.batchUntil(t, id, "closed", func(r rag.Batch) bool { return r.State == rag.BatchEnded })
	if got.Error == nil || got.Error.Code != ingest.CodeBroken || got.Counts.Succeeded != 1 {
		t.Errorf("got %+v", got)
	}
	_, err := b.PutEntries(b.ctx, id, []ingest.Entry{entry("two", "v1")})
	refused(t, err, "batch_over")
}

// testBatchAgain sends again what broke off: what was taken has no second job.
func testBatchAgain(t *testing.T, b bundle) {
	first, _ := b.batch(t, true, nil, entry("one", "v1"), entry("two", "v1"))
	second, kept := b.batch(t, true, nil, entry("one", "v1"), entry("two", "v1"), entry("three", "v1"))
	if diff := cmp.Diff([]bool{false, false, true}, kept); diff != "" {
		t.Errorf("kept: %s", diff)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, newIndex(), 1))
	for id, n := range map[rag.BatchID]int{first: 2, second: 3} {
		if got, err := b.WaitBatch(b.ctx, rag.DefaultTenant, id); err != nil || got.Counts != (rag.BatchCounts{Succeeded: n}) {
			t.Errorf("batch %d: %+v, %v", id, got, err)
		}
	}
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Limit: 10})
	if err != nil || len(jobs) != 3 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
	third, _ := b.batch(t, true, nil, entry("one", "v1"))
	if got := b.batchNow(t, third); got.State != rag.BatchEnded || got.Counts != (rag.BatchCounts{Unchanged: 1}) {
		t.Errorf("a third time: %+v", got)
	}
}

func testCancelBatch(t *testing.T, b bundle) {
	g := newGate()
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
		g.arrived <- claim
		<-ctx.Done()
		return ctx.Err()
	})
	alone := b.put(t, upload("alone", "v1"))
	<-g.arrived
	var entries []ingest.Entry
	for i := range 60 {
		entries = append(entries, entry(fmt.Sprintf("d%d", i), "v1"))
	}
	id, _ := b.batch(t, false, nil, entries...)
	<-g.arrived
	for range 2 {
		got, err := b.CancelBatch(b.ctx, rag.DefaultTenant, id)
		if err != nil || got.State != rag.BatchCanceled || got.Counts != (rag.BatchCounts{Canceled: 60}) {
			t.Fatalf("canceled: %+v, %v", got, err)
		}
	}
	if d := b.status(t, "d59"); d.Status != rag.StatusCanceled || d.Error == nil {
		t.Errorf("a document of it: %+v", d)
	}
	if j, err := b.Job(b.ctx, rag.DefaultTenant, alone.Job.ID); err != nil || j.State != rag.JobRunning {
		t.Errorf("a job beside it: %+v, %v", j, err)
	}
	_, err := b.PutEntries(b.ctx, id, []ingest.Entry{entry("late", "v1")})
	refused(t, err, "batch_canceled")
	stop()
	done, _ := b.batch(t, true, nil, refusal("x"))
	_, err = b.CancelBatch(b.ctx, rag.DefaultTenant, done)
	refused(t, err, "batch_over")
}

// testCancelLargeBatch cancels more jobs than one transaction does.
func testCancelLargeBatch(t *testing.T, b bundle) {
	const many = 1100
	entries := make([]ingest.Entry, many)
	for i := range entries {
		entries[i] = entry(fmt.Sprintf("d%d", i), "v1")
	}
	id, _ := b.batch(t, true, nil, entries...)
	got, err := b.CancelBatch(b.ctx, rag.DefaultTenant, id)
	if err != nil || got.State != rag.BatchCanceled || got.Counts != (rag.BatchCounts{Canceled: many}) {
		t.Fatalf("canceled: %+v, %v", got, err)
	}
}

func testBatchPages(t *testing.T, b bundle) {
	first, _ := b.batch(t, true, nil, refusal("a"), entry("b", "v1"), refusal("c"), refusal("d"))
	second, _ := b.batch(t, true, nil, entry("e", "v1"))
	ids := func(page []rag.Batch, err error) (out []rag.BatchID) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			out = append(out, r.ID)
		}
		return out
	}
	for name, test := range map[string]struct{ got, want []rag.BatchID }{
		"all":                {ids(b.Batches(b.ctx, rag.DefaultTenant, 0, 0, 10)), []rag.BatchID{second, first}},
		"first page":         {ids(b.Batches(b.ctx, rag.DefaultTenant, 0, 0, 1)), []rag.BatchID{second}},
		"second page":        {ids(b.Batches(b.ctx, rag.DefaultTenant, b.collection.ID, second, 1)), []rag.BatchID{first}},
		"another collection": {ids(b.Batches(b.ctx, rag.DefaultTenant, b.collection.ID+1, 0, 10)), nil},
		"another tenant":     {ids(b.Batches(b.ctx, "other", 0, 0, 10)), nil},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	page, err := b.RefusedEntries(b.ctx, rag.DefaultTenant, first, 1, 1)
	want := []rag.RefusedEntry{{Number: 3, Path: "c", Error: rag.Failure{Code: "empty_file", Message: "c is empty"}}}
	if diff := cmp.Diff(want, page); diff != "" || err != nil {
		t.Errorf("refused: %s, %v", diff, err)
	}
	if page, err := b.RefusedEntries(b.ctx, "other", first, 0, 10); err != nil || len(page) > 0 {
		t.Errorf("another tenant sees %+v, %v", page, err)
	}
	_, shown := b.Batch(b.ctx, "other", first)
	_, waited := b.WaitBatch(b.ctx, "other", first)
	_, canceled := b.CancelBatch(b.ctx, "other", second)
	for name, err := range map[string]error{"show": shown, "wait": waited, "cancel": canceled} {
		if !errors.Is(err, rag.ErrNotFound) {
			t.Errorf("%s another tenant's batch: %v", name, err)
		}
	}
	jobs, err := b.Jobs(b.ctx, "other", catalog.JobFilter{Batch: second, Limit: 10})
	if err != nil || len(jobs) > 0 {
		t.Errorf("another tenant sees jobs %+v, %v", jobs, err)
	}
}

// testCallback has several workers find the end of a batch: its callback runs once, fails first, and is tried again.
func testCallback(t *testing.T, b bundle) {
	id, _ := b.batch(t, true, &rag.Callback{URL: "https://example.com/x", Secret: "top"}, entry("one", "v1"))
	if got := b.batchNow(t, id); got.Callback == nil || got.Callback.State != "" || got.Callback.Secret != "" {
		t.Errorf("before its end: %+v", got.Callback)
	}
	good := ingester(b.Catalog, newIndex(), 1)
	told := make(chan rag.Batch, 10)
	handler := func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind != rag.JobCallback {
			return good(ctx, claim, job)
		}
		batch, secret, err := b.CallbackBatch(ctx, claim)
		if err != nil || secret != "top" || batch.ID != id {
			t.Errorf("batch of a callback: %+v, secret %q, %v", batch, secret, err)
		}
		if job.Attempts < 2 {
			return errors.New("answered 500")
		}
		told <- batch
		return nil
	}
	b.work(t, b.Catalog, handler)
	b.work(t, b.open(), handler)
	got := b.batchUntil(t, id, "told", func(r rag.Batch) bool { return r.Callback.State == rag.JobSucceeded })
	if batch := <-told; batch.State != rag.BatchEnded || batch.Counts.Succeeded != 1 {
		t.Errorf("told %+v", batch)
	}
	if got.Callback.Attempts != 2 || got.Callback.FinishedAt == nil || got.Callback.Error != nil {
		t.Errorf("its callback: %+v", got.Callback)
	}
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Kind: rag.JobCallback, Limit: 10})
	if err != nil || len(jobs) != 1 {
		t.Errorf("callback jobs %+v, %v", jobs, err)
	}
}

func testCallbackGivenUp(t *testing.T, b bundle) {
	id, _ := b.batch(t, true, &rag.Callback{URL: "https://example.com/x", Secret: "top"}, refusal("one"))
	stop := b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return errors.New("answered 500") })
	got := b.batchUntil(t, id, "given up", func(r rag.Batch) bool { return r.Callback.State == rag.JobFailed })
	if got.Callback.Attempts != 4 || got.Callback.Error == nil || got.Callback.Error.Message != "answered 500" {
		t.Errorf("its callback: %+v", got.Callback)
	}
	stop()
	if _, err := b.RetryJob(b.ctx, rag.DefaultTenant, got.Callback.Job); err != nil {
		t.Fatalf("retry: %v", err)
	}
	b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return nil })
	b.batchUntil(t, id, "told", func(r rag.Batch) bool { return r.Callback.State == rag.JobSucceeded })
}
