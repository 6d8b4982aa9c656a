// Package rag holds redkite's words: the types every other package speaks in, the filter language, and the kinds of
// error. It imports the standard library only and does no I/O.
//
//	upload -> Document -> Blocks -> Chunks -> Embeddings -> (Milvus)
//	query  -> Candidates -> Hits -> Passages -> prompt
package rag

import (
	"io"
	"time"
)

// Identifiers given by the catalog. A ChunkID is also Milvus's primary key.
type (
	// CollectionID names a collection for good; its name may be given again after a deletion.
	CollectionID int64
	// DocumentID is redkite's own number for a document; the client's id is Document.ExternalID.
	DocumentID int64
	// ChunkID is assigned once, when the chunk row is written, and is never given again.
	ChunkID int64
	// JobID names a durable request.
	JobID int64
)

// DefaultTenant owns everything that is created without an API key.
const DefaultTenant = "default"

// Embedding is a unit-length vector.
type Embedding []float32

// Collection is a named set of documents that share one bi-encoder, one chunking and one tenant.
type Collection struct {
	ID         CollectionID
	Tenant     string
	Name       string
	BiEncoder  string // name of the bi-encoder in the model manifest
	Dimension  int    // of the bi-encoder's embeddings
	Fields     []Field
	Chunking   Chunking
	Retrieval  NewRetrieval // what the collection says of it; Over(DefaultRetrieval()) is what holds
	Mode       Mode         // which searches find candidates where a request does not say; empty for the program's default
	Generation int          // number of the live generation, from 1
	CreatedAt  time.Time
	Rebuilding bool // the index is being made anew: search misses what is not filled yet
}

// Field declares one metadata key that a collection filters by; it becomes a typed, indexed column.
type Field struct {
	Name string    `json:"name"`
	Type FieldType `json:"type"`
}

// FieldType is the type of a declared metadata field.
type FieldType string

// The field types, as they are written in the API.
const (
	FieldInt     FieldType = "int"
	FieldFloat   FieldType = "float"
	FieldBool    FieldType = "bool"
	FieldString  FieldType = "string"
	FieldStrings FieldType = "string[]"
)

// Counts sums up a collection.
type Counts struct {
	Total    int // documents, deleted ones left out
	Ready    int // documents whose newest version is live
	Pending  int // documents that wait or are being worked on
	Failed   int
	Canceled int
	Chunks   int // live chunks
}

// Status is the state of a document's newest version.
type Status string

// The states of a document.
const (
	StatusQueued            Status = "queued"
	StatusParsing           Status = "parsing"
	StatusEmbedding         Status = "embedding"
	StatusIndexing          Status = "indexing"
	StatusReady             Status = "ready"
	StatusReadyWithWarnings Status = "ready_with_warnings"
	StatusFailed            Status = "failed"
	StatusCanceled          Status = "canceled"
	StatusDeleting          Status = "deleting"
)

// Metadata is a document's own keys: strings, numbers (float64 or int64), booleans and string lists.
type Metadata map[string]any

