// Package app puts redkite together and runs it: it alone knows every other package. What is opened is closed in the
// opposite order, each part named in the log when it can't be.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/redkite/redkite/internal/archive"
	"github.com/redkite/redkite/internal/blob"
	"github.com/redkite/redkite/internal/callback"
	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/httpapi"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/mcp"
	"github.com/redkite/redkite/internal/milvus"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// Options say what to run.
type Options struct {
	Settings config.Settings
	Version  string
	Log      *slog.Logger
}

// App is a redkite that is put together.
type App struct {
	options  Options
	log      *slog.Logger
	listener net.Listener
	server   *httpapi.Server
	catalog  *catalog.Catalog
	worker   *ingest.Worker
	parsers  *parse.Registry
	callback *callback.Sender
	flusher  *flusher
	closers  []closer // in the order of opening
}

// closer ends one part.
type closer struct {
	name  string
	close func(ctx context.Context) error
}

// Run serves until ctx ends, then stops.
func Run(ctx context.Context, o Options) error {
	a, err := New(ctx, o)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// New opens every part and listens, but serves nothing yet. It is one straight line on purpose: the order of opening,
// which is the order of closing backwards, is what a reader looks for here. On an error what was opened is closed.
func New(ctx context.Context, o Options) (_ *App, err error) {
	s := o.Settings
	a := &App{options: o, log: o.Log} // no result: "return nil, err" would take it from the function below
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := os.MkdirAll(s.Data, 0o750); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	where, err := findPaths(s)
	if err != nil {
		return nil, err
	}
	models, err := model.Open(where.models, where.addedModels)
	if err != nil {
		return nil, err
	}

	a.catalog, err = openCatalog(ctx, s, o.Log)
	if err != nil {
		return nil, err
	}
	a.opened("catalog", func(context.Context) error { return a.catalog.Close() })
	if err := a.catalog.Migrate(ctx); err != nil {
		return nil, err
	}

	encoders, err := openEncoders(ctx, where.onnxRuntime, models, s, o.Log)
	if err != nil {
		return nil, err
	}
	a.opened("encoders", func(context.Context) error { return encoders.close() })
	if err := encoders.openUsed(ctx, a.catalog); err != nil {
		return nil, err
	}

	blobs, err := openBlobs(ctx, s, o.Log)
	if err != nil {
		return nil, err
	}
	a.opened("blobs", func(context.Context) error { return blobs.Close() })

	address := func() string { return s.MilvusAddress }
	if s.MilvusAddress == "" {
		lite, err := milvus.StartLite(ctx, milvus.LiteConfig{Command: where.milvusLite, DataDir: where.milvusData}, o.Log)
		if err != nil {
			return nil, err
		}
		a.opened("embedded milvus", lite.Stop)
		address = lite.Address
	}
	vectors := newVectors(s, address, o.Log)
	a.opened("milvus client", func(context.Context) error { return vectors.Close() })

	a.parsers = parse.New(parse.Options{CacheDir: where.pdfCache, Recognizer: newRecognizer(s), RecognizePages: s.OCRMaxPages})
	a.opened("parsers", func(context.Context) error { return a.parsers.Close() })

	index := index{vectors}
	analyzer, err := lexical.New()
	if err != nil {
		return nil, err
	}
	a.flusher = &flusher{index: index, log: o.Log.With("component", "flush"), dirty: map[rag.CollectionID]rag.Collection{}}
	a.worker = &ingest.Worker{
		Ledger: a.catalog, Removals: a.catalog, Index: a.flusher, Vectors: index, Removal: index, Blobs: blobs, Parser: a.parsers, NewKey: blob.NewKey,
		Encoder: encoders.passages, Timeout: s.ParseTimeout, Workers: s.IngestWorkers,
		Matching: a.catalog, Lexical: analyzer,
		Reconciler: &ingest.Reconciler{
			Books: a.catalog, Progress: a.catalog, Inventory: index, Index: a.flusher, Removal: index, Hits: a.catalog, Encoder: encoders.passages, Originals: blobs, Needs: a.catalog,
			Terms: a.catalog, Lexical: analyzer,
		},
	}
	a.callback, err = callback.New(a.catalog, callback.Config{Secret: s.CallbackSecret, Allow: s.CallbackAllow, Agent: "redkite/" + o.Version})
	if err != nil {
		return nil, err
	}
	answering, err := openAnswering(s, encoders)
	if err != nil {
		return nil, err
	}
	documents := documents{a.catalog}
	intake := intake{&ingest.Intake{
		Blobs: blobs, Documents: a.catalog, Batches: a.catalog, NewKey: blob.NewKey, Sniff: a.parsers.Sniff, Check: milvus.CheckMetadata, MaxBytes: s.MaxUploadBytes,
	}, encoders, a.catalog}
	a.server, err = httpapi.New(httpapi.Deps{
		Collections: collections{a.catalog, encoders}, Chunkings: collections{a.catalog, encoders}, Overview: a.catalog, Lexical: index, Fingerprints: a.catalog,
		Intake: intake, BatchIntake: intake, Batches: a.catalog, Callbacks: a.callback,
		Documents: documents, Matching: documents, Texts: texts{a.catalog, blobs}, Patches: documents, Retries: a.catalog, Jobs: documents, JobControl: a.catalog, Upkeep: a.catalog, Keys: a.catalog, Models: encoders, Stats: a.catalog, Lanes: encoders.lanes, Caches: encoders, Answering: answering,
		Retriever: &retrieve.Retriever{
			Embedder: encoders.queries, Index: index, TermIndex: index, Vocabulary: a.catalog, Lexical: analyzer, Live: a.catalog, Scorer: encoders.cross, Log: o.Log.With("component", "retrieve"),
			Vectors: index, Around: a.catalog, Texts: texts{a.catalog, blobs}, Clips: encoders.clips, Calibration: encoders.defCE.Calibration,
			Rewriter: answering.Rewriter,
		},
		Encoders: encoders, OpenAI: httpapi.OpenAI{
			Files: a.catalog, FileIntake: intake, Originals: blobs, Stores: a.catalog, StoreFiles: a.catalog, FileBatches: a.catalog,
		},
		Checks: a.checks(blobs, vectors, encoders), Log: o.Log,
		Chunks: a.catalog, Tools: tools{mcp.NewHandler(o.Log), o.Version},
	}, httpapi.Options{
		Version: o.Version, API: s.Role != "worker", LoopbackWithoutKey: s.LoopbackWithoutKey,
		MaxSearches: s.MaxSearches, DrainTimeout: s.ShutdownTimeout,
		Archives:       archive.Limits{Size: s.MaxArchiveBytes, Bytes: s.MaxBatchBytes, Ratio: mostRatio, Folder: s.Data},
		SearchDeadline: s.SearchDeadline, RerankTime: s.RerankTime, RerankTolerance: s.RerankTolerance, RerankSure: s.RerankSure,
		MaxAnswers: s.MaxAnswers, MinRelevance: s.AskMinRelevance,
	})
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	if a.listener, err = listen.Listen(ctx, "tcp", s.Address); err != nil {
		return nil, fmt.Errorf("listen on %s: %w; another program may use it, choose another with --address", s.Address, err)
	}
	return a, nil
}

// mostRatio is how many times its size an archive may unpack to. Text is seldom above 20; what a format can do is 1000.
const mostRatio = 200

// handle gives a claimed job to whoever does its kind.
func (a *App) handle(ctx context.Context, claim rag.Claim, job rag.Job) error {
	if job.Kind == rag.JobCallback {
		return a.callback.Handle(ctx, claim, job)
	}
	return a.worker.Handle(ctx, claim, job)
}

func (a *App) opened(name string, end func(context.Context) error) {
	a.closers = append(a.closers, closer{name, end})
}

// Addr is where the server listens.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Run serves and works until ctx ends or a part fails; then it takes no more requests, ends or returns what is in work,
// and closes everything.
func (a *App) Run(ctx context.Context) error {
	s := a.options.Settings
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	run := func(name string, part func(context.Context) error) {
		parts.Go(func() {
			if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
				mu.Lock()
				failures = append(failures, fmt.Errorf("%s: %w", name, err))
				mu.Unlock()
				cancel(err)
			}
		})
	}
	run("http", func(ctx context.Context) error { return a.server.Serve(ctx, a.listener) })
	if s.MilvusAddress == "" {
		run("flush", a.flusher.run)
	}
	if s.Role != "api" {
		run("worker", func(ctx context.Context) error { return a.catalog.Run(ctx, a.handle, s.IngestWorkers) })
	}
	if s.Role != "api" && s.ReconcileEvery > 0 {
		run("nightly", nightly{a.catalog, s.ReconcileEvery, a.log.With("component", "nightly")}.run)
	}
	a.log.InfoContext(ctx, "redkite serves", "version", a.options.Version, "address", "http://"+a.Addr(), "role", s.Role, "data", s.Data)
	<-ctx.Done()
	a.log.InfoContext(ctx, "redkite stops")
	parts.Wait()
	return errors.Join(errors.Join(failures...), a.close(context.WithoutCancel(ctx)))
}

