package catalogtest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// index stands for Milvus: the chunk ids that it holds.
type index struct {
	mu   sync.Mutex
	held map[rag.ChunkID]rag.DocumentID
}

func newIndex() *index { return &index{held: map[rag.ChunkID]rag.DocumentID{}} }

func (x *index) upsert(chunks ...rag.Chunk) (ids []rag.ChunkID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range chunks {
		x.held[c.ID] = c.Document
		ids = append(ids, c.ID)
	}
	return ids
}

func (x *index) remove(ids ...rag.ChunkID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range ids {
		delete(x.held, id)
	}
}

func (x *index) ids() []rag.ChunkID {
	x.mu.Lock()
	defer x.mu.Unlock()
	ids := make([]rag.ChunkID, 0, len(x.held))
	for id := range x.held {
		ids = append(ids, id)
	}
	return ids
}

// ingester does jobs as redkite's worker does, with chunks named after the version's blob.
func ingester(c *catalog.Catalog, x *index, chunks int) catalog.Handler {
	return func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		task, err := c.Task(ctx, claim)
		if err != nil {
			return err
		}
		if job.Kind == rag.JobCleanUp {
			if err := c.GiveUp(ctx, claim); err != nil {
				return err
			}
			return clean(ctx, c, x, claim)
		}
		if job.Kind != rag.JobIngest {
			x.mu.Lock()
			for id, d := range x.held {
				if d == job.Document {
					delete(x.held, id)
				}
			}
			x.mu.Unlock()
			return c.Removed(ctx, claim)
		}
		if !task.Live {
			if !task.Chunked {
				if err := c.SetStage(ctx, claim, rag.StageParse); err != nil {
					return err
				}
				if err := WriteChunks(ctx, c, claim, cut(task.Blob, chunks)); err != nil {
					return err
				}
			}
			if err := indexAll(ctx, c, x, claim); err != nil {
				return err
			}
			if err := c.Publish(ctx, claim); err != nil {
				return err
			}
		}
		return clean(ctx, c, x, claim)
	}
}

// WriteChunks writes what a version was cut into, all at once.
func WriteChunks(ctx context.Context, c *catalog.Catalog, claim rag.Claim, cut ingest.Cut) error {
	if _, err := c.BeginChunks(ctx, claim); err != nil {
		return err
	}
	return c.EndChunks(ctx, claim, cut)
}

func cut(name string, n int) ingest.Cut {
	chunks := make([]rag.Chunk, n)
	for i := range chunks {
		chunks[i] = rag.Chunk{
			Ordinal: i, Text: fmt.Sprintf("%s #%d", name, i), Headings: []string{"Part", name}, PageStart: i + 1, PageEnd: i + 2,
			Span: rag.Span{Start: i * 10, End: i*10 + 9}, Tokens: 7,
		}
	}
	return ingest.Cut{Title: "found in " + name, Text: "text of " + name, Chunks: chunks}
}

func indexAll(ctx context.Context, c *catalog.Catalog, x *index, claim rag.Claim) error {
	if err := c.SetStage(ctx, claim, rag.StageEmbed); err != nil {
		return err
	}
	for {
		pending, err := c.PendingChunks(ctx, claim, 2)
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			return c.SetStage(ctx, claim, rag.StagePublish)
		}
		live, err := c.LiveChunks(ctx, claim, 0, 1)
		if err != nil {
			return err
		}
		if err := c.MarkIndexed(ctx, claim, x.upsert(pending...), len(live)); err != nil { // one of a batch counts as reused
			return err
		}
	}
}

func clean(ctx context.Context, c *catalog.Catalog, x *index, claim rag.Claim) error {
	for {
		dead, err := c.DeadChunks(ctx, claim, 3)
		if err != nil || len(dead) == 0 {
			return err
		}
		x.remove(dead...)
		if err := c.Forget(ctx, claim, dead); err != nil {
			return err
		}
	}
}

func testIngest(t *testing.T, b bundle) {
	x := newIndex()
	a := b.put(t, upload("one", "v1"))
	want := rag.Document{
		ID: a.Document.ID, Collection: b.collection.ID, ExternalID: "one", Title: "About one", Filename: "one.txt",
		MediaType: "text/plain", Size: 2, SHA256: "sha of v1", Version: 1, Status: rag.StatusQueued, Chunking: b.collection.Chunking,
		Metadata: rag.Metadata{"year": int64(2026), "tags": []string{"a", "b"}},
	}
	ignore := cmpopts.IgnoreFields(rag.Document{}, "CreatedAt", "UpdatedAt")
	if diff := cmp.Diff(want, a.Document, ignore); diff != "" {
		t.Errorf("accepted document (-want +got):\n%s", diff)
	}
	b.work(t, b.Catalog, ingester(b.Catalog, x, 5))
	j := b.wait(t, a.Job.ID, rag.JobSucceeded)
	if j.Done != 5 || j.Total != 5 || j.Attempts != 1 || j.Stage != rag.StageDone || j.FinishedAt == nil || j.StartedAt == nil {
		t.Errorf("job at its end: %+v", j)
	}
	want.Status, want.LiveVersion, want.Chunks = rag.StatusReady, 1, 5
	got, err := b.Document(b.ctx, b.collection.ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("document when ready (-want +got):\n%s", diff)
	}
	hits, err := b.LiveHits(b.ctx, b.collection.ID, append(x.ids(), 999))
	if err != nil {
		t.Fatal(err)
	}
	if len(hits) != 5 {
		t.Fatalf("%d live hits, want 5", len(hits))
	}
	for id, h := range hits {
		wantChunk := cut("blob/one/v1", 5).Chunks[h.Chunk.Ordinal]
		wantChunk.ID, wantChunk.Document, wantChunk.Version = id, want.ID, 1
		wantHit := rag.Hit{Document: want.ID, ExternalID: "one", Chunk: wantChunk, Title: want.Title, Filename: want.Filename, Metadata: want.Metadata, Changed: got.UpdatedAt}
		if diff := cmp.Diff(wantHit, h); diff != "" {
			t.Errorf("hit %d (-want +got):\n%s", id, diff)
		}
	}
}

// warned adds a warning to what was cut.
func (bundle) warned(c ingest.Cut) ingest.Cut {
	c.Warnings = []rag.Warning{{Code: rag.WarnPartialText, Message: "page 3 has no text layer"}}
	return c
}