// Document is an uploaded source and its newest version.
type Document struct {
	ID          DocumentID
	Collection  CollectionID
	ExternalID  string // the client's id; equals "doc_<ID>" where the client gave none
	Title       string
	Filename    string
	MediaType   string
	Size        int64 // bytes of the original
	SHA256      string
	Metadata    Metadata
	Version     int // newest version, from 1
	LiveVersion int // the version that search may return; 0 while there is none
	Status      Status
	Error       *Failure  // why the newest version failed, or nil
	Chunking    Chunking  // that the newest version is cut by; zero where the client cut it
	Warnings    []Warning // of the newest version
	Language    string    // of the newest version's text (ISO 639), "und" where it can't be told; empty until its chunks are embedded
	Chunks      int       // chunks of the live version
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Failure is a reason that a user can read and a program can switch on.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Span is a half-open range of Unicode code points in a document's normalised text.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Moved is s so many code points further on.
func (s Span) Moved(by int) Span { return Span{Start: s.Start + by, End: s.End + by} }

// BlockKind says what a block is.
type BlockKind string

// The kinds of block.
const (
	BlockHeading   BlockKind = "heading"
	BlockParagraph BlockKind = "paragraph"
	BlockList      BlockKind = "list"
	BlockTable     BlockKind = "table"
	BlockCode      BlockKind = "code"
	BlockCaption   BlockKind = "caption" // of a figure or table
)

// Block is one structural piece of a document, as a parser found it. Blocks follow each other in reading order, and
// Text is exactly the slice Span of Parsed.Text.
type Block struct {
	Kind     BlockKind
	Text     string
	Headings []string // titles of the sections around it, outermost first
	Page     int      // from 1; 0 where the format has no pages
	Span     Span
}

// Original is an uploaded file as a parser gets it.
type Original struct {
	io.ReadSeeker
	Size      int64  // bytes
	MediaType string // by its content, not by what the client says
	Name      string // of the file; may be empty
}

// Text is the normalised text of a version of a document, open for reading.
type Text struct {
	Document DocumentID
	Version  int
	Content  io.ReadSeekCloser
	Size     int64 // bytes
}

// Parsed is what a parser makes of an original.
type Parsed struct {
	Title    string // found in the document; may be empty
	Text     string // the normalised text that every span points into
	Blocks   []Block
	Pages    int // 0 where the format has no pages
	Warnings []Warning
}

// Window is a run of a document's blocks, handed over while the rest is still being parsed. The texts of all windows, put
// one after the other, are the document's normalised text. One without blocks only tells how far the parser is.
type Window struct {
	Start  int     // code points of the text before it
	Text   string  // its piece of the normalised text
	Blocks []Block // their spans are places in Text
	Done   int     // of Total: pages where the format has them, else bytes of the original
	Total  int     // 0 where the parser can't tell
}

// Findings are what is known of a document once all of it is parsed.
type Findings struct {
	Title    string // found in the document; may be empty
	Pages    int    // 0 where the format has no pages
	Warnings []Warning
}

// Candidate is a chunk that a first-stage search found.
type Candidate struct {
	Chunk ChunkID
	Score float32 // cosine similarity, -1 to 1; or BM25, above 0
}

// JobKind says what a job does.
type JobKind string

// The kinds of job.
const (
	JobIngest           JobKind = "ingest"
	JobDeleteDocument   JobKind = "delete_document"
	JobDeleteCollection JobKind = "delete_collection"
	JobDeleteDocuments  JobKind = "delete_documents" // those that match a filter
	JobCleanUp          JobKind = "clean_up"         // remove what a failed or canceled ingest left
	JobReconcile        JobKind = "reconcile"        // compare a collection with its index, and repair
	JobRebuild          JobKind = "rebuild"          // make a collection's index anew
	JobCallback         JobKind = "callback"         // tell a client that its batch has ended
)

// JobState is where a job stands.
type JobState string

// The states of a job; the last three are final.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobRetrying  JobState = "retrying" // failed once or more, or waits for a service; will run again at NextRunAt
	JobSucceeded JobState = "succeeded"
	JobFailed    JobState = "failed"
	JobCanceled  JobState = "canceled"
)

// Final reports whether a job in this state will not run again by itself: a failed or canceled one may be retried.
func (s JobState) Final() bool { return s == JobSucceeded || s == JobFailed || s == JobCanceled }

// Stage is what a running ingest job is busy with.
type Stage string

// The stages of an ingest job, in order.
const (
	StageQueued  Stage = "queued"
	StageParse   Stage = "parse"
	StageEmbed   Stage = "embed" // embed and index, batch by batch
	StagePublish Stage = "publish"
	StageDelete  Stage = "delete"

	// StageReconcile is that of the jobs that compare a collection with its index.
	StageReconcile Stage = "reconcile"
	StageDone      Stage = "done"
)

// Job is a durable request to do one thing to one document or collection.
type Job struct {
	ID         JobID
	Kind       JobKind
	Collection CollectionID
	Name       string     // of the collection
	Document   DocumentID // 0 for a job on a collection
	ExternalID string     // the client's id of the document
	Version    int        // the document version an ingest job makes
	State      JobState
	Stage      Stage
	Done       int // chunks done
	Total      int // chunks in all; 0 until the document is chunked
	Reused     int // of Done, chunks whose text was in the version before and kept its vector
	Attempts   int
	Worker     string   // host and process of the last attempt; empty before the first
	Error      *Failure // of the last attempt that failed
	CreatedAt  time.Time
	StartedAt  *time.Time
	FinishedAt *time.Time
	NextRunAt  *time.Time // when a retrying job runs again
	Params     string     // what a job on a collection was asked, as JSON; may be empty
	Result     string     // what it found, as JSON; may be empty
}

