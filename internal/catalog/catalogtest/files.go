package catalogtest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
)

// file adds a file of the tenant.
func (b bundle) file(t *testing.T, tenant, name string) rag.File {
	t.Helper()
	f, err := b.AddFile(b.ctx, rag.File{
		Tenant: tenant, Purpose: "assistants", Filename: name, MediaType: "text/plain", Blob: "blob of " + tenant + " " + name, Size: 7, SHA256: "sha of " + name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (b bundle) attach(t *testing.T, c rag.Collection, files ...rag.Attachment) []rag.JobID {
	t.Helper()
	accepted, err := b.AttachFiles(b.ctx, c, files)
	if err != nil {
		t.Fatal(err)
	}
	var jobs []rag.JobID
	for _, a := range accepted {
		jobs = append(jobs, a.Job.ID)
	}
	return jobs
}

func testFiles(t *testing.T, b bundle) {
	one, two, three := b.file(t, rag.DefaultTenant, "one"), b.file(t, rag.DefaultTenant, "two"), b.file(t, rag.DefaultTenant, "three")
	foreign := b.file(t, "other", "one")
	got, err := b.File(b.ctx, rag.DefaultTenant, one.ID)
	if diff := cmp.Diff(one, got); err != nil || diff != "" || one.ID == 0 || one.CreatedAt.IsZero() {
		t.Errorf("read: %v (-added +read)\n%s", err, diff)
	}
	_, err = b.File(b.ctx, rag.DefaultTenant, foreign.ID)
	checkProblem(t, err, rag.ErrNotFound, "file_not_found")
	_, err = b.DeleteFile(b.ctx, rag.DefaultTenant, foreign.ID)
	checkProblem(t, err, rag.ErrNotFound, "file_not_found")
	_, err = b.AttachFiles(b.ctx, b.collection, []rag.Attachment{{File: one.ID}, {File: foreign.ID}})
	checkProblem(t, err, rag.ErrNotFound, "file_not_found")
	if _, err := b.Document(b.ctx, b.collection.ID, one.ID.String()); err == nil {
		t.Error("of files that can't be attached together, one was")
	}
	for name, test := range map[string]struct {
		at      rag.Cursor
		purpose string
		want    []rag.FileID
	}{
		"all":               {rag.Cursor{Limit: 9}, "", []rag.FileID{one.ID, two.ID, three.ID}},
		"newest first":      {rag.Cursor{Limit: 2, Descending: true}, "", []rag.FileID{three.ID, two.ID}},
		"after":             {rag.Cursor{Limit: 2, After: int64(one.ID)}, "", []rag.FileID{two.ID, three.ID}},
		"after, newest":     {rag.Cursor{Limit: 2, After: int64(three.ID), Descending: true}, "", []rag.FileID{two.ID, one.ID}},
		"before":            {rag.Cursor{Limit: 1, Before: int64(three.ID)}, "", []rag.FileID{two.ID}},
		"before, newest":    {rag.Cursor{Limit: 1, Before: int64(one.ID), Descending: true}, "", []rag.FileID{two.ID}},
		"between":           {rag.Cursor{Limit: 9, After: int64(one.ID), Before: int64(three.ID)}, "", []rag.FileID{two.ID}},
		"of a purpose":      {rag.Cursor{Limit: 9}, "assistants", []rag.FileID{one.ID, two.ID, three.ID}},
		"of another":        {rag.Cursor{Limit: 9}, "batch", nil},
		"beyond the oldest": {rag.Cursor{Limit: 9, After: int64(one.ID), Descending: true}, "", nil},
	} {
		page, err := b.Files(b.ctx, rag.DefaultTenant, test.purpose, test.at)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var ids []rag.FileID
		for _, f := range page {
			ids = append(ids, f.ID)
		}
		if diff := cmp.Diff(test.want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	needed, err := b.NeededBlobs(b.ctx, []string{one.Blob, "nobody's"})
	if err != nil || !slices.Equal(needed, []string{one.Blob}) {
		t.Errorf("needed: %v %v", err, needed)
	}
	blob, err := b.DeleteFile(b.ctx, rag.DefaultTenant, one.ID)
	if err != nil || blob != one.Blob {
		t.Errorf("delete: %v, blob %q to be removed, want %q", err, blob, one.Blob)
	}
	_, err = b.DeleteFile(b.ctx, rag.DefaultTenant, one.ID)
	checkProblem(t, err, rag.ErrNotFound, "file_not_found")
	if needed, err := b.NeededBlobs(b.ctx, []string{one.Blob}); err != nil || len(needed) != 0 {
		t.Errorf("needed after the deletion: %v %v", err, needed)
	}
}

// testSharedFile has a file in two collections: its original goes with the last that needs it, and not before.
func testSharedFile(t *testing.T, b bundle) {
	x, second := newIndex(), b.create(t, rag.DefaultTenant, "second")
	var mu sync.Mutex
	released := map[rag.JobID][]string{}
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind == rag.JobDeleteDocument {
			keys, err := b.Released(ctx, claim)
			if err != nil {
				return err
			}
			mu.Lock()
			released[job.ID] = keys
			mu.Unlock()
		}
		return ingester(b.Catalog, x, 2)(ctx, claim, job)
	})
	f := b.file(t, rag.DefaultTenant, "guide.txt")
	for _, c := range []rag.Collection{b.collection, second} {
		b.wait(t, b.attach(t, c, rag.Attachment{File: f.ID, Metadata: rag.Metadata{"year": int64(2026)}})[0], rag.JobSucceeded)
	}
	d, err := b.Document(b.ctx, second.ID, f.ID.String())
	if err != nil || d.Filename != "guide.txt" || d.Size != f.Size || d.LiveVersion != 1 || d.Metadata["year"] != int64(2026) {
		t.Errorf("attached: %v %+v", err, d)
	}
	again, err := b.AttachFiles(b.ctx, second, []rag.Attachment{{File: f.ID, Metadata: rag.Metadata{"year": int64(2026)}}})
	if err != nil || !again[0].Unchanged {
		t.Errorf("attached again: %v %+v", err, again)
	}
	other, err := b.AttachFiles(b.ctx, second, []rag.Attachment{{File: f.ID}})
	if err != nil || other[0].Unchanged || other[0].Document.Version != 2 {
		t.Errorf("attached with other metadata: %v %+v", err, other)
	}
	b.wait(t, other[0].Job.ID, rag.JobSucceeded)

	first, err := b.DeleteDocument(b.ctx, b.collection.ID, f.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, first.ID, rag.JobSucceeded)
	b.wait(t, b.attach(t, b.collection, rag.Attachment{File: f.ID})[0], rag.JobSucceeded)
	chunks := x.ids()
	blob, err := b.DeleteFile(b.ctx, rag.DefaultTenant, f.ID)
	if err != nil || blob != "" {
		t.Fatalf("delete the file: %v, blob %q to be removed at once", err, blob)
	}
	for _, c := range []rag.Collection{b.collection, second} {
		if hits, err := b.LiveHits(b.ctx, c.ID, chunks); err != nil || len(hits) != 0 {
			t.Errorf("a deleted file is found in %s: %v %v", c.Name, err, hits)
		}
		_, err = b.Document(b.ctx, c.ID, f.ID.String())
		checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	}
	_, err = b.AttachFiles(b.ctx, second, []rag.Attachment{{File: f.ID}})
	checkProblem(t, err, rag.ErrNotFound, "file_not_found")
	jobs, err := b.Jobs(b.ctx, rag.DefaultTenant, catalog.JobFilter{Kind: rag.JobDeleteDocument, Limit: 9})
	if err != nil || len(jobs) != 3 {
		t.Fatalf("jobs: %v %+v", err, jobs)
	}
	for _, job := range jobs {
		b.wait(t, job.ID, rag.JobSucceeded)
		mu.Lock()
		if kept := job.ID == first.ID; kept == slices.Contains(released[job.ID], f.Blob) {
			t.Errorf("job %d releases %v; the original must go with the last document, and stay before", job.ID, released[job.ID])
		}
		mu.Unlock()
	}
}

// testFileBatch attaches files as a batch.
func testFileBatch(t *testing.T, b bundle) {
	gone := b.file(t, rag.DefaultTenant, "gone")
	if _, err := b.DeleteFile(b.ctx, rag.DefaultTenant, gone.ID); err != nil {
		t.Fatal(err)
	}
	var files []rag.Attachment
	var want []string
	for range 2*attachStep + 1 {
		f := b.file(t, rag.DefaultTenant, "file "+string(rune('a'+len(files)%26))+string(rune('a'+len(files)/26)))
		files, want = append(files, rag.Attachment{File: f.ID}), append(want, f.ID.String())
	}
	id, err := b.AttachBatch(b.ctx, b.collection, append(files, rag.Attachment{File: gone.ID}))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := b.Batch(b.ctx, rag.DefaultTenant, id)
	if err != nil || batch.Counts != (rag.BatchCounts{Queued: len(files), Refused: 1}) || batch.State != rag.BatchRunning {
		t.Errorf("batch: %v %+v", err, batch)
	}
	names := func(tenant string, states []rag.Status, at rag.Cursor) (out []string) {
		t.Helper()
		page, err := b.BatchFiles(b.ctx, tenant, id, states, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			if (f.Document == nil) != (f.Refused != nil) {
				t.Errorf("file %s has the document %v and was refused for %v", f.ID, f.Document, f.Refused)
			}
			out = append(out, f.ID)
		}
		return out
	}
	if diff := cmp.Diff(append(want, gone.ID.String()), names(rag.DefaultTenant, nil, rag.Cursor{Limit: 1000})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := names(rag.DefaultTenant, []rag.Status{rag.StatusFailed}, rag.Cursor{Limit: 5}); !slices.Equal(got, []string{gone.ID.String()}) {
		t.Errorf("failed: %v", got)
	}
	place, err := b.BatchPlace(b.ctx, rag.DefaultTenant, id, want[3])
	if err != nil {
		t.Fatal(err)
	}
	if got := names(rag.DefaultTenant, []rag.Status{rag.StatusQueued}, rag.Cursor{Limit: 2, After: int64(place), Descending: true}); !slices.Equal(got, []string{want[2], want[1]}) {
		t.Errorf("page: %v", got)
	}
	if got := names("other", nil, rag.Cursor{Limit: 5}); got != nil {
		t.Errorf("another tenant sees %v", got)
	}
	_, err = b.BatchPlace(b.ctx, "other", id, want[0])
	checkProblem(t, err, rag.ErrNotFound, "not_found")
}

func testVectorStores(t *testing.T, b bundle) {
	second, foreign := b.create(t, rag.DefaultTenant, "second"), b.create(t, "other", "docs")
	s, err := b.VectorStore(b.ctx, rag.DefaultTenant, b.collection.ID)
	if err != nil || s.Label.Name != "docs" || len(s.Label.Metadata) != 0 || !s.ActiveAt.Equal(b.collection.CreatedAt) {
		t.Errorf("without a label: %v %+v", err, s)
	}
	for _, label := range []rag.Label{{Name: "x"}, {Name: "All about birds", Description: "d", Metadata: map[string]string{"k": "v"}}} {
		if err := b.SetLabel(b.ctx, rag.DefaultTenant, b.collection.ID, label); err != nil {
			t.Fatal(err)
		}
	}
	checkProblem(t, b.SetLabel(b.ctx, rag.DefaultTenant, foreign.ID, rag.Label{Name: "mine"}), rag.ErrNotFound, "collection_not_found")
	_, err = b.VectorStore(b.ctx, rag.DefaultTenant, foreign.ID)
	checkProblem(t, err, rag.ErrNotFound, "collection_not_found")
	one, two := b.put(t, upload("one", "v1")), b.put(t, upload("two", "version one"))
	s, err = b.VectorStore(b.ctx, rag.DefaultTenant, b.collection.ID)
	want := rag.VectorStore{
		Collection: b.collection, Label: rag.Label{Name: "All about birds", Description: "d", Metadata: map[string]string{"k": "v"}},
		Counts: rag.Counts{Total: 2, Pending: 2}, Bytes: 13, ActiveAt: two.Document.UpdatedAt,
	}
	if diff := cmp.Diff(want, s); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	page, err := b.VectorStores(b.ctx, rag.DefaultTenant, rag.Cursor{Limit: 5, Descending: true})
	if err != nil || len(page) != 2 || page[0].ID != second.ID || page[1].ID != b.collection.ID || page[1].Bytes != 13 {
		t.Errorf("list: %v %+v", err, page)
	}
	documents := func(states []rag.Status, at rag.Cursor) (out []rag.DocumentID) {
		t.Helper()
		found, err := b.DocumentWindow(b.ctx, b.collection.ID, states, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			out = append(out, d.ID)
		}
		return out
	}
	if got := documents(nil, rag.Cursor{Limit: 5, Descending: true}); !slices.Equal(got, []rag.DocumentID{two.Document.ID, one.Document.ID}) {
		t.Errorf("documents: %v", got)
	}
	if got := documents([]rag.Status{rag.StatusQueued}, rag.Cursor{Limit: 5, After: int64(one.Document.ID)}); !slices.Equal(got, []rag.DocumentID{two.Document.ID}) {
		t.Errorf("queued documents after the first: %v", got)
	}
	if got := documents([]rag.Status{rag.StatusReady, rag.StatusReadyWithWarnings}, rag.Cursor{Limit: 5}); got != nil {
		t.Errorf("ready documents: %v", got)
	}
	if _, err := b.DeleteCollection(b.ctx, rag.DefaultTenant, "docs"); err != nil {
		t.Fatal(err)
	}
	_, err = b.VectorStore(b.ctx, rag.DefaultTenant, b.collection.ID)
	checkProblem(t, err, rag.ErrNotFound, "collection_not_found")
}

// attachStep is how many files of a batch are attached at once.
const attachStep = 100
