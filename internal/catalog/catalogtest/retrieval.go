package catalogtest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// testRetrieval: what a collection says of its retrieval is kept and changed member by member, and a refused change is none.
func testRetrieval(t *testing.T, b bundle) {
	number := func(n int) *int { return &n }
	share := func(x float64) *float64 { return &x }
	_, err := b.CreateCollection(b.ctx, rag.Collection{Tenant: "t", Name: "ranked", BiEncoder: "bge", Dimension: 384, Retrieval: rag.NewRetrieval{Candidates: number(20)}})
	if err != nil {
		t.Fatal(err)
	}
	if b.collection.Retrieval != (rag.NewRetrieval{}) {
		t.Errorf("a collection that says nothing says %+v", b.collection.Retrieval)
	}
	check := func(n rag.NewRetrieval) error { return n.Over(rag.DefaultRetrieval()).Check() }
	if _, err := b.ChangeRetrieval(b.ctx, "t", "ranked", rag.NewRetrieval{CrossWeight: share(0.7), MaxPerDocument: number(3)}, check); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ChangeRetrieval(b.ctx, "t", "ranked", rag.NewRetrieval{CrossWeight: share(7)}, check); !errors.Is(err, rag.ErrInvalid) {
		t.Errorf("a weight of 7: %v", err)
	}
	if _, err := b.ChangeRetrieval(b.ctx, "other", "ranked", rag.NewRetrieval{}, check); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	read, err := b.Catalog.Collection(b.ctx, "t", "ranked")
	want := rag.NewRetrieval{Candidates: number(20), CrossWeight: share(0.7), MaxPerDocument: number(3)}
	if diff := cmp.Diff(want, read.Retrieval); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// testChunksAt: chunks around hits are of live versions only, each once, in order, and of the collection asked for.
func testChunksAt(t *testing.T, b bundle) {
	x := newIndex()
	a := b.put(t, upload("a", "v1"))
	b.put(t, upload("b", "v1"))
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 5))
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	at := func(places ...retrieve.Place) []int {
		t.Helper()
		chunks, err := b.ChunksAt(b.ctx, b.collection.ID, places)
		if err != nil {
			t.Fatal(err)
		}
		ordinals := []int{}
		for _, c := range chunks {
			if c.Document != a.Document.ID || c.Version != 1 || c.Text == "" {
				t.Errorf("got %+v", c)
			}
			ordinals = append(ordinals, c.Ordinal)
		}
		return ordinals
	}
	id := a.Document.ID
	for _, test := range []struct {
		places []retrieve.Place
		want   []int
	}{
		{nil, []int{}},
		{[]retrieve.Place{{Document: id, Version: 1, From: 1, To: 3}}, []int{1, 2, 3}},
		{[]retrieve.Place{{Document: id, Version: 1, From: 3, To: 99}, {Document: id, Version: 1, From: 2, To: 3}, {Document: id, Version: 1, From: 0, To: 0}}, []int{0, 2, 3, 4}},
		{[]retrieve.Place{{Document: id, Version: 2, From: 0, To: 9}}, []int{}},
	} {
		if diff := cmp.Diff(test.want, at(test.places...)); diff != "" {
			t.Errorf("%+v: %s", test.places, diff)
		}
	}
	if chunks, err := b.ChunksAt(b.ctx, b.collection.ID+1000, []retrieve.Place{{Document: id, Version: 1, From: 0, To: 9}}); err != nil || len(chunks) != 0 {
		t.Errorf("another collection has %d chunks of it, %v", len(chunks), err)
	}
	stop()
	if _, err := b.DeleteDocument(b.ctx, b.collection.ID, "a"); err != nil {
		t.Fatal(err)
	}
	if got := at(retrieve.Place{Document: id, Version: 1, From: 0, To: 9}); len(got) != 0 {
		t.Errorf("a deleted document has chunks %v", got)
	}
}
