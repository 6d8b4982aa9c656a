package api

import "github.com/redkite/redkite/internal/rag"

// Access says who asks, and what they may do.
type Access struct {
	Tenant string    `json:"tenant" doc:"Whose collections are seen."`
	KeyID  string    `json:"key_id,omitempty" doc:"Id of the API key; left out where none is needed on the server's own machine."`
	Scope  rag.Scope `json:"scope" enum:"read,write" doc:"read: nothing can be changed."`
}

// Chunks is a page of the chunks of a document's live version, in order.
type Chunks struct {
	DocumentID string  `json:"document_id"`
	Version    int     `json:"version" doc:"The live version, that they are of."`
	Total      int     `json:"total" doc:"Chunks of the version."`
	Chunks     []Chunk `json:"chunks"`
	Next       int     `json:"next,omitempty" doc:"Give it as 'from' for the next page; left out on the last."`
}

// Chunk is one chunk of a document.
type Chunk struct {
	ChunkID   rag.ChunkID `json:"chunk_id"`
	Ordinal   int         `json:"ordinal" doc:"Place in the document, from 0."`
	Header    string      `json:"header,omitempty" doc:"First row of the table that text goes on with; not in span."`
	Text      string      `json:"text"`
	Headings  []string    `json:"headings" doc:"Titles of the sections around it, outermost first."`
	PageStart int         `json:"page_start,omitempty" doc:"First page, from 1; left out where the format has no pages."`
	PageEnd   int         `json:"page_end,omitempty" doc:"Last page."`
	Span      rag.Span    `json:"span" doc:"Place in the document's normalised text."`
	Tokens    int         `json:"tokens" doc:"Of text, counted by the collection's bi-encoder's tokenizer."`
}
