// Package retrieve turns a query into hits: embed, search, check liveness, rerank inside the time left, blend.
package retrieve

import (
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Query asks one collection for passages.
type Query struct {
	Collection rag.Collection
	Text       string
	Mode       rag.Mode      // which searches find candidates; empty is dense
	Fusion     rag.Fusion    // of the two of a hybrid search
	TopK       int           // hits wanted, at least 1
	Candidates int           // chunks the first stage brings and the cross-encoder reads, at least TopK
	Rerank     bool          // false keeps the first stage's order
	Filter     *rag.Filter   // nil for none
	Deadline   time.Duration // for the whole query; what is not reranked by then keeps the first stage's order
	RerankTime time.Duration // for reranking alone, inside Deadline; 0 leaves it all that is left
	Tolerance  float64       // reranking ends when the rest would take fewer than this many of the first TopK places; 0 reads all
	Sure       int           // candidates read whatever other work waits for the encoder, those after them while none does; 0 reads all
}

// Timings are wall times by stage; a stage that did not run is 0.
type Timings struct {
	Embed, Search, Live, Rerank, Total time.Duration
	Lexical                            time.Duration // terms, their frequencies and the search for them, beside Embed and Search
}

// Result is what a query found, best first.
type Result struct {
	Hits       []rag.Hit
	RankedBy   string   // rag.RankedByBlend where the cross-encoder took part, else what the first stage ranked by
	Candidates int      // live chunks the first stage found
	Reranked   int      // of them, how many the cross-encoder read
	Ended      string   // why reranking ended: EndedAll, EndedEnough, EndedBusy, EndedDeadline; empty where it did not begin or failed
	Degraded   []string // what could not be done, as codes such as "rerank_deadline"
	Timings    Timings
}

// What a Result can say was degraded.
const (
	DegradedRerankDeadline = "rerank_deadline" // time ran out before as many candidates were read as hits were asked for
	DegradedRebuilding     = "rebuilding"      // the collection is being rebuilt: what is not filled yet is missing
	DegradedRerankFailed   = "rerank_failed"   // the cross-encoder failed: the first stage's order stands
)

// Why reranking ended.
const (
	EndedAll      = "all"      // every candidate was read
	EndedEnough   = "enough"   // the candidates left were not expected to change the first TopK
	EndedBusy     = "busy"     // the first Query.Sure candidates were read, and other work waited for the encoder
	EndedDeadline = "deadline" // time ran out
)
