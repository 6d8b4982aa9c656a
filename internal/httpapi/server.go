// Package httpapi serves redkite over HTTP: the native API with its OpenAPI document, and the pages that operators and
// probes read. It turns requests into calls of the interfaces below and errors into application/problem+json.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/archive"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// Collections makes, finds and removes collections of a tenant.
type Collections interface {
	Create(ctx context.Context, tenant string, n api.NewCollection) (rag.Collection, error)
	// Change changes all that is asked for, or nothing.
	Change(ctx context.Context, tenant, name string, asked api.CollectionPatch) (rag.Collection, error)
	Collection(ctx context.Context, tenant, name string) (rag.Collection, error)
	DeleteCollection(ctx context.Context, tenant, name string) (rag.Job, error)
}

// Chunkings settles how documents are cut, within what a collection's bi-encoder reads.
type Chunkings interface {
	Chunking(ctx context.Context, c rag.Collection, asked api.NewChunking) (rag.Chunking, error)
}

// Overview lists and counts.
type Overview interface {
	Collections(ctx context.Context, tenant string) ([]rag.Collection, error)
	Counts(ctx context.Context, id rag.CollectionID) (rag.Counts, error)
}

// Lexical tells whether collections can be searched by their words.
type Lexical interface {
	Lexical(ctx context.Context, c rag.Collection) (rag.Lexical, error)
}

// Intake takes uploads: bytes first, then all of a request's documents at once.
type Intake interface {
	Stage(ctx context.Context, c rag.Collection, u ingest.Upload) (ingest.Staged, error)
	Commit(ctx context.Context, c rag.Collection, staged []ingest.Staged) ([]ingest.Accepted, error)
	Discard(ctx context.Context, staged []ingest.Staged)
}

// Documents finds and removes documents.
type Documents interface {
	Document(ctx context.Context, c rag.CollectionID, externalID string) (rag.Document, error)
	DocumentPage(ctx context.Context, c rag.CollectionID, status rag.Status, after rag.DocumentID, limit int) ([]rag.Document, error)
	DeleteDocument(ctx context.Context, c rag.CollectionID, externalID string) (rag.Job, error)
}

// Matching finds documents by their metadata.
type Matching interface {
	DocumentsMatching(ctx context.Context, c rag.CollectionID, status rag.Status, filter *rag.Filter, after rag.DocumentID, limit int) ([]rag.Document, error)
}

// Retries run the job of a document's newest version again.
type Retries interface {
	RetryDocument(ctx context.Context, tenant string, c rag.CollectionID, externalID string) (rag.Job, error)
}

// Patches change a document's metadata.
type Patches interface {
	// Patch makes a version with what change makes of the metadata; change may be called more than once.
	Patch(ctx context.Context, c rag.Collection, externalID string, change func(rag.Metadata) rag.Metadata) (ingest.Accepted, error)
}

// BatchIntake takes the files of a batch one after another.
type BatchIntake interface {
	Receive(c rag.Collection, callback *rag.Callback) *ingest.Receipt
}

// Batches finds batches, waits for them and ends them.
type Batches interface {
	Batch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error)
	Batches(ctx context.Context, tenant string, c rag.CollectionID, before rag.BatchID, limit int) ([]rag.Batch, error)
	RefusedEntries(ctx context.Context, tenant string, id rag.BatchID, after, limit int) ([]rag.RefusedEntry, error)
	// WaitBatch returns when the batch is over, or with the context's error and the batch as it stands.
	WaitBatch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error)
	CancelBatch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error)
}

// Callbacks refuses callbacks that can't work.
type Callbacks interface {
	Check(callback rag.Callback) error
}

// JobQuery asks for a page of jobs, newest first; empty members ask nothing.
type JobQuery struct {
	Kind       rag.JobKind
	State      rag.JobState
	Collection rag.CollectionID
	Document   string // the client's id
	Batch      rag.BatchID
	IDs        []rag.JobID
	From, To   time.Time // made in this time
	Before     rag.JobID // the last one of the page before
	Limit      int
}

// Jobs finds jobs and waits for them.
type Jobs interface {
	Job(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error)
	JobPage(ctx context.Context, tenant string, q JobQuery) ([]rag.Job, error)
	// WaitJob returns when the job is over, or with the context's error and the job as it stands.
	WaitJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error)
}

// JobControl ends and repeats jobs, and tells how their attempts ended.
type JobControl interface {
	CancelJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error)
	RetryJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error)
	// Attempts gives the newest bad ends, oldest first, and how often each outcome was.
	Attempts(ctx context.Context, tenant string, id rag.JobID) ([]rag.Attempt, map[rag.AttemptOutcome]int, error)
}

// Upkeep queues jobs that look after a whole collection.
type Upkeep interface {
	AddCollectionJob(ctx context.Context, tenant, collection string, kind rag.JobKind, params string) (rag.Job, error)
}

// Retriever answers queries.
type Retriever interface {
	Search(ctx context.Context, q retrieve.Query) (retrieve.Result, error)
}

// Keys tells who an API key belongs to.
type Keys interface {
	Authenticate(ctx context.Context, secret string) (rag.Principal, error)
}

// Models lists the models that collections may name.
type Models interface {
	Models(ctx context.Context) []api.Model
}