// Reconciliation is what comparing a collection with its index found.
type Reconciliation struct {
	Checked  int `json:"checked"`  // chunks that the catalog has
	Missing  int `json:"missing"`  // live, and not in the index
	Stale    int `json:"stale"`    // in the index, as another document's
	Orphaned int `json:"orphaned"` // in the index, and in the catalog not at all or abandoned
	Repaired int `json:"repaired"` // rows written or removed
	// Originals are those, older than a day, that no document needs; only where they were asked for.
	Originals        int  `json:"originals,omitempty"`
	OriginalsRemoved int  `json:"originals_removed,omitempty"`
	DryRun           bool `json:"dry_run,omitempty"`
}

// Deletion is what deleting by a filter has done.
type Deletion struct {
	Matched int  `json:"matched"` // documents
	Deleted int  `json:"deleted"`
	DryRun  bool `json:"dry_run,omitempty"`
}

// Clean reports whether nothing was found that is not repaired.
func (r Reconciliation) Clean() bool {
	return r.Repaired >= r.Missing+r.Stale+r.Orphaned && r.OriginalsRemoved >= r.Originals
}

// Attempt is how an attempt at a job ended, other than well.
type Attempt struct {
	Number    int // from 1; attempts that ended alike in a row share one
	Outcome   AttemptOutcome
	Error     Failure
	Times     int        // how often in a row
	Worker    string     // host and process of the last of them
	StartedAt *time.Time // the first of them; nil where it was made before this was kept
	EndedAt   time.Time  // the last of them
}

// AttemptOutcome says what became of an attempt.
type AttemptOutcome string

// The outcomes of attempts that did not end well.
const (
	AttemptFailed   AttemptOutcome = "failed"
	AttemptWaited   AttemptOutcome = "waited"   // a service was away
	AttemptCrashed  AttemptOutcome = "crashed"  // the worker died, or was cut off
	AttemptCanceled AttemptOutcome = "canceled" // on request, or by a newer upload or a deletion; ended when its handler had stopped
)

// Principal is who makes a request.
type Principal struct {
	Tenant string
	Key    string // the API key's public id; empty for the local operator without a key
	Scope  Scope  // what the key may do; empty for the local operator, who may do everything
}

// Scope says what an API key may do with its tenant's data.
type Scope string

// The scopes. A key made before there were any may write.
const (
	ScopeRead  Scope = "read"  // search, read, list; change nothing
	ScopeWrite Scope = "write" // all that, and change
)

// MayWrite reports whether whoever asks may change data.
func (p Principal) MayWrite() bool { return p.Scope != ScopeRead }

// Passage is text shown to the LLM: one hit, or neighbouring hits of one document joined.
type Passage struct {
	Number     int // its citation number, from 1
	ExternalID string
	Document   DocumentID
	Chunks     []ChunkID
	Title      string
	Filename   string
	Headings   []string
	PageStart  int
	PageEnd    int
	Span       Span
	Header     string // first row of the table that Text goes on with; shown before it, and not in Span
	Text       string
	Truncated  bool // cut to fit the budget; Text then ends in a mark
	Metadata   Metadata
}

// Claim is the right to write for a job. A later claim on the same job carries a higher fence, and every write under
// an older one is refused with ErrStale.
type Claim struct {
	Job   JobID
	Fence int64
}

// LanguageChunks says how many chunks of a collection are in a language.
type LanguageChunks struct {
	Language string // ISO 639
	Chunks   int
}

// TermVector is a sparse vector of terms: what a text says of each, or what a query asks. Its terms are distinct and
// ascend; the inner product of a document's and a query's is their BM25 score.
type TermVector struct {
	Terms   []uint32
	Weights []float32 // one a term, above 0
}
