package catalogtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// alike is an upload of the same bytes as upload("one", "v1"), and alike in nothing else.
func alike(id, by, on string) ingest.Staged {
	s := upload("one", "v1")
	s.Upload = ingest.Upload{ExternalID: id, Filename: "copy of one.md", MediaType: "text/markdown", DuplicateBy: by, OnDuplicate: on}
	s.Blob = "blob/copy/v1"
	return s
}

// testDuplicateContent uploads the bytes of a document again, in every way.
func testDuplicateContent(t *testing.T, b bundle) {
	const byID, byContent = ingest.DuplicateByID, ingest.DuplicateByContent
	tests := []struct {
		id, by, on string
		want       string // the document that is named
		version    int    // that it then has
		unchanged  bool
		conflict   bool
	}{
		{"", "", "", "new", 1, false, false}, // neither an id nor a wish: only the very same upload counts
		{"", "", ingest.DuplicateSkip, "one", 1, true, false},
		{"", "", ingest.DuplicateError, "one", 1, false, true},
		{"", "", ingest.DuplicateReplace, "one", 2, false, false},
		{"", byContent, "", "one", 2, false, false},
		{"", byID, ingest.DuplicateError, "new", 1, false, false},
		{"two", "", ingest.DuplicateError, "two", 1, false, false},
		{"two", byContent, ingest.DuplicateSkip, "one", 1, true, false},
		{"two", byContent, ingest.DuplicateError, "one", 1, false, true},
		{"two", byContent, ingest.DuplicateReplace, "one", 2, false, false},
		{"taken", byContent, ingest.DuplicateSkip, "one", 1, true, false}, // what "taken" holds stays
		{"taken", byID, ingest.DuplicateError, "taken", 1, false, true},
		{"one", byContent, ingest.DuplicateError, "one", 1, false, true},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%q by %q, %q", test.id, test.by, test.on), func(t *testing.T) {
			b := b
			b.collection = b.create(t, rag.DefaultTenant, fmt.Sprintf("c%d", i))
			first := b.put(t, upload("one", "v1"))
			b.put(t, upload("taken", "other bytes"))
			a, err := b.PutDocument(b.ctx, b.collection.ID, alike(test.id, test.by, test.on))
			if test.conflict {
				checkProblem(t, err, rag.ErrConflict, "document_exists")
				var p *rag.Problem
				if errors.As(err, &p) && p.Document != test.want {
					t.Errorf("it names %q, want %q: %s", p.Document, test.want, p.Message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want == "new" {
				want = fmt.Sprintf("doc_%d", a.Document.ID)
			}
			if a.Document.ExternalID != want || a.Document.Version != test.version || a.Unchanged != test.unchanged {
				t.Errorf("accepted as %q version %d, unchanged %v", a.Document.ExternalID, a.Document.Version, a.Unchanged)
			}
			if test.unchanged && a.Job.ID != first.Job.ID {
				t.Errorf("the job is %d, want that of the document, %d", a.Job.ID, first.Job.ID)
			}
		})
	}

	// Bytes that are new: the document of the id is written, whatever is said of duplicates.
	s := upload("one", "v1")
	s.Upload.DuplicateBy, s.Upload.OnDuplicate = byContent, ingest.DuplicateError
	b.put(t, s)
	s.SHA256, s.Blob = "sha of v2", "blob/one/v2"
	if a := b.put(t, s); a.Document.ExternalID != "one" || a.Document.Version != 2 {
		t.Errorf("new bytes: %+v", a)
	}
	// The bytes of a version that is overtaken, and of a deleted document, are nobody's.
	if a := b.put(t, alike("old", byContent, ingest.DuplicateError)); a.Document.ExternalID != "old" {
		t.Errorf("the bytes of an old version: %+v", a)
	}
	if _, err := b.DeleteDocument(b.ctx, b.collection.ID, "old"); err != nil {
		t.Fatal(err)
	}
	again := b.put(t, alike("", byContent, ingest.DuplicateError))
	if again.Unchanged || again.Document.ExternalID == "old" {
		t.Errorf("the bytes of a deleted document: %+v", again)
	}
	// Nor are those of a document that can't be read; where an older version of them is live, they are its.
	if _, err := b.CancelJob(b.ctx, rag.DefaultTenant, again.Job.ID); err != nil {
		t.Fatal(err)
	}
	once := b.put(t, alike("", byContent, ingest.DuplicateError))
	if once.Unchanged || once.Document.ID == again.Document.ID {
		t.Errorf("the bytes of a canceled document: %+v", once)
	}
	stop := b.work(t, b.Catalog, ingester(b.Catalog, newIndex(), 2))
	b.wait(t, once.Job.ID, rag.JobSucceeded)
	stop()
	changed := upload(once.Document.ExternalID, "v3")
	if _, err := b.CancelJob(b.ctx, rag.DefaultTenant, b.put(t, changed).Job.ID); err != nil {
		t.Fatal(err)
	}
	if a := b.put(t, alike("", byContent, ingest.DuplicateSkip)); !a.Unchanged || a.Document.ID != once.Document.ID {
		t.Errorf("the bytes of the live version: %+v", a)
	}
}

// testDuplicateContentAtOnce has several processes upload the same bytes at the same time: one gets in.
func testDuplicateContentAtOnce(t *testing.T, b bundle) {
	const uploads = 12
	second := b.open()
	for _, on := range []string{ingest.DuplicateSkip, ingest.DuplicateError} {
		var mu sync.Mutex
		var all sync.WaitGroup
		names := map[string]int{}
		taken, refused := 0, 0
		for i := range uploads {
			all.Go(func() {
				c := b.Catalog
				if i%2 == 1 {
					c = second
				}
				s := alike(fmt.Sprintf("%s %d", on, i), ingest.DuplicateByContent, on)
				s.SHA256 = "sha of what all have with " + on
				a, err := c.PutDocument(b.ctx, b.collection.ID, s)
				mu.Lock()
				defer mu.Unlock()
				var p *rag.Problem
				switch {
				case errors.As(err, &p) && p.Code == "document_exists":
					names[p.Document]++
					refused++
				case err != nil:
					t.Errorf("upload %d: %v", i, err)
				default:
					names[a.Document.ExternalID]++
					if !a.Unchanged {
						taken++
					}
				}
			})
		}
		all.Wait()
		if taken != 1 || len(names) != 1 || (on == ingest.DuplicateError) != (refused == uploads-1) {
			t.Errorf("%s: %d taken, %d refused, as %v", on, taken, refused, names)
		}
	}
}
