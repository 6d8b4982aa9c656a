// Package retrieve turns a query into hits: embed, search, check liveness, rerank inside the time left, blend.
package retrieve

import (
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Query asks one collection for passages.
type Query struct {
	Collection rag.Collection
	Text       string        // the question; made of Queries or Turns where there are some
	Queries    []string      // several questions that are searched at once, at most MostQueries; the first is the main one
	Turns      []Turn        // a conversation whose last turn, the user's, is the question
	Hypothesis bool          // a passage that would answer, written by an LLM, is searched too (HyDE)
	Variants   int           // of the question, written by an LLM, that are searched too; at most MostVariants
	Mode       rag.Mode      // which searches find candidates; empty is DefaultMode
	Fusion     rag.Fusion    // of the two of a hybrid search
	TopK       int           // hits wanted, at least 1
	Candidates int           // chunks the first stage brings and the cross-encoder reads, at least TopK
	Rerank     bool          // false keeps the first stage's order
	Filter     *rag.Filter   // nil for none
	Deadline   time.Duration // for the whole query; what is not reranked by then keeps the first stage's order
	RerankTime time.Duration // for reranking alone, inside Deadline; 0 leaves it all that is left
	Tolerance  float64       // reranking ends when the rest would take fewer than this many of the first TopK places; 0 reads all
	Blending   Blending      // how the final score is made
	Shape      Shape         // what is made of the ranked candidates
	Cursor     string        // Result.Next of the page before; only TopK and Shape's showing count then
	// Fingerprint is the same for the same search, whatever page of it: a cursor of another is refused.
	Fingerprint string
	Sure        int // candidates read whatever other work waits for the encoder, those after them while none does; 0 reads all

	passage bool // Text is written as a passage, not as a question
}

// Timings are wall times by stage; a stage that did not run is 0.
type Timings struct {
	Rewrite, Embed, Search, Live, Rerank, Shape, Expand, Highlight, Total time.Duration
	Lexical                                                               time.Duration // terms, their frequencies and the search for them, beside Embed and Search
}

// Result is what a query found, best first.
type Result struct {
	Hits       []rag.Hit
	RankedBy   string        // rag.RankedByBlend where the cross-encoder took part, else what the first stage ranked by
	Candidates int           // live chunks the first stage found
	Reranked   int           // of them, how many the cross-encoder read
	Ended      string        // why reranking ended: EndedAll, EndedEnough, EndedBusy, EndedDeadline; empty where it did not begin or failed
	Calibrated bool          // relevance is a calibrated probability, not a plain logistic
	QueryUsed  string        // what a conversation was searched for; empty without one
	Queries    []string      // further texts that were searched
	Highlights [][]Highlight // by hit; nil where none were asked for
	Verdicts   []Verdict     // of all candidates, in ranked order, where they were asked for
	Next       string        // cursor of the next page; empty where there is none or none was asked for
	Degraded   []string      // what could not be done, as codes such as "rerank_deadline"
	Timings    Timings
}

// What a Result can say was degraded.
const (
	DegradedRerankDeadline = "rerank_deadline"   // time ran out before as many candidates were read as hits were asked for
	DegradedRebuilding     = "rebuilding"        // the collection is being rebuilt: what is not filled yet is missing
	DegradedClipped        = "query_clipped"     // the bi-encoder has not read the query to its end
	DegradedQueryFailed    = "query_failed"      // of several queries, some could not be searched
	DegradedMinRelevance   = "min_relevance"     // nothing was dropped by it: the cross-encoder has read no candidate
	DegradedDiversity      = "mmr_failed"        // the embeddings could not be read: the order stands
	DegradedExpand         = "expand_failed"     // what lies around the hits could not be read
	DegradedHighlight      = "highlight_partial" // not every sentence was scored
	DegradedRewrite        = "rewrite_failed"    // the LLM failed: the query is searched without what it would have written
	DegradedRerankFailed   = "rerank_failed"     // the cross-encoder failed: the first stage's order stands
)

// Why reranking ended.
const (
	EndedAll      = "all"      // every candidate was read
	EndedEnough   = "enough"   // the candidates left were not expected to change the first TopK
	EndedBusy     = "busy"     // the first Query.Sure candidates were read, and other work waited for the encoder
	EndedDeadline = "deadline" // time ran out
)
