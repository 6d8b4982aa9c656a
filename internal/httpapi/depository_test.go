package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/blob"
	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/catalogtest"
	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// depository is a server on a real catalog and a folder of originals, with a worker that makes one chunk of each document and
// a search that finds them all. Files whose text has "damaged" in it fail; what begins with a NUL is of no known type.
type depository struct {
	*catalog.Catalog
	t      *testing.T
	server *Server
	blobs  *blob.Dir
	gate   chan struct{} // what holds ingestion up, once it is given

	mu     sync.Mutex
	chunks []rag.ChunkID
	asked  []retrieve.Query
	ranked []encode.Ranking
	enter  func() // called when an encoder begins
}

func newDepository(t *testing.T) *depository {
	t.Helper()
	l := &depository{t: t}
	var err error
	if l.Catalog, err = catalog.Open(t.Context(), catalog.Config{Path: filepath.Join(t.TempDir(), "catalog.db")}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.blobs, err = blob.OpenDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, l.ingest, 2) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, l.Close(), l.blobs.Close()); err != nil {
			t.Error(err)
		}
	})
	w := &world{}
	l.server = newServer(t, w)
	d := &l.server.deps
	d.Collections, d.Overview, d.Documents, d.Patches, d.Batches, d.Texts, d.Retriever, d.Encoders, d.Jobs = l, l.Catalog, l, l, l.Catalog, l, l, l, l
	d.Chunkings, d.Models, d.Lanes = l, l, encode.NewLanes(2)
	d.OpenAI = OpenAI{Files: l.Catalog, FileIntake: l, Originals: l.blobs, Stores: l.Catalog, StoreFiles: l.Catalog, FileBatches: l.Catalog}
	return l
}

func (l *depository) intake() *ingest.Intake {
	return &ingest.Intake{
		Blobs: l.blobs, NewKey: blob.NewKey, MaxBytes: 1 << 20,
		Sniff: func(_ string, head []byte) (string, bool) {
			if head[0] == 0 {
				return "application/octet-stream", false
			}
			return "text/plain", true
		},
	}
}

func (l *depository) StageFile(ctx context.Context, name string, body io.Reader) (rag.File, error) {
	return l.intake().StageFile(ctx, name, body)
}

func (l *depository) KeepFile(ctx context.Context, f rag.File) (rag.File, error) {
	return l.intake().CommitFile(ctx, l.Catalog, f)
}

func (l *depository) DiscardFile(ctx context.Context, key string) { l.intake().DiscardFile(ctx, key) }

func (l *depository) CheckMetadata(c rag.Collection, m rag.Metadata) error {
	for key, value := range m {
		if _, whole := value.(int64); key == "year" && !whole {
			return rag.Invalid("/metadata/year", "metadata \"year\": the collection %s declares it as a whole number", c.Name)
		}
	}
	return nil
}

func (l *depository) Create(ctx context.Context, tenant string, n api.NewCollection) (rag.Collection, error) {
	return l.CreateCollection(ctx, rag.Collection{
		Tenant: tenant, Name: n.Name, BiEncoder: "bi", Dimension: 2, Chunking: rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 256, Overlap: 32, MinTokens: 32},
	})
}

func (l *depository) Chunking(_ context.Context, c rag.Collection, asked api.NewChunking) (rag.Chunking, error) {
	return chunk.Settle(rag.NewChunking(asked), c.Chunking, 510)
}

func (l *depository) Change(context.Context, string, string, api.CollectionPatch) (rag.Collection, error) {
	return rag.Collection{}, errors.New("not asked for")
}

func (l *depository) DocumentPage(context.Context, rag.CollectionID, rag.Status, rag.DocumentID, int) ([]rag.Document, error) {
	return nil, errors.New("not asked for")
}

func (l *depository) JobPage(context.Context, string, JobQuery) ([]rag.Job, error) {
	return nil, errors.New("not asked for")
}

func (l *depository) Patch(ctx context.Context, c rag.Collection, id string, change func(rag.Metadata) rag.Metadata) (ingest.Accepted, error) {
	return l.PatchDocument(ctx, c.ID, id, func(m rag.Metadata) (rag.Metadata, error) { return change(m), nil })
}

