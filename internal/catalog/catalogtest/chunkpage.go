package catalogtest

import (
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// testChunkPages reads the chunks of a document before it is live, page by page, around one of them, and after it was
// replaced and deleted.
func testChunkPages(t *testing.T, b bundle) {
	x := newIndex()
	a := b.put(t, upload("one", "v1"))
	_, err := b.DocumentChunks(b.ctx, b.collection.ID, "one", 0, 9)
	checkProblem(t, err, rag.ErrNotFound, "no_live_version")
	b.work(t, b.Catalog, ingester(b.Catalog, x, 5))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	var ids []rag.ChunkID
	for _, test := range []struct{ from, limit, want int }{{0, 3, 3}, {3, 3, 2}, {5, 3, 0}, {900, 1, 0}} {
		page, err := b.DocumentChunks(b.ctx, b.collection.ID, "one", test.from, test.limit)
		if err != nil || len(page.Chunks) != test.want || page.Total != 5 || page.Version != 1 {
			t.Fatalf("from %d: %v %+v", test.from, err, page)
		}
		for i, c := range page.Chunks {
			if c.Ordinal != test.from+i || c.Headings[0] != "Part" {
				t.Errorf("from %d: %+v", test.from, c)
			}
			ids = append(ids, c.ID)
		}
	}
	for i, id := range ids {
		if at, err := b.ChunkOrdinal(b.ctx, b.collection.ID, "one", id); err != nil || at != i {
			t.Errorf("chunk %d is at %d (%v), want %d", id, at, err, i)
		}
	}
	other := b.put(t, upload("two", "v1"))
	b.wait(t, other.Job.ID, rag.JobSucceeded)
	_, err = b.ChunkOrdinal(b.ctx, b.collection.ID, "two", ids[0])
	checkProblem(t, err, rag.ErrNotFound, "chunk_not_found")
	_, err = b.DocumentChunks(b.ctx, b.create(t, "acme", "docs").ID, "one", 0, 9)
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
	b.wait(t, b.put(t, upload("one", "v2")).Job.ID, rag.JobSucceeded)
	_, err = b.ChunkOrdinal(b.ctx, b.collection.ID, "one", ids[0])
	checkProblem(t, err, rag.ErrNotFound, "chunk_not_found")
	if _, err := b.DeleteDocument(b.ctx, b.collection.ID, "one"); err != nil {
		t.Fatal(err)
	}
	_, err = b.DocumentChunks(b.ctx, b.collection.ID, "one", 0, 9)
	checkProblem(t, err, rag.ErrNotFound, "document_not_found")
}
