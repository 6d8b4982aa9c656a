// Package api holds the request and response bodies of redkite's native HTTP API, as JSON. The server generates its
// OpenAPI document from these types and the Go client speaks them, so the two can't drift apart.
package api

import (
	"encoding/json"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// NewCollection asks for a collection.
type NewCollection struct {
	Name      string        `json:"name" doc:"Name, unique within the tenant: letters, digits, '_', '-' and '.'." minLength:"1" maxLength:"100" pattern:"^[A-Za-z0-9][A-Za-z0-9_.-]*$" example:"handbook"`
	Fields    []rag.Field   `json:"fields,omitempty" doc:"Metadata keys to filter by; they become typed, indexed columns. Other keys can be filtered by too, more slowly." maxItems:"32"`
	Chunking  *NewChunking  `json:"chunking,omitempty" doc:"How documents are cut."`
	Retrieval *NewRetrieval `json:"retrieval,omitempty" doc:"How searches rank and what they leave out, where a request says nothing else."`
	Mode      rag.Mode      `json:"mode,omitempty" enum:"dense,lexical,hybrid" doc:"Which searches find candidates where a request does not say. Defaults to none: hybrid."`
	Model     string        `json:"model,omitempty" doc:"Bi-encoder, by its name in the model manifest. Defaults to the server's." example:"bge-small-en-v1.5"`
}

// NewChunking says how documents are cut. What is left out takes its default for a new collection, and is the
// collection's otherwise.
type NewChunking struct {
	Strategy     *rag.Strategy `json:"strategy,omitempty" enum:"structure,tokens,sentences,page,row,parent-child" doc:"What documents are cut along. Defaults to structure."`
	MaxTokens    *int          `json:"max_tokens,omitempty" doc:"Most tokens in a chunk. Defaults to 256 (parent-child: 128); at most what the bi-encoder reads less 32." minimum:"16" maximum:"8192"`
	Overlap      *int          `json:"overlap,omitempty" doc:"Tokens repeated from the chunk before, inside a section. Defaults to 32, at most half of max_tokens." minimum:"0" maximum:"4096"`
	MinTokens    *int          `json:"min_tokens,omitempty" doc:"A section with fewer tokens is merged with its neighbour where both fit into a chunk; for structure, row and parent-child. Defaults to 32; 0 merges nothing." minimum:"0" maximum:"4096"`
	ParentTokens *int          `json:"parent_tokens,omitempty" doc:"Most tokens in a parent; for parent-child. Defaults to 1024." minimum:"16" maximum:"32768"`
}

// CollectionPatch changes a collection.
type CollectionPatch struct {
	Mode      *rag.Mode     `json:"mode,omitempty" enum:"dense,lexical,hybrid" doc:"Which searches find candidates where a request does not say."`
	Chunking  *NewChunking  `json:"chunking,omitempty" doc:"How documents are cut that are uploaded from now on. Those that are there stay as they are until they are uploaded again."`
	Retrieval *NewRetrieval `json:"retrieval,omitempty" doc:"How searches rank from now on, where a request says nothing else."`
}

// Collection describes a collection.
type Collection struct {
	Name       string         `json:"name" doc:"Name, unique within the tenant."`
	Model      string         `json:"model" doc:"Bi-encoder that embeds its chunks."`
	Dimension  int            `json:"dimension" doc:"Dimension of the embeddings."`
	Fields     []rag.Field    `json:"fields" doc:"Declared metadata keys."`
	Chunking   rag.Chunking   `json:"chunking" doc:"How documents are cut."`
	Retrieval  rag.Retrieval  `json:"retrieval" doc:"How searches rank and what they leave out, where a request says nothing else."`
	Mode       rag.Mode       `json:"mode" doc:"Which searches find candidates where a request does not say: dense, lexical or hybrid."`
	Documents  DocumentCounts `json:"documents" doc:"How many documents there are."`
	Chunks     int            `json:"chunks" doc:"Chunks that search may return."`
	Lexical    rag.Lexical    `json:"lexical,omitempty" enum:"ready,needs_rebuild,unsupported" doc:"Whether its words can be searched (mode lexical or hybrid): ready; needs_rebuild, since it was made in Milvus without them; or unsupported by the version of Milvus. Left out in lists, and where Milvus does not answer."`
	Rebuilding bool           `json:"rebuilding,omitempty" doc:"It is being made anew in Milvus: search misses what is not filled yet."`
	CreatedAt  time.Time      `json:"created_at"`
}

// DocumentCounts counts a collection's documents by the state of their newest version.
type DocumentCounts struct {
	Total    int `json:"total"`
	Ready    int `json:"ready"`
	Pending  int `json:"pending" doc:"Waiting or being worked on."`
	Failed   int `json:"failed"`
	Canceled int `json:"canceled"`
}

// Collections lists collections.
type Collections struct {
	Collections []Collection `json:"collections"`
}

// NewDocuments uploads documents as JSON: all of them are taken, or none.
type NewDocuments struct {
	Documents   []NewDocument `json:"documents" doc:"The documents." minItems:"1" maxItems:"1000"`
	OnDuplicate string        `json:"on_duplicate,omitempty" enum:"replace,skip,error" doc:"What to do with a document that exists. Defaults to replace; without an id and without duplicate_by only the same upload again counts, and is unchanged."`
	Chunking    *NewChunking  `json:"chunking,omitempty" doc:"How these documents are cut, where not as the collection says."`
	DuplicateBy string        `json:"duplicate_by,omitempty" enum:"id,content" doc:"What makes a document one that exists: its id, or its bytes. Defaults to the id where there is one, else the bytes."`
}

// NewDocument is one document as JSON: either text or chunks is given.
type NewDocument struct {
	ID        string         `json:"id,omitempty" doc:"Your own id; an existing one is replaced. Left out, one is given." maxLength:"512"`
	Title     string         `json:"title,omitempty" doc:"Title; it is embedded with each chunk." maxLength:"1024"`
	Text      string         `json:"text,omitempty" doc:"The text."`
	MediaType string         `json:"media_type,omitempty" enum:"text/plain,text/markdown,text/html" doc:"What the text is. Defaults to text/plain."`
	Chunks    []NewChunk     `json:"chunks,omitempty" doc:"Chunks of your own, in place of text." maxItems:"10000"`
	Chunking  *NewChunking   `json:"chunking,omitempty" doc:"How this document is cut, where not as the others of the request."`
	Metadata  map[string]any `json:"metadata,omitempty" doc:"Keys to filter by: strings, numbers, booleans, lists of strings."`
}

// NewChunk is a chunk that the client cut.
type NewChunk struct {
	Text     string   `json:"text" doc:"The text; at most what the bi-encoder reads." minLength:"1"`
	Headings []string `json:"headings,omitempty" doc:"Titles of the sections around it, outermost first."`
	Page     int      `json:"page,omitempty" doc:"Page, from 1." minimum:"0"`
}

// Uploaded answers an upload.
type Uploaded struct {
	Documents []UploadedDocument `json:"documents" doc:"The documents taken; they will not be lost."`
	Errors    []RefusedFile      `json:"errors" doc:"Files refused, each with its reason."`
}

// UploadedDocument is one document taken.
type UploadedDocument struct {
	DocumentID string        `json:"document_id"`
	Filename   string        `json:"filename,omitempty"`
	JobID      rag.JobID     `json:"job_id,omitempty" doc:"The job that makes it searchable; left out where nothing is to be done."`
	Status     rag.Status    `json:"status"`
	Unchanged  bool          `json:"unchanged" doc:"Nothing is to be done: the same bytes, title and metadata are there already, or the upload was skipped as a duplicate of this document."`
	Error      *rag.Failure  `json:"error,omitempty"`
	Warnings   []rag.Warning `json:"warnings,omitempty" doc:"What is amiss in it, where the job is over."`
}

// RefusedFile is one file of an upload that was not taken.
type RefusedFile struct {
	File   string `json:"file"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Document describes a document.
type Document struct {
	DocumentID  string         `json:"document_id"`
	Title       string         `json:"title"`
	Filename    string         `json:"filename"`
	MediaType   string         `json:"media_type"`
	Size        int64          `json:"size" doc:"Bytes of the original."`
	SHA256      string         `json:"sha256"`
	Metadata    map[string]any `json:"metadata"`
	Version     int            `json:"version" doc:"Newest version, from 1."`
	LiveVersion int            `json:"live_version" doc:"Version that search returns; 0 while there is none."`
	Status      rag.Status     `json:"status" doc:"State of the newest version."`
	Error       *rag.Failure   `json:"error,omitempty"`
	Chunking    *rag.Chunking  `json:"chunking,omitempty" doc:"That the newest version is cut by; left out where you cut it."`
	Warnings    []rag.Warning  `json:"warnings" doc:"What is amiss in the newest version, that can be searched all the same: partial_text, ocr_used, truncated, encoding_guessed, hidden_text, read_as_plain_text."`
	Language    string         `json:"language,omitempty" doc:"Of the newest version's text, which its words are found by: a code of ISO 639, as in BCP 47; und where it can't be told. Left out until its chunks are embedded." example:"en"`
	Chunks      int            `json:"chunks" doc:"Chunks of the live version."`
	CreatedAt   time.Time      `json:"created_at"`
	UpdatedAt   time.Time      `json:"updated_at"`
}

// Documents is a page of documents.
type Documents struct {
	Documents []Document `json:"documents"`
	Next      string     `json:"next,omitempty" doc:"Give it as 'after' for the next page; left out on the last."`
}

// Job describes a job.
type Job struct {
	ID          rag.JobID                  `json:"id"`
	Kind        rag.JobKind                `json:"kind"`
	Collection  string                     `json:"collection"`
	DocumentID  string                     `json:"document_id,omitempty" doc:"Your id of the document, also when that is deleted; left out for a job on a collection."`
	Version     int                        `json:"version,omitempty" doc:"The document's version that an ingest job makes."`
	State       rag.JobState               `json:"state"`
	Stage       rag.Stage                  `json:"stage"`
	Done        int                        `json:"done" doc:"Chunks done; in stage parse, pages of the document, or bytes of a format without pages."`
	Total       int                        `json:"total" doc:"Of how many; 0 where that is not known."`
	Reused      int                        `json:"reused,omitempty" doc:"Of done, chunks whose text was in the version before: their vectors were kept, not made anew."`
	Attempts    int                        `json:"attempts"`
	Worker      string                     `json:"worker,omitempty" doc:"Host and process that work on it, or did last."`
	Error       *rag.Failure               `json:"error,omitempty" doc:"Why the last attempt failed."`
	BadAttempts []Attempt                  `json:"bad_attempts,omitempty" doc:"How attempts ended that did not end well, oldest first, the newest twenty. Only where one job is asked for."`
	BadOutcomes map[rag.AttemptOutcome]int `json:"bad_outcomes,omitempty" doc:"How often each outcome was, of all attempts that did not end well. Only where one job is asked for."`
	Found       *rag.Reconciliation        `json:"found,omitempty" doc:"What a reconciliation or rebuild found so far."`
	Deletion    *rag.Deletion              `json:"deletion,omitempty" doc:"What deleting by a filter has done so far."`
	CreatedAt   time.Time                  `json:"created_at"`
	StartedAt   *time.Time                 `json:"started_at,omitempty"`
	FinishedAt  *time.Time                 `json:"finished_at,omitempty"`
	NextRunAt   *time.Time                 `json:"next_run_at,omitempty" doc:"When a job that waits runs again."`
}

// Attempt is how an attempt at a job ended, other than well.
type Attempt struct {
	Number    int                `json:"number" doc:"From 1; attempts that ended alike in a row share one."`
	Outcome   rag.AttemptOutcome `json:"outcome" enum:"failed,waited,crashed,canceled" doc:"waited: a service was away; crashed: the worker died."`
	Error     rag.Failure        `json:"error"`
	Times     int                `json:"times" doc:"How often in a row."`
	Worker    string             `json:"worker,omitempty" doc:"Host and process of the last of them."`
	StartedAt *time.Time         `json:"started_at,omitempty" doc:"Of the first of them."`
	EndedAt   time.Time          `json:"ended_at" doc:"Of the last of them; for a canceled one, when its work had stopped."`
}

// JobProgress is a job with how fast it goes.
type JobProgress struct {
	Job
	ChunksASecond float64 `json:"chunks_a_second,omitempty" doc:"Since the job's stage began, as far as the stream saw it."`
	SecondsLeft   float64 `json:"seconds_left,omitempty" doc:"An estimate for the stage."`
}

// DocumentsDeletion says which documents to delete.
type DocumentsDeletion struct {
	Filter json.RawMessage `json:"filter" doc:"Condition on metadata, as in a search. It must be there: to delete all, delete the collection."`
	DryRun bool            `json:"dry_run,omitempty" doc:"Count only."`
}

// DocumentPatch changes a document.
type DocumentPatch struct {
	Metadata map[string]any `json:"metadata" doc:"JSON merge patch (RFC 7396): members given are set, those that are null removed, others kept."`
}

// Patched says what became of a patch.
type Patched struct {
	Document  Document  `json:"document"`
	JobID     rag.JobID `json:"job_id,omitempty" doc:"The job that makes the patched version searchable; left out where nothing is to be done."`
	Unchanged bool      `json:"unchanged,omitempty" doc:"The metadata is so already."`
}

// Jobs is a page of jobs, newest first.
type Jobs struct {
	Jobs []Job     `json:"jobs"`
	Next rag.JobID `json:"next,omitempty" doc:"Give it as 'before' for the next page; left out on the last."`
}

// Search asks a collection for passages.
type Search struct {
	Query      string          `json:"query,omitempty" doc:"The question. What is longer than the encoders read is cut off, and degraded says query_clipped." maxLength:"200000" example:"How do I rotate an API key?"`
	TopK       int             `json:"top_k,omitempty" doc:"Hits wanted." default:"10" minimum:"1" maximum:"100"`
	Candidates int             `json:"candidates,omitempty" doc:"Chunks that the first stage brings and the cross-encoder reads. Defaults to the collection's." minimum:"1" maximum:"200"`
	Mode       rag.Mode        `json:"mode,omitempty" enum:"dense,lexical,hybrid" doc:"Which searches find candidates: the bi-encoder's, BM25 over terms, or both, fused. Defaults to the collection's, or hybrid."`
	Fusion     *Fusion         `json:"fusion,omitempty" doc:"How the two searches of mode hybrid become one order."`
	Rerank     *bool           `json:"rerank,omitempty" doc:"false keeps the first stage's order, which is quicker. Defaults to true."`
	Exhaustive bool            `json:"exhaustive,omitempty" doc:"true has the cross-encoder read every candidate that the deadline leaves time for, also those that are not expected to change the hits."`
	Filter     json.RawMessage `json:"filter,omitempty" doc:"Condition on metadata, such as {\"type\":\"eq\",\"key\":\"lang\",\"value\":\"en\"}."`
	DeadlineMS int             `json:"deadline_ms,omitempty" doc:"Time for the whole search; what is not reranked by then keeps the first stage's order. Defaults to the server's search_deadline and, for reranking alone, rerank_time." minimum:"1" maximum:"60000"`
	Shaping
}

// Fusion says how two orders of candidates become one. What is left out takes its default.
type Fusion struct {
	Method  rag.FusionMethod `json:"method,omitempty" enum:"rrf,score" doc:"rrf adds reciprocals of ranks, score adds scores laid from 0 to 1. Defaults to score."`
	Dense   *float64         `json:"dense,omitempty" doc:"Weight of the bi-encoder's search. Defaults to 0.7." minimum:"0" maximum:"1000"`
	Lexical *float64         `json:"lexical,omitempty" doc:"Weight of the search for terms. Defaults to 0.3." minimum:"0" maximum:"1000"`
}

// Timings are wall times by stage, in milliseconds; a stage that did not run is 0.
type Timings struct {
	Rewrite   float64 `json:"rewrite,omitempty" doc:"LLM, where one writes queries."`
	Embed     float64 `json:"embed" doc:"Query to embedding."`
	Search    float64 `json:"search" doc:"Milvus, for the bi-encoder's vectors."`
	Lexical   float64 `json:"lexical" doc:"Terms of the query, their frequencies, and Milvus for them; at the same time as embed and search."`
	Live      float64 `json:"live" doc:"Liveness check and text, in the catalog."`
	Rerank    float64 `json:"rerank" doc:"Cross-encoder."`
	Shape     float64 `json:"shape" doc:"Leaving out, reordering."`
	Expand    float64 `json:"expand,omitempty" doc:"What lies around hits."`
	Highlight float64 `json:"highlight,omitempty" doc:"Best sentences."`
	Total     float64 `json:"total"`
}

// SearchResult answers a Search, best hit first.
type SearchResult struct {
	Hits       []Hit    `json:"hits"`
	RankedBy   string   `json:"ranked_by" enum:"blend,dense,lexical,fused" doc:"What ordered the hits."`
	Candidates int      `json:"candidates" doc:"Live chunks that the first stage found."`
	Reranked   int      `json:"reranked" doc:"Of them, how many the cross-encoder read."`
	Ended      string   `json:"rerank_ended,omitempty" enum:"all,enough,busy,deadline" doc:"Why reranking ended: all candidates read; the rest not expected to change the hits; other work waited for the encoder; time ran out."`
	Degraded   []string `json:"degraded" doc:"What could not be done: rerank_deadline (fewer candidates read than hits asked for), rerank_failed, dense_failed or lexical_failed, dense_deadline or lexical_deadline (one of two searches is missing), lexical_unsupported (Milvus can't hold term vectors), lexical_needs_rebuild (the collection was made without them), rebuilding (the collection is being rebuilt: what is not filled yet is missing), query_clipped (longer than the bi-encoder reads), query_failed (of several queries, some could not be searched), min_relevance (nothing reranked, so nothing dropped), mmr_failed, expand_failed, highlight_partial, rewrite_failed."`
	TimingsMS  Timings  `json:"timings_ms"`
	Shaped
}

// Hit is one chunk found.
type Hit struct {
	DocumentID  string         `json:"document_id"`
	ChunkID     rag.ChunkID    `json:"chunk_id"`
	Title       string         `json:"title"`
	Filename    string         `json:"filename"`
	Language    string         `json:"language,omitempty" doc:"Of the document's text: a code of ISO 639, as in BCP 47; und where it can't be told."`
	Header      string         `json:"header,omitempty" doc:"First row of the table that text goes on with; not in span."`
	Text        string         `json:"text"`
	Parent      *Parent        `json:"parent,omitempty" doc:"What is around it: the section, where the document is cut as parent-child and the section has more than this chunk, or what neighbours or expand asked for."`
	Headings    []string       `json:"headings" doc:"Titles of the sections around it, outermost first."`
	PageStart   int            `json:"page_start,omitempty" doc:"First page, from 1; left out where the format has no pages."`
	PageEnd     int            `json:"page_end,omitempty" doc:"Last page."`
	Span        rag.Span       `json:"span" doc:"Place in the document's normalised text, in Unicode code points, the end exclusive."`
	Metadata    map[string]any `json:"metadata"`
	Scores      rag.Scores     `json:"scores"`
	DenseRank   int            `json:"dense_rank" doc:"Place in the bi-encoder's order, from 1; 0 where its search did not find it."`
	LexicalRank int            `json:"lexical_rank" doc:"Place in the order of the search for terms, from 1; 0 where that did not find it."`
	RankedBy    string         `json:"ranked_by" enum:"blend,dense,lexical,fused"`
	Highlights  []Highlight    `json:"highlights,omitempty" doc:"Best sentences of text, in its order, where highlight asked for them."`
}

// Parent is the stretch of a document that a chunk stands in.
type Parent struct {
	Span      rag.Span      `json:"span" doc:"Place in the document's normalised text."`
	Header    string        `json:"header,omitempty" doc:"First row of the table that text goes on with; not in span."`
	Text      string        `json:"text"`
	PageStart int           `json:"page_start,omitempty" doc:"First page, where it is not the chunk's own."`
	PageEnd   int           `json:"page_end,omitempty" doc:"Last page, where it is not the chunk's own."`
	ChunkIDs  []rag.ChunkID `json:"chunk_ids,omitempty" doc:"The chunks that neighbours or expand put together; left out for a section kept by parent-child chunking."`
}

// ContextRequest asks a collection for text that is ready for a prompt.
type ContextRequest struct {
	Search
	Packing
	Format    string `json:"format,omitempty" enum:"text,openai,anthropic,cohere" default:"text" doc:"What comes back: text; messages of OpenAI's chat completions, with passages fenced as data; Anthropic's search_result blocks; Cohere's documents."`
	MaxTokens int    `json:"max_tokens,omitempty" doc:"Most tokens of passages, counted by tokenizer." default:"2000" minimum:"16" maximum:"200000"`
}

// Context is what is ready for a prompt, and the sources that its numbers point to.
type Context struct {
	Text          string              `json:"text" doc:"The passages, each under its number. With format text alone."`
	Messages      []Message           `json:"messages,omitempty" doc:"With format openai."`
	SearchResults []SearchResultBlock `json:"search_results,omitempty" doc:"With format anthropic."`
	Documents     []CohereDocument    `json:"documents,omitempty" doc:"With format cohere."`
	Sources       []Source            `json:"sources"`
	Tokens        int                 `json:"tokens" doc:"Of the passages."`
	CountedBy     string              `json:"counted_by" doc:"The tokenizer that counted them, and by what its count is raised."`
	Truncated     bool                `json:"truncated" doc:"Hits were left out or cut to stay inside max_tokens."`
	Degraded      []string            `json:"degraded"`
	TimingsMS     Timings             `json:"timings_ms"`
}

// Source is what a number in a Context points to.
type Source struct {
	Number     int            `json:"number"`
	DocumentID string         `json:"document_id"`
	ChunkIDs   []rag.ChunkID  `json:"chunk_ids"`
	Title      string         `json:"title"`
	Filename   string         `json:"filename"`
	Headings   []string       `json:"headings"`
	PageStart  int            `json:"page_start,omitempty"`
	PageEnd    int            `json:"page_end,omitempty"`
	Span       rag.Span       `json:"span"`
	Header     string         `json:"header,omitempty" doc:"First row of the table that text goes on with; not in span."`
	Text       string         `json:"text"`
	Truncated  bool           `json:"truncated"`
	Metadata   map[string]any `json:"metadata"`
}

// Model describes a model of the server.
type Model struct {
	Name      string `json:"name"`
	Kind      string `json:"kind" enum:"bi-encoder,cross-encoder"`
	Dimension int    `json:"dimension,omitempty"`
	MaxTokens int    `json:"max_tokens"`
	Licence   string `json:"licence"`
	SHA256    string `json:"sha256" doc:"Over the SHA-256 of the graph, its weights and the tokenizer: the same for the same model."`
	Default   bool   `json:"default" doc:"Used where a request names none."`
}

// Models lists the server's models.
type Models struct {
	Models []Model `json:"models"`
}

// Version says what serves.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Type        string          `json:"type" example:"about:blank"`
	Title       string          `json:"title"`
	Status      int             `json:"status"`
	Detail      string          `json:"detail" doc:"What happened, to what, and what to do."`
	Instance    string          `json:"instance,omitempty" doc:"Path of the request."`
	Code        string          `json:"code" doc:"For programs to switch on."`
	RequestID   string          `json:"request_id"`
	Errors      []ProblemDetail `json:"errors,omitempty"`
	DocumentID  string          `json:"document_id,omitempty" doc:"Your id of the document that stands in the way."`
	DocumentURL string          `json:"document_url,omitempty" doc:"Path of that document."`
	RetryAfter  int             `json:"retry_after,omitempty" doc:"Seconds."`
}

// ProblemDetail points at one part of a request.
type ProblemDetail struct {
	Pointer string `json:"pointer" doc:"JSON pointer into the request's body."`
	Detail  string `json:"detail"`
}
