package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// Task is what a worker has to know about a claimed ingest job.
type Task struct {
	Collection rag.Collection
	Document   rag.Document // with the title, filename, media type, metadata and chunking of the version to make
	Blob       string       // key of the version's original
	Size       int64
	Chunked    bool   // the chunk rows are written: an earlier attempt came that far
	Live       bool   // the version is published: only the old ones are left to remove
	LiveTitle  string // of the version that is live meanwhile; its chunks were embedded with it
	Same       bool   // that version is of the same bytes, type and chunking, and its text is kept, so its chunks are the new one's too
	Suspect    bool   // a worker died while it parsed this
	Language   string // of the version's text; the worker tells it
}

// Cut is what parsing and chunking made of an original, at its end.
type Cut struct {
	Title    string // the document's own; used where the client gave none
	Warnings []rag.Warning
	Text     string      // key of the blob that holds the normalised text
	Chunks   []rag.Chunk // the last ones
}

// Ledger is the catalog's side of an ingest job. Every call checks the claim's fence and gives rag.ErrStale when
// another worker has taken over.
type Ledger interface {
	Task(ctx context.Context, c rag.Claim) (Task, error)
	SetStage(ctx context.Context, c rag.Claim, stage rag.Stage) error
	// Waiting reports whether other jobs could run now if a worker were free.
	Waiting(ctx context.Context, c rag.Claim) (bool, error)
	Chunks
	Versions
	Live
	Terms
}

// Chunks keeps a version's chunk rows and which of them are indexed.
type Chunks interface {
	// BeginChunks says that the version is being parsed, and forgets the chunks that an attempt before left. It gives the
	// key of the text that it left, or "".
	BeginChunks(ctx context.Context, c rag.Claim) (text string, err error)
	// AddChunks writes further chunks, and how far the parser is.
	AddChunks(ctx context.Context, c rag.Claim, chunks []rag.Chunk, done, total int) error
	// EndChunks writes the last ones; from then on the version counts as cut.
	EndChunks(ctx context.Context, c rag.Claim, cut Cut) error
	PendingChunks(ctx context.Context, c rag.Claim, limit int) ([]rag.Chunk, error)
	// MarkIndexed says that the index has these chunks; the vectors of reused of them were taken over.
	MarkIndexed(ctx context.Context, c rag.Claim, ids []rag.ChunkID, reused int) error
}

// Versions moves search from one version to the next.
type Versions interface {
	// IndexedChunks gives the ids of all chunks of the version that the claim's job makes.
	IndexedChunks(ctx context.Context, c rag.Claim) ([]rag.ChunkID, error)
	// Publish makes the version live, and with that every other version dead, in one transaction.
	Publish(ctx context.Context, c rag.Claim) error
	// DeadChunks gives up to limit chunks of the document that no live version has.
	DeadChunks(ctx context.Context, c rag.Claim, limit int) ([]rag.ChunkID, error)
	// GiveUp has what the document's failed, canceled and overtaken versions left count as dead for the claim's job, also
	// when one of them is retried meanwhile: it is cut anew.
	GiveUp(ctx context.Context, c rag.Claim) error
	// Forget removes dead chunk rows.
	Forget(ctx context.Context, c rag.Claim, ids []rag.ChunkID) error
}

// Removals is the catalog's side of the jobs that delete.
type Removals interface {
	// Released gives the blobs that nothing live needs once the claim's job is done.
	Released(ctx context.Context, c rag.Claim) ([]string, error)
	// Removed drops the rows of the deleted document or collection.
	Removed(ctx context.Context, c rag.Claim) error
}

// Index is the vector side of a collection.
type Index interface {
	Ensure(ctx context.Context, c rag.Collection) error
	Upsert(ctx context.Context, c rag.Collection, rows []Row) error
	// Visible returns once every later search sees the given chunks.
	Visible(ctx context.Context, c rag.Collection, ids []rag.ChunkID) error
}

// Removal is what of an index the deleting jobs use.
type Removal interface {
	Delete(ctx context.Context, c rag.Collection, ids []rag.ChunkID) error
	DeleteDocument(ctx context.Context, c rag.Collection, id rag.DocumentID) error
	Drop(ctx context.Context, c rag.Collection) error
}

// Row is one chunk as the index keeps it.
type Row struct {
	Chunk    rag.ChunkID
	Document rag.DocumentID
	Metadata rag.Metadata
	Dense    rag.Embedding
	Sparse   rag.TermVector
}

// Encoder is the bi-encoder of a collection.
type Encoder interface {
	EmbedPassages(ctx context.Context, texts []string) ([]rag.Embedding, error)
	// Offsets gives the byte offsets of every token of text, without special tokens.
	Offsets(text string) ([][2]int, error)
	// MaxTokens is how many tokens of a text the encoder reads.
	MaxTokens() int
}

// Parser turns an original into blocks, and has take called with one window of them after the other.
type Parser interface {
	Stream(ctx context.Context, o rag.Original, take func(rag.Window) error) (rag.Findings, error)
}

