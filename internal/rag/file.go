package rag

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// FileID names a file for good.
type FileID int64

// filePrefix begins the written form of every FileID.
const filePrefix = "file-"

// String is the id as clients see it, and the external id of the documents that the file becomes.
func (id FileID) String() string { return filePrefix + strconv.FormatInt(int64(id), 10) }

// ParseFileID reads what FileID.String writes, and nothing else.
func ParseFileID(text string) (FileID, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, filePrefix), 10, 64)
	return FileID(n), err == nil && n > 0 && FileID(n).String() == text
}

// File is an original that was uploaded by itself, to be attached to any number of its tenant's collections. In each it
// becomes a document whose external id is the file's.
type File struct {
	ID        FileID
	Tenant    string
	Purpose   string // what the client says it is for
	Filename  string
	MediaType string // by its content; one that no parser reads is kept all the same
	Blob      string // key of the original
	Size      int64  // bytes
	SHA256    string // of the bytes, in hex
	CreatedAt time.Time
}

// Attachment says how a file becomes a document of a collection.
type Attachment struct {
	File     FileID
	Metadata Metadata
	Chunking *Chunking // nil for the collection's
}

// BatchFile is a file of a batch and the document that it became.
type BatchFile struct {
	Number   int // its place in the batch, from 1
	ID       string
	Document *Document // nil where the file was refused
	Refused  *Failure
}

// Label is what OpenAI's clients call a collection, and what they note of it.
type Label struct {
	Name        string
	Description string
	Metadata    map[string]string
}

// VectorStore is a collection as OpenAI's clients see it.
type VectorStore struct {
	Collection
	Label    Label
	Counts   Counts
	Bytes    int64     // of the originals of its documents' newest versions
	ActiveAt time.Time // when a document of it changed last, or it was made
}

// Cursor asks for a page of things that have ascending numbers. A page after a number goes on from there in its order; one
// before it ends there.
type Cursor struct {
	After, Before int64 // 0 for none
	Descending    bool
	Limit         int // at least 1
}

// NoFile is the error of a file that there is not.
func NoFile(id FileID) *Problem {
	return &Problem{Kind: ErrNotFound, Code: "file_not_found", Message: fmt.Sprintf("there is no file %q; check the id", id)}
}
