package catalogtest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// testChunking: a collection's chunking is kept and can be changed, and a version keeps the one it was uploaded with.
func testChunking(t *testing.T, b bundle) {
	want := rag.Chunking{Strategy: rag.StrategyParentChild, MaxTokens: 128, Overlap: 16, MinTokens: 32, ParentTokens: 1024}
	made, err := b.CreateCollection(b.ctx, rag.Collection{Tenant: "t", Name: "cut", BiEncoder: "bge", Dimension: 384, Chunking: want})
	if err != nil {
		t.Fatal(err)
	}
	read, err := b.Catalog.Collection(b.ctx, "t", "cut")
	if diff := cmp.Diff(want, read.Chunking); err != nil || diff != "" || made.Chunking != want {
		t.Errorf("%v, made with %+v\n%s", err, made.Chunking, diff)
	}
	if b.collection.Chunking.Strategy != rag.StrategyStructure {
		t.Errorf("a collection that says nothing is cut by %q", b.collection.Chunking.Strategy)
	}
	first, err := b.PutDocument(b.ctx, made.ID, upload("a", "v1"))
	if err != nil || first.Document.Chunking != want {
		t.Errorf("%v: the document is cut by %+v", err, first.Document.Chunking)
	}
	other := rag.Chunking{Strategy: rag.StrategyTokens, MaxTokens: 64}
	change := func(c *rag.Collection) error { c.Chunking = other; return nil }
	changed, err := b.ChangeCollection(b.ctx, "t", "cut", change)
	if err != nil || changed.Chunking != other {
		t.Errorf("%v: changed to %+v", err, changed.Chunking)
	}
	kept, err := b.Document(b.ctx, made.ID, "a")
	if err != nil || kept.Chunking != want {
		t.Errorf("%v: after the change the document is cut by %+v", err, kept.Chunking)
	}
	again, err := b.PutDocument(b.ctx, made.ID, upload("a", "v1"))
	if err != nil || again.Unchanged || again.Document.Chunking != other {
		t.Errorf("%v: uploaded after the change, unchanged %v, cut by %+v", err, again.Unchanged, again.Document.Chunking)
	}
	if _, err := b.ChangeCollection(b.ctx, "t", "none", change); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("a collection that there is not: %v", err)
	}
}

// testChunkingOfUploads: another chunking makes an upload of the same bytes another version, which takes nothing over, and
// metadata changes keep it.
func testChunkingOfUploads(t *testing.T, b bundle) {
	s := upload("a", "v1")
	x := newIndex()
	stop := b.work(t, b.Catalog, ingester(b.Catalog, x, 2))
	b.wait(t, b.put(t, s).Job.ID, rag.JobSucceeded)
	stop()
	rows := rag.Chunking{Strategy: rag.StrategyRow, MaxTokens: 64}
	s.Upload.Chunking = &rows
	a := b.put(t, s)
	if a.Unchanged || a.Document.Version != 2 || a.Document.Chunking != rows {
		t.Fatalf("unchanged %v, version %d, cut by %+v", a.Unchanged, a.Document.Version, a.Document.Chunking)
	}
	if again := b.put(t, s); !again.Unchanged {
		t.Error("the same upload with the same chunking again is not unchanged")
	}
	tasks := make(chan ingest.Task, 10)
	stop = b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, j rag.Job) error {
		task, err := b.Task(ctx, claim)
		tasks <- task
		return errors.Join(err, ingester(b.Catalog, x, 2)(ctx, claim, j))
	})
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	stop()
	if task := <-tasks; task.Same || task.Document.Chunking != rows {
		t.Errorf("same %v, cut by %+v", task.Same, task.Document.Chunking)
	}
	patched, err := b.PatchDocument(b.ctx, b.collection.ID, "a", func(m rag.Metadata) (rag.Metadata, error) { return rag.Metadata{"year": int64(1)}, nil })
	if err != nil || patched.Document.Chunking != rows {
		t.Errorf("%v: patched, it is cut by %+v", err, patched.Document.Chunking)
	}
	given := upload("given", "v1")
	given.Upload.Chunking = &rag.Chunking{}
	if g := b.put(t, given); g.Document.Chunking != (rag.Chunking{}) {
		t.Errorf("chunks of the client are cut by %+v", g.Document.Chunking)
	}
}