func (l *depository) OpenText(ctx context.Context, c rag.CollectionID, id string) (rag.Text, error) {
	document, version, key, err := l.LiveText(ctx, c, id)
	if err != nil {
		return rag.Text{}, err
	}
	content, size, err := l.blobs.Open(ctx, key)
	return rag.Text{Document: document, Version: version, Content: content, Size: size}, err
}

func (l *depository) Models(context.Context) []api.Model {
	return []api.Model{{Name: "bi", Kind: "bi-encoder"}, {Name: "cross", Kind: "cross-encoder"}}
}

// ingest does a job.
func (l *depository) ingest(ctx context.Context, claim rag.Claim, job rag.Job) error {
	task, err := l.Task(ctx, claim)
	if err != nil {
		return err
	}
	switch {
	case job.Kind == rag.JobCleanUp:
		return l.GiveUp(ctx, claim)
	case job.Kind != rag.JobIngest:
		keys, err := l.Released(ctx, claim)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := l.blobs.Delete(ctx, key); err != nil {
				return err
			}
		}
		return l.Removed(ctx, claim)
	}
	if l.gate != nil {
		select {
		case <-l.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	content, _, err := l.blobs.Open(ctx, task.Blob)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(content)
	if err := errors.Join(err, content.Close()); err != nil {
		return err
	}
	if task.Document.MediaType != "text/plain" {
		return &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported", Message: "no parser reads " + task.Document.MediaType}
	}
	if strings.Contains(string(raw), "damaged") {
		return rag.Invalid("", "the file is damaged")
	}
	return l.publish(ctx, claim, string(raw))
}

func (l *depository) publish(ctx context.Context, claim rag.Claim, text string) error {
	if err := l.SetStage(ctx, claim, rag.StageParse); err != nil {
		return err
	}
	key := blob.NewKey()
	if err := l.blobs.Put(ctx, key, strings.NewReader(text)); err != nil {
		return err
	}
	cut := ingest.Cut{Text: key, Chunks: []rag.Chunk{{Text: text, Span: rag.Span{End: len([]rune(text))}, Tokens: 1, PageStart: 1, PageEnd: 1}}}
	if err := catalogtest.WriteChunks(ctx, l.Catalog, claim, cut); err != nil {
		return err
	}
	if err := l.SetStage(ctx, claim, rag.StageEmbed); err != nil {
		return err
	}
	pending, err := l.PendingChunks(ctx, claim, 10)
	if err != nil {
		return err
	}
	var ids []rag.ChunkID
	for _, p := range pending {
		ids = append(ids, p.ID)
	}
	l.mu.Lock()
	l.chunks = append(l.chunks, ids...)
	l.mu.Unlock()
	if err := errors.Join(l.MarkIndexed(ctx, claim, ids, 0), l.SetStage(ctx, claim, rag.StagePublish)); err != nil {
		return err
	}
	return l.Publish(ctx, claim)
}

// Search finds every live document that the filter lets through, those with the query in their text first.
func (l *depository) Search(ctx context.Context, q retrieve.Query) (retrieve.Result, error) {
	l.mu.Lock()
	ids := slices.Clone(l.chunks)
	l.asked = append(l.asked, q)
	l.mu.Unlock()
	live, err := l.LiveHits(ctx, q.Collection.ID, ids)
	if err != nil {
		return retrieve.Result{}, err
	}
	var hits []rag.Hit
	for _, id := range ids {
		h, ok := live[id]
		if !ok || q.Filter != nil && !q.Filter.Matches(h.Metadata) {
			continue
		}
		score := 0.25
		if strings.Contains(h.Chunk.Text, q.Text) {
			score = 0.75
		}
		if q.Rerank {
			h.Scores.Relevance = &score
		} else {
			h.Scores.Dense = &score
		}
		hits = append(hits, h)
	}
	slices.SortStableFunc(hits, func(a, b rag.Hit) int {
		return strings.Compare(fmt.Sprint(strings.Contains(b.Chunk.Text, q.Text)), fmt.Sprint(strings.Contains(a.Chunk.Text, q.Text)))
	})
	return retrieve.Result{Hits: hits[:min(q.TopK, len(hits))], RankedBy: rag.RankedByDense}, nil
}