// Worker does the jobs that the queue hands it.
type Worker struct {
	Ledger   Ledger
	Removals Removals
	Index    Index
	Vectors  Vectors
	Removal  Removal
	Blobs    Blobs
	Parser   Parser
	NewKey   func() string // makes a blob key that no other blob has

	Matching   Matching
	Reconciler *Reconciler
	Lexical    *lexical.Analyzer

	Encoder func(ctx context.Context, biEncoder string) (Encoder, error) // opens a collection's bi-encoder
	Timeout time.Duration                                                // for parsing one document
	Workers int                                                          // jobs at a time; long ones give way where all are long

	turns   turns
	once    sync.Once
	parsing *semaphore.Weighted // bytes of the originals that are being parsed and cut
}

const (
	// embedBatch is how many chunks are embedded, written and marked at once: a crash costs at most two batches, one that is
	// embedded and one that is written meanwhile.
	embedBatch = 32
	// removeBatch bounds one delete in the index.
	removeBatch = 1000
)

// Handle does one job. It can be repeated at any point: what an earlier attempt did is found done. The error tells the
// queue what next: rag.ErrUnavailable waits for the service, rag.ErrStale stops, a rag.Problem of another kind fails
// the job for good, rag.ErrYield lets other jobs go first, anything else is tried again.
func (w *Worker) Handle(ctx context.Context, c rag.Claim, job rag.Job) error {
	switch job.Kind {
	case rag.JobIngest:
		return w.ingest(ctx, c)
	case rag.JobCleanUp:
		return w.cleanUp(ctx, c)
	case rag.JobDeleteDocument:
		return w.deleteDocument(ctx, c, job)
	case rag.JobDeleteCollection:
		return w.deleteCollection(ctx, c, job)
	case rag.JobDeleteDocuments:
		return w.deleteDocuments(ctx, c, job)
	case rag.JobReconcile, rag.JobRebuild:
		return w.check(ctx, c, job)
	}
	return rag.Invalid("", "job %d is of unknown kind %q", job.ID, job.Kind)
}

// check does a job that compares a collection with its index.
func (w *Worker) check(ctx context.Context, c rag.Claim, job rag.Job) error {
	task, err := w.Ledger.Task(ctx, c)
	if err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	w.turns.enter()
	defer w.turns.leave()
	if job.Kind == rag.JobRebuild {
		return w.Reconciler.rebuild(ctx, c, job, task.Collection)
	}
	var asked Comparison
	if job.Params != "" {
		if err := json.Unmarshal([]byte(job.Params), &asked); err != nil {
			return rag.Invalid("", "job %d: what it was asked can't be read: %v", job.ID, err)
		}
	}
	return w.Reconciler.reconcile(ctx, c, task.Collection, asked)
}

func (w *Worker) ingest(ctx context.Context, c rag.Claim) error {
	task, err := w.Ledger.Task(ctx, c)
	if err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	if !task.Live {
		if err := w.makeVersion(ctx, c, task); err != nil {
			return err
		}
	}
	if err := w.removeDead(ctx, c, task.Collection); err != nil {
		return err
	}
	return w.releaseBlobs(ctx, c)
}

// makeVersion takes the version of a task from its original to live.
func (w *Worker) makeVersion(ctx context.Context, c rag.Claim, task Task) error {
	encoder, err := w.Encoder(ctx, task.Collection.BiEncoder)
	if err != nil {
		return fmt.Errorf("open bi-encoder: %w", err)
	}
	if !task.Chunked {
		if task.Document.Title, err = w.makeChunks(ctx, c, task, encoder); err != nil {
			return err
		}
	}
	if err := w.Ledger.SetStage(ctx, c, rag.StageEmbed); err != nil {
		return err
	}
	if err := w.Index.Ensure(ctx, task.Collection); err != nil {
		return fmt.Errorf("ensure index: %w", err)
	}
	version := VersionID{Document: task.Document.ID, Version: task.Document.Version, Title: task.Document.Title}
	if task.Language, err = chunksOf(w.Ledger.VersionChunks).language(ctx, c, version); err != nil {
		return err
	}
	counted := newTally()
	if err := w.embed(ctx, c, task, encoder, counted); err != nil {
		return err
	}
	if err := w.Ledger.SetStage(ctx, c, rag.StagePublish); err != nil {
		return err
	}
	terms, err := chunksOf(w.Ledger.VersionChunks).terms(ctx, c, version, task.Language, w.Lexical, counted)
	if err != nil {
		return fmt.Errorf("count terms: %w", err)
	}
	if err := w.Ledger.SetTerms(ctx, c, terms); err != nil {
		return err
	}
	ids, err := w.Ledger.IndexedChunks(ctx, c)
	if err != nil {
		return fmt.Errorf("list chunks: %w", err)
	}
	if err := w.Index.Visible(ctx, task.Collection, ids); err != nil {
		return fmt.Errorf("wait until searchable: %w", err)
	}
	return w.Ledger.Publish(ctx, c)
}

// removeDead takes dead chunks out of the index, then out of the catalog: while it has them, an interrupted removal is
// found again.
func (w *Worker) removeDead(ctx context.Context, c rag.Claim, collection rag.Collection) error {
	for {
		dead, err := w.Ledger.DeadChunks(ctx, c, removeBatch)
		if err != nil {
			return fmt.Errorf("list dead chunks: %w", err)
		}
		if len(dead) == 0 {
			return nil
		}
		if err := w.Removal.Delete(ctx, collection, dead); err != nil {
			return fmt.Errorf("remove %d dead chunks: %w", len(dead), err)
		}
		if err := w.Ledger.Forget(ctx, c, dead); err != nil {
			return err
		}
	}
}