// testParents: a hit comes with the header of its table and with its parent, whose text is kept once.
func testParents(t *testing.T, b bundle) {
	section := &rag.Parent{Span: rag.Span{Start: 0, End: 9}, Text: "one\ntwo\nx"}
	table := &rag.Parent{Span: rag.Span{Start: 11, End: 18}, Header: "k | v", Text: "1\n2\n3\n4"}
	chunks := []rag.Chunk{
		{Text: "one", Span: rag.Span{Start: 0, End: 3}, Parent: section},
		{Text: "two\nx", Span: rag.Span{Start: 4, End: 9}, Parent: section},
		{Text: "1\n2", Header: "k | v", Span: rag.Span{Start: 11, End: 14}, Parent: table},
		{Text: "alone", Span: rag.Span{Start: 20, End: 25}},
	}
	x, ids := newIndex(), map[int]rag.ChunkID{}
	a := b.put(t, upload("a", "v1"))
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, j rag.Job) error {
		_, err := b.BeginChunks(ctx, claim)
		if err := errors.Join(err, b.AddChunks(ctx, claim, chunks[:2], 1, 2), b.EndChunks(ctx, claim, ingest.Cut{Text: "text", Chunks: chunks[2:]})); err != nil {
			return err
		}
		pending, err := b.PendingChunks(ctx, claim, 10)
		if err != nil {
			return err
		}
		for _, ch := range pending {
			ids[ch.Ordinal] = ch.ID
			if ch.Header != chunks[ch.Ordinal].Header || (ch.Parent == nil) != (chunks[ch.Ordinal].Parent == nil) {
				t.Errorf("pending chunk %d: header %q, parent %v", ch.Ordinal, ch.Header, ch.Parent)
			}
		}
		return errors.Join(indexAll(ctx, b.Catalog, x, claim), b.Publish(ctx, claim))
	})
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	stop()
	check := func(ids []rag.ChunkID) {
		t.Helper()
		hits, err := b.LiveHits(b.ctx, b.collection.ID, ids)
		if err != nil || len(hits) != len(ids) {
			t.Fatalf("%d hits, %v", len(hits), err)
		}
		for _, h := range hits {
			want := chunks[h.Chunk.Ordinal]
			if diff := cmp.Diff(want.Parent, h.Chunk.Parent); diff != "" || h.Chunk.Header != want.Header {
				t.Errorf("hit on %q, header %q:\n%s", h.Chunk.Text, h.Chunk.Header, diff)
			}
		}
	}
	check([]rag.ChunkID{ids[0], ids[1], ids[2], ids[3]})
	check([]rag.ChunkID{ids[1]})

	// A change of metadata copies the chunks, parents too.
	patched, err := b.PatchDocument(b.ctx, b.collection.ID, "a", func(m rag.Metadata) (rag.Metadata, error) { return rag.Metadata{"year": int64(1)}, nil })
	if err != nil {
		t.Fatal(err)
	}
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, j rag.Job) error {
		if _, err := b.CopyChunks(ctx, claim); err != nil {
			return err
		}
		pending, err := b.PendingChunks(ctx, claim, 10)
		if err != nil {
			return err
		}
		for _, ch := range pending {
			ids[ch.Ordinal] = ch.ID
		}
		return errors.Join(indexAll(ctx, b.Catalog, x, claim), b.Publish(ctx, claim))
	})
	b.wait(t, patched.Job.ID, rag.JobSucceeded)
	check([]rag.ChunkID{ids[0], ids[1], ids[2], ids[3]})
}
