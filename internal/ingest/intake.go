// Package ingest brings documents in. Intake makes an upload durable and queues it; Worker parses, chunks, embeds,
// indexes and publishes what was queued.
package ingest

import (
	"io"

	"github.com/redkite/redkite/internal/rag"
)

// Upload is one document as a client hands it over: exactly one of Body, Text and Chunks is given.
type Upload struct {
	ExternalID  string // the client's id; empty lets the catalog give one
	Title       string
	Filename    string
	MediaType   string // what the client claims; the bytes decide
	Metadata    rag.Metadata
	OnDuplicate string // DuplicateReplace, DuplicateSkip or DuplicateError: what to do when the id exists
	Body        io.Reader
	Text        string
	Chunks      []GivenChunk
}

// GivenChunk is a chunk that the client cut itself.
type GivenChunk struct {
	Text     string   `json:"text"`
	Headings []string `json:"headings,omitempty"`
	Page     int      `json:"page,omitempty"`
}

// What to do with an upload whose id exists already.
const (
	DuplicateReplace = "replace"
	DuplicateSkip    = "skip"
	DuplicateError   = "error"
)

// Staged is an upload whose bytes are durable but which no catalog row names yet.
type Staged struct {
	Upload Upload // Body consumed, MediaType as sniffed
	Blob   string // key in the blob store
	Size   int64
	SHA256 string // of the bytes, in hex
}

// Accepted is an upload that will not be lost.
type Accepted struct {
	Document  rag.Document
	Job       rag.Job // zero when nothing is to be done
	Unchanged bool    // the same bytes, title and metadata are there already, or the upload was skipped
}
