package api

import "github.com/redkite/redkite/internal/rag"

// NewRetrieval says how a collection's searches rank and what they leave out. What is left out has its default in a new
// collection, and stays as it is otherwise.
type NewRetrieval struct {
	Candidates     *int               `json:"candidates,omitempty" doc:"Chunks that the first stage brings and the cross-encoder reads. Defaults to 50." minimum:"1" maximum:"200"`
	RerankMS       *int               `json:"rerank_ms,omitempty" doc:"Time for reranking alone, in milliseconds. Defaults to 0: the server's rerank-time." minimum:"0" maximum:"60000"`
	CrossWeight    *float64           `json:"cross_weight,omitempty" doc:"The cross-encoder's share of the blend. Defaults to 0.5." minimum:"0" maximum:"1"`
	Normalisation  *rag.Normalisation `json:"normalisation,omitempty" enum:"zscore,minmax" doc:"How logits and first-stage scores are made comparable for the blend. Defaults to zscore."`
	MinRelevance   *float64           `json:"min_relevance,omitempty" doc:"Hits with less relevance are left out. Defaults to 0: none." minimum:"0" maximum:"1"`
	Duplicates     *rag.Duplicates    `json:"duplicates,omitempty" enum:"keep,exact,near" doc:"Which repetitions of a better hit are left out: none, those with the same words, those with nearly the same words too. Defaults to keep."`
	MaxPerDocument *int               `json:"max_per_document,omitempty" doc:"Most hits of one document. Defaults to 0: no limit." minimum:"0" maximum:"100"`
}

// Shaping says what a search looks for beside one query, and what is made of what it finds.
type Shaping struct {
	Queries    []string  `json:"queries,omitempty" doc:"Several questions in place of query, searched at once and fused; the first is the main one." maxItems:"8"`
	Messages   []Message `json:"messages,omitempty" doc:"A conversation in place of query, oldest message first, the last one the user's. query_used tells what was searched." maxItems:"100"`
	HyDE       bool      `json:"hyde,omitempty" doc:"A passage that would answer, written by the LLM, is searched too. Needs an LLM."`
	MultiQuery int       `json:"multi_query,omitempty" doc:"So many other wordings of the question, written by the LLM, are searched too. Needs an LLM." minimum:"0" maximum:"4"`

	RerankMS       *int               `json:"rerank_ms,omitempty" doc:"Time for reranking alone, in milliseconds. Defaults to the collection's." minimum:"0" maximum:"60000"`
	CrossWeight    *float64           `json:"cross_weight,omitempty" doc:"The cross-encoder's share of the blend. Defaults to the collection's." minimum:"0" maximum:"1"`
	Normalisation  *rag.Normalisation `json:"normalisation,omitempty" enum:"zscore,minmax" doc:"Of the blend. Defaults to the collection's."`
	MinRelevance   *float64           `json:"min_relevance,omitempty" doc:"Hits with less relevance are left out. Defaults to the collection's." minimum:"0" maximum:"1"`
	Duplicates     *rag.Duplicates    `json:"duplicates,omitempty" enum:"keep,exact,near" doc:"Which repetitions of a better hit are left out. Defaults to the collection's."`
	MaxPerDocument *int               `json:"max_per_document,omitempty" doc:"Most hits of one document; 0 for no limit. Defaults to the collection's." minimum:"0" maximum:"100"`

	MMR        *float64 `json:"mmr,omitempty" doc:"Lambda of maximal marginal relevance: 1 keeps the order, less prefers hits unlike those before them." minimum:"0" maximum:"1"`
	Neighbours int      `json:"neighbours,omitempty" doc:"So many chunks before and after a hit are shown with it, as its parent." minimum:"0" maximum:"10"`
	Expand     string   `json:"expand,omitempty" enum:"section" doc:"section: the rest of a hit's section is shown with it, as its parent."`
	GroupBy    string   `json:"group_by,omitempty" enum:"document" doc:"document: top_k counts documents, and groups has the hits of each."`
	Highlight  int      `json:"highlight,omitempty" doc:"So many best sentences of each hit are told, scored by the bi-encoder." minimum:"0" maximum:"5"`
	Explain    bool     `json:"explain,omitempty" doc:"Tells for every candidate its scores, its rank and what became of it."`
	Paginate   bool     `json:"paginate,omitempty" doc:"next_cursor goes on after these hits."`
	Cursor     string   `json:"cursor,omitempty" doc:"next_cursor of the page before; the rest of the request must be the same, but for top_k." maxLength:"100000"`
}

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role" enum:"user,assistant,system"`
	Content string `json:"content" maxLength:"200000"`
}

// Shaped is what a search tells beside its hits.
type Shaped struct {
	RelevanceCalibrated bool        `json:"relevance_calibrated" doc:"relevance is a probability that was fitted to judged searches; false where the cross-encoder has no calibration: then it is a plain logistic."`
	Groups              []Group     `json:"groups,omitempty" doc:"The hits by document, where group_by asked for it; hits is empty then."`
	QueryUsed           string      `json:"query_used,omitempty" doc:"What was searched for, where the request has messages."`
	FurtherQueries      []string    `json:"further_queries,omitempty" doc:"What was searched for beside the main query."`
	NextCursor          string      `json:"next_cursor,omitempty" doc:"Give it as cursor for the next page; left out on the last."`
	Explain             []Candidate `json:"explain,omitempty" doc:"Every candidate, best first, where explain asked for it."`
}

// Group is a document and its hits.
type Group struct {
	DocumentID string         `json:"document_id"`
	Title      string         `json:"title"`
	Filename   string         `json:"filename"`
	Metadata   map[string]any `json:"metadata"`
	Hits       []Hit          `json:"hits" doc:"Best first."`
}

// Highlight is a sentence of a hit.
type Highlight struct {
	Span  rag.Span `json:"span" doc:"Place in the document's normalised text."`
	Text  string   `json:"text"`
	Score float64  `json:"score" doc:"Cosine similarity of query and sentence."`
}

// Candidate tells what became of a chunk that the first stage found.
type Candidate struct {
	ChunkID    rag.ChunkID `json:"chunk_id"`
	DocumentID string      `json:"document_id"`
	Rank       int         `json:"rank" doc:"Place in the ranked list, before anything was left out, from 1."`
	DenseRank  int         `json:"dense_rank,omitempty"`
	// LexicalRank is 0 where that search did not find it, as DenseRank is.
	LexicalRank int         `json:"lexical_rank,omitempty"`
	RankedBy    string      `json:"ranked_by"`
	Scores      rag.Scores  `json:"scores"`
	Unread      string      `json:"unread,omitempty" doc:"Why the cross-encoder has not read it: off, failed, enough, busy, deadline."`
	ReadWith    string      `json:"read_with,omitempty" doc:"Of several queries, the one that the cross-encoder has read it with."`
	Outcome     string      `json:"outcome" enum:"returned,below_min_relevance,duplicate,capped,merged,beyond_top_k"`
	Of          rag.ChunkID `json:"of,omitempty" doc:"The hit that it repeats, or is shown with."`
	Detail      string      `json:"detail,omitempty" doc:"What decided."`
}
