package catalogtest

import (
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// testFingerprint compares the fingerprints of collections: live content alone decides, not order, name or history.
func testFingerprint(t *testing.T, b bundle) {
	of := func(c rag.Collection) rag.Fingerprint {
		t.Helper()
		f, err := b.Fingerprint(b.ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	empty := of(b.collection)
	b.put(t, upload("one", "v1"))
	if got := of(b.collection); got != empty {
		t.Errorf("a document that is not live counts: %+v", got)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, newIndex(), 3))
	ingest := func(id, content string) {
		t.Helper()
		b.wait(t, b.put(t, upload(id, content)).Job.ID, rag.JobSucceeded)
	}
	ingest("two", "v1")
	b.drained(t)
	both := of(b.collection)
	if both.Documents != 2 || both.Chunks != 6 || both.SHA256 == empty.SHA256 {
		t.Errorf("two documents: %+v", both)
	}
	ingest("one", "v2")
	if got := of(b.collection); got.Documents != 2 || got.SHA256 == both.SHA256 {
		t.Errorf("one replaced: %+v, before %+v", got, both)
	}
	ingest("one", "v1")
	if got := of(b.collection); got != both {
		t.Errorf("the old content again: %+v, before %+v", got, both)
	}
	other := b
	other.collection = b.create(t, rag.DefaultTenant, "elsewhere")
	for _, id := range []string{"two", "one"} {
		b.wait(t, other.put(t, upload(id, "v1")).Job.ID, rag.JobSucceeded)
	}
	if got := of(other.collection); got != both {
		t.Errorf("the same content in another collection: %+v, want %+v", got, both)
	}
}
