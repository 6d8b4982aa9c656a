package rag

// Mode says which searches find a query's candidates.
type Mode string

// The modes.
const (
	ModeDense   Mode = "dense"   // the bi-encoder's vectors
	ModeLexical Mode = "lexical" // BM25 over terms
	ModeHybrid  Mode = "hybrid"  // both, fused
)

// FusionMethod says how the two orders of a hybrid search become one.
type FusionMethod string

// The methods of fusion.
const (
	FusionRRF   FusionMethod = "rrf"   // reciprocal rank fusion
	FusionScore FusionMethod = "score" // the sum of scores that are laid from 0 to 1
)

// Fusion is a method with the weight of each side.
type Fusion struct {
	Method  FusionMethod
	Dense   float64
	Lexical float64
}
