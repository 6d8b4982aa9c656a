package catalogtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// checkProblem fails the test unless err is a Problem of the kind and code.
func checkProblem(t *testing.T, err, kind error, code string) {
	t.Helper()
	var p *rag.Problem
	if !errors.Is(err, kind) || !errors.As(err, &p) || p.Code != code {
		t.Errorf("error is %v (%T), want a problem of kind %v with code %s", err, err, kind, code)
	}
}

func testCollections(t *testing.T, b bundle) {
	got, err := b.Collection(b.ctx, rag.DefaultTenant, "docs")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.collection, got); diff != "" {
		t.Errorf("collection (-created +read):\n%s", diff)
	}
	if got.Generation != 1 || got.ID == 0 || got.CreatedAt.IsZero() {
		t.Errorf("collection lacks what the catalog gives: %+v", got)
	}
	byID, err := b.CollectionByID(b.ctx, got.ID)
	if diff := cmp.Diff(got, byID); err != nil || diff != "" {
		t.Errorf("by id: %v (-want +got):\n%s", err, diff)
	}
	_, err = b.CreateCollection(b.ctx, rag.Collection{Tenant: rag.DefaultTenant, Name: "docs"})
	checkProblem(t, err, rag.ErrConflict, "collection_exists")
	_, err = b.Collection(b.ctx, rag.DefaultTenant, "nope")
	checkProblem(t, err, rag.ErrNotFound, "collection_not_found")
	b.create(t, rag.DefaultTenant, "a")
	list, err := b.Collections(b.ctx, rag.DefaultTenant)
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "docs" {
		t.Errorf("list: %v %+v", err, list)
	}
}

func testTenants(t *testing.T, b bundle) {
	other := b.create(t, "other", "docs")
	if other.ID == b.collection.ID {
		t.Fatal("two tenants share a collection")
	}
	a := b.put(t, upload("one", "v1"))
	_, err := b.Job(b.ctx, "other", a.Job.ID)
	checkProblem(t, err, rag.ErrNotFound, "job_not_found")
	_, err = b.WaitJob(b.ctx, "other", a.Job.ID)
	checkProblem(t, err, rag.ErrNotFound, "job_not_found")
	_, err = b.Document(b.ctx, other.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	_, err = b.DeleteCollection(b.ctx, "third", "docs")
	checkProblem(t, err, rag.ErrNotFound, "collection_not_found")
	if jobs, err := b.Jobs(b.ctx, "other", catalog.JobFilter{Limit: 10}); err != nil || len(jobs) != 0 {
		t.Errorf("another tenant's jobs: %v %v", err, jobs)
	}
	x := newIndex()
	b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	if hits, err := b.LiveHits(b.ctx, other.ID, x.ids()); err != nil || len(hits) != 0 {
		t.Errorf("another collection's hits: %v %v", err, hits)
	}
}

func testGivenIDs(t *testing.T, b bundle) {
	first := b.put(t, upload("", "a")).Document
	if want := fmt.Sprintf("doc_%d", first.ID); first.ExternalID != want {
		t.Errorf("id %q, want %q", first.ExternalID, want)
	}
	taken := b.put(t, upload(fmt.Sprintf("doc_%d", first.ID+2), "b")).Document
	next := b.put(t, upload("", "c")).Document
	if next.ExternalID == taken.ExternalID || next.ExternalID != fmt.Sprintf("doc_%d", next.ID) {
		t.Errorf("id %q of document %d, with %q taken", next.ExternalID, next.ID, taken.ExternalID)
	}
	other := upload("", "a")
	other.Upload.Filename = "copy.txt"
	if a := b.put(t, other); a.Unchanged || a.Document.ID == first.ID {
		t.Errorf("an upload without an id, under another name, is a new document, got %+v", a)
	}
}

func testDuplicates(t *testing.T, b bundle) {
	first := b.put(t, upload("one", "v1"))
	again := b.put(t, upload("one", "v1"))
	if !again.Unchanged || again.Job.ID != first.Job.ID || again.Document.Version != 1 {
		t.Errorf("same upload while pending: %+v, want unchanged, with job %d", again, first.Job.ID)
	}
	fails := true
	x := newIndex()
	stop := b.work(t, b.Catalog, refusing(ingester(b.Catalog, x, 1), &fails))
	b.wait(t, first.Job.ID, rag.JobFailed)
	stop()
	again = b.put(t, upload("one", "v1"))
	if again.Unchanged || again.Document.Version != 2 {
		t.Errorf("same upload after a failure: %+v, want version 2", again)
	}
	fails = false
	b.work(t, b.Catalog, refusing(ingester(b.Catalog, x, 1), &fails))
	b.wait(t, again.Job.ID, rag.JobSucceeded)
	if again = b.put(t, upload("one", "v1")); !again.Unchanged || again.Job.ID != 0 {
		t.Errorf("same upload when ready: %+v, want unchanged, without a job", again)
	}
	for name, change := range map[string]func(*ingest.Staged){
		"title":    func(s *ingest.Staged) { s.Upload.Title = "x" },
		"filename": func(s *ingest.Staged) { s.Upload.Filename = "x" },
		"metadata": func(s *ingest.Staged) { s.Upload.Metadata["year"] = int64(1) },
		"bytes":    func(s *ingest.Staged) { s.SHA256 = "x" },
	} {
		s := upload("one", "v1")
		change(&s)
		s.Upload.OnDuplicate = ingest.DuplicateSkip
		if a := b.put(t, s); !a.Unchanged || a.Document.Version != 2 {
			t.Errorf("%s, skip: %+v", name, a)
		}
		s.Upload.OnDuplicate = ingest.DuplicateError
		_, err := b.PutDocument(b.ctx, b.collection.ID, s)
		checkProblem(t, err, rag.ErrConflict, "document_exists")
	}
	s := upload("one", "v1")
	s.Upload.Metadata["year"] = int64(1)
	if a := b.put(t, s); a.Unchanged || a.Document.Version != 3 || a.Document.LiveVersion != 2 {
		t.Errorf("other metadata: %+v, want version 3 while 2 is live", a)
	}
}

func testBatch(t *testing.T, b bundle) {
	b.put(t, upload("two", "v1"))
	refused := upload("two", "v2")
	refused.Upload.OnDuplicate = ingest.DuplicateError
	_, err := b.PutDocuments(b.ctx, b.collection.ID, []ingest.Staged{upload("one", "v1"), refused})
	checkProblem(t, err, rag.ErrConflict, "document_exists")
	_, err = b.Document(b.ctx, b.collection.ID, "one")
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	if depth, err := b.QueueDepth(b.ctx); err != nil || depth[rag.JobQueued] != 1 {
		t.Errorf("queue after a refused batch: %v %v", err, depth)
	}
	if _, err = b.PutDocuments(b.ctx, 999, []ingest.Staged{upload("one", "v1")}); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("upload into no collection: %v", err)
	}
	accepted, err := b.PutDocuments(b.ctx, b.collection.ID, []ingest.Staged{upload("a", "1"), upload("b", "1"), upload("a", "2")})
	if err != nil || len(accepted) != 3 || accepted[2].Document.Version != 2 || accepted[0].Document.ID != accepted[2].Document.ID {
		t.Fatalf("batch: %v %+v", err, accepted)
	}
	b.wait(t, accepted[0].Job.ID, rag.JobCanceled)
}

