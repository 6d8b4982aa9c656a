package catalogtest

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// testChangeCollection: chunking, mode and retrieval of a collection are changed together or not at all, and changes at
// the same time lose nothing.
func testChangeCollection(t *testing.T, b bundle) {
	number := func(n int) *int { return &n }
	made, err := b.CreateCollection(b.ctx, rag.Collection{Tenant: "t", Name: "ranked", BiEncoder: "bge", Dimension: 384, Retrieval: rag.NewRetrieval{Candidates: number(20)}})
	if err != nil {
		t.Fatal(err)
	}
	if b.collection.Retrieval != (rag.NewRetrieval{}) {
		t.Errorf("a collection that says nothing says %+v", b.collection.Retrieval)
	}
	all := func(c *rag.Collection) error {
		c.Chunking, c.Mode = rag.Chunking{Strategy: rag.StrategyTokens, MaxTokens: 64}, rag.ModeHybrid
		c.Retrieval = c.Retrieval.With(rag.NewRetrieval{MaxPerDocument: number(3)})
		return nil
	}
	check := func(want rag.Collection) {
		t.Helper()
		read, err := b.Catalog.Collection(b.ctx, "t", "ranked")
		if diff := cmp.Diff(want, read); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	broken := rag.Invalid("/retrieval", "no such weight")
	if got, err := b.ChangeCollection(b.ctx, "t", "ranked", func(c *rag.Collection) error { return errors.Join(all(c), broken) }); !errors.Is(err, rag.ErrInvalid) || got.ID != 0 {
		t.Errorf("refused: %+v, %v", got, err)
	}
	check(made)
	if _, err := b.ChangeCollection(b.ctx, "other", "ranked", all); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	want := made
	_ = all(&want)
	changed, err := b.ChangeCollection(b.ctx, "t", "ranked", all)
	if diff := cmp.Diff(want, changed); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	check(want)

	changes := []func(*rag.Collection) error{
		func(c *rag.Collection) error { c.Mode = rag.ModeLexical; return nil },
		func(c *rag.Collection) error { c.Chunking.MaxTokens = 99; return nil },
		func(c *rag.Collection) error { c.Chunking.Overlap = 9; return nil },
		func(c *rag.Collection) error {
			c.Retrieval = c.Retrieval.With(rag.NewRetrieval{RerankMS: number(120)})
			return nil
		},
	}
	var wg sync.WaitGroup
	for _, change := range changes {
		_ = change(&want)
		wg.Go(func() {
			if _, err := b.ChangeCollection(b.ctx, "t", "ranked", change); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	check(want)
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
