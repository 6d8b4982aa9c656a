package rag

import "time"

// Scores explain a hit's place. A score that was not computed is nil.
type Scores struct {
	Dense       *float64 `json:"dense"`        // cosine similarity of query and chunk, -1 to 1
	Lexical     *float64 `json:"lexical"`      // BM25, above 0; comparable within one collection and query
	Fused       *float64 `json:"fused"`        // of both by the fusion that was asked for; orders one result only
	RerankLogit *float64 `json:"rerank_logit"` // the cross-encoder's raw output; no fixed range
	Blend       *float64 `json:"blend"`        // weighted mean of the normalised first-stage score and logit; orders one result only
	Relevance   *float64 `json:"relevance"`    // of the blend, 0 to 1; a probability where the cross-encoder is calibrated
}

// Hit is a candidate after reranking and the liveness check.
type Hit struct {
	Document   DocumentID
	ExternalID string // the client's id of the document
	Chunk      Chunk
	Title      string
	Filename   string
	Metadata   Metadata
	Changed    time.Time // when the document changed last: a version was uploaded or published
	Language   string    // of the document's text (ISO 639); empty until its terms are counted
	Scores     Scores
	// DenseRank and LexicalRank are the places in the two first-stage orders, from 1; 0 where that search did not find it.
	DenseRank   int
	LexicalRank int
	RankedBy    string // what gave this hit its place, such as RankedByBlend
}

// What can give a hit its place.
const (
	RankedByBlend   = "blend"   // cross-encoder and first stage together
	RankedByDense   = "dense"   // bi-encoder alone
	RankedByLexical = "lexical" // BM25 alone
	RankedByFused   = "fused"   // bi-encoder and BM25 together
)