func testPages(t *testing.T, b bundle) {
	var ids []string
	for i := range 5 {
		ids = append(ids, b.put(t, upload(fmt.Sprintf("d%d", i), "v1")).Document.ExternalID)
	}
	var got []string
	var after rag.DocumentID
	for {
		page, err := b.Documents(b.ctx, b.collection.ID, catalog.Page{After: after, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			got, after = append(got, d.ExternalID), d.ID
		}
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	ready, err := b.Documents(b.ctx, b.collection.ID, catalog.Page{Status: []rag.Status{rag.StatusReady}, Limit: 9})
	if err != nil || len(ready) != 0 {
		t.Errorf("ready ones: %v %v", err, ready)
	}
	counts, err := b.Counts(b.ctx, b.collection.ID)
	if diff := cmp.Diff(rag.Counts{Total: 5, Pending: 5}, counts); err != nil || diff != "" {
		t.Errorf("counts: %v (-want +got):\n%s", err, diff)
	}
	x := newIndex()
	b.work(t, b.Catalog, ingester(b.Catalog, x, 3))
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Limit: 9, Collection: b.collection.ID})
	if err != nil || len(jobs) != 5 || jobs[0].ID < jobs[4].ID {
		t.Fatalf("jobs: %v %+v", err, jobs)
	}
	for _, j := range jobs {
		b.wait(t, j.ID, rag.JobSucceeded)
	}
	if counts, err = b.Counts(b.ctx, b.collection.ID); err != nil || counts != (rag.Counts{Total: 5, Ready: 5, Chunks: 15}) {
		t.Errorf("counts at the end: %v %+v", err, counts)
	}
	status, err := b.DocumentsByStatus(b.ctx)
	if diff := cmp.Diff(map[rag.Status]int{rag.StatusReady: 5}, status, cmpopts.IgnoreMapEntries(func(_ rag.Status, n int) bool { return n == 0 })); err != nil || diff != "" {
		t.Errorf("by status: %v (-want +got):\n%s", err, diff)
	}
	older, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Limit: 9, Before: jobs[3].ID, States: []rag.JobState{rag.JobSucceeded}})
	if err != nil || len(older) != 1 || older[0].ID != jobs[4].ID {
		t.Errorf("jobs before %d: %v %+v", jobs[3].ID, err, older)
	}
}
