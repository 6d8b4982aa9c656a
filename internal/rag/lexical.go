package rag

// Lexical says whether a collection can be searched by its words.
type Lexical string

// The states of a collection's lexical search.
const (
	LexicalReady        Lexical = "ready"
	LexicalNeedsRebuild Lexical = "needs_rebuild" // it was made in Milvus without term vectors
	LexicalUnsupported  Lexical = "unsupported"   // Milvus can't hold term vectors
)