// closeTimeout bounds the closing of each part.
const closeTimeout = 30 * time.Second

// close ends the parts, the last opened first.
func (a *App) close(ctx context.Context) error {
	var failures []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		limited, cancel := context.WithTimeout(ctx, closeTimeout)
		if err := a.closers[i].close(limited); err != nil {
			failures = append(failures, fmt.Errorf("close %s: %w", a.closers[i].name, err))
		}
		cancel()
	}
	a.closers = nil
	return errors.Join(failures...)
}

// checks are what /readyz asks.
func (a *App) checks(blobs blobs, vectors *milvus.Client, encoders *encoders) []httpapi.Check {
	return []httpapi.Check{
		{Name: "catalog", Run: func(ctx context.Context) (string, error) { return "answers", a.catalog.Ping(ctx) }},
		{Name: "blobs", Run: func(ctx context.Context) (string, error) { return "answers", blobs.Ping(ctx) }},
		{Name: "milvus", Run: func(ctx context.Context) (string, error) {
			h, err := vectors.Ping(ctx)
			if err != nil {
				return "", err
			}
			if !h.Sparse {
				return h.Version + ", which can't hold sparse vectors: dense search only", nil
			}
			return h.Version, nil
		}},
		{Name: "collections", Run: func(ctx context.Context) (string, error) {
			n, err := a.catalog.Rebuilding(ctx)
			if err != nil || n == 0 {
				return "whole", err
			}
			return fmt.Sprintf("degraded: %d rebuilding, search misses what is not filled yet", n), nil
		}},
		{Name: "lexical", Run: newWordless(a.catalog.AllCollections, index{vectors}.Lexical).check},
		{Name: "parsers", Run: func(context.Context) (string, error) { return "ready", a.parsers.Stuck() }},
		{Name: "models", Run: func(context.Context) (string, error) { return encoders.describe(), nil }},
	}
}