// Stats are read when metrics are scraped.
type Stats interface {
	QueueDepth(ctx context.Context) (map[rag.JobState]int, error)
	DocumentsByStatus(ctx context.Context) (map[rag.Status]int, error)
}

// Lanes tell how busy the encoders are.
type Lanes interface {
	Size() int
	Busy(lane encode.Lane) time.Duration
}

// Check is one thing that must be right for the server to be ready. Its detail is shown by /readyz?verbose.
type Check struct {
	Name string
	Run  func(ctx context.Context) (detail string, err error)
}

// Deps are what the server serves. A worker that serves no API leaves all but Stats, Checks and Log out.
type Deps struct {
	Collections  Collections
	Chunkings    Chunkings
	Overview     Overview
	Lexical      Lexical // nil where it is not known
	Fingerprints Fingerprints
	Intake       Intake
	BatchIntake  BatchIntake
	Batches      Batches
	Callbacks    Callbacks
	Documents    Documents
	Matching     Matching
	Texts        Texts
	Chunks       Chunks
	Tools        Tools // nil where MCP is not served
	Patches      Patches
	Retries      Retries
	Jobs         Jobs
	JobControl   JobControl
	Upkeep       Upkeep
	Retriever    Retriever
	Answering    Answering
	Keys         Keys
	Models       Models
	Stats        Stats
	Lanes        Lanes  // of the encoders; nil where there are none
	Caches       Caches // of the encoders; nil where there are none
	Encoders     Encoders
	OpenAI       OpenAI
	Checks       []Check
	Log          *slog.Logger
}

// Options shape the server.
type Options struct {
	Version            string
	API                bool          // serve the API; else only probes, metrics and version
	LoopbackWithoutKey bool          // requests from this machine need no key
	MaxSearches        int           // in work or waiting
	SearchDeadline     time.Duration // where a request names none
	RerankTime         time.Duration // where a request names no deadline; 0 for no time of its own
	RerankTolerance    float64       // places of a search that candidates left unread may be expected to take
	RerankSure         int           // candidates of a search read whatever other work waits for the encoder; 0 for all
	MaxAnswers         int           // of the LLM, in work
	MinRelevance       float64       // of a hit that the LLM is shown, where a request says nothing
	Archives           archive.Limits
	DrainTimeout       time.Duration // for requests in work when the server stops
}

// Server is the HTTP side.
type Server struct {
	deps     Deps
	options  Options
	log      *slog.Logger
	metrics  *metrics
	searches chan struct{} // a token for each search in work or waiting
	answers  chan struct{} // a token for each answer in work
	watch    *watch        // of the jobs that are followed
	turns    turns         // at the encoders, those of searches among them
	streams  chan struct{} // a token for each job or batch that is being followed
	pace     pace          // of those streams
	stopping chan struct{} // closed when the server stops
	engine   *gin.Engine
	schemas  huma.Registry // of the OpenAPI document
}

// New puts the routes together.
func New(deps Deps, options Options) (*Server, error) {
	gin.SetMode(gin.ReleaseMode)
	s := &Server{
		deps: deps, options: options, log: deps.Log.With("component", "http"),
		searches: make(chan struct{}, max(1, options.MaxSearches)), engine: gin.New(),
		answers: make(chan struct{}, max(1, options.MaxAnswers)),
		streams: make(chan struct{}, maxStreams), pace: defaultPace(), stopping: make(chan struct{}),
	}
	s.watch, s.turns = newWatch(deps.Jobs), newTurns(s.searches)
	s.engine.UseRawPath = true // %2F in a document's id is no end of a path segment
	s.metrics = newMetrics(deps.Stats, deps.Lanes, s.log)
	s.metrics.watchCaches(deps.Caches)
	if err := s.engine.SetTrustedProxies(nil); err != nil {
		return nil, fmt.Errorf("set trusted proxies: %w", err)
	}
	s.engine.HandleMethodNotAllowed = true
	s.engine.Use(s.observe, s.recover, secure)
	s.engine.NoRoute(func(c *gin.Context) {
		s.fail(c, &rag.Problem{Kind: rag.ErrNotFound, Code: "no_route", Message: "there is no " + asked(c.Request) + "; /docs lists the routes"})
	})
	s.engine.NoMethod(func(c *gin.Context) {
		s.render(c, http.StatusMethodNotAllowed, &rag.Problem{Kind: rag.ErrInvalid, Code: "method_not_allowed", Message: asked(c.Request) + " does not take " + c.Request.Method})
	})
	s.operations()
	if options.API {
		s.native()
	}
	return s, nil
}

// Handler is the whole server.
func (s *Server) Handler() http.Handler { return withVerbs(s.engine) }

// Limits on connections. Bodies have their own, by route.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 128 << 10 // a filter in an address may have 8000 code points, each written with up to 12 bytes
)

// Serve answers on listener until ctx ends; then it takes no more and gives requests in work DrainTimeout to end.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(func() { close(s.stopping) })
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.DrainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		s.log.WarnContext(ctx, "requests were cut off", "error", err)
		return errors.Join(server.Close(), ignoreDeadline(err))
	}
	return nil
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// discard reads what is left of a body, within reason, so that the client gets the answer and not a reset.
func discard(body io.Reader) { _, _ = io.CopyN(io.Discard, body, 1<<20) }
