package openai

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// NewVectorStore asks for a vector store.
type NewVectorStore struct {
	_                struct{}          `json:"-" additionalProperties:"true"`
	Name             string            `json:"name,omitempty" doc:"Any text. The collection is called so too where that can be a collection's name and is free."`
	Description      string            `json:"description,omitempty"`
	FileIDs          []string          `json:"file_ids,omitempty" doc:"Files to attach; at most 500."`
	ChunkingStrategy *ChunkingStrategy `json:"chunking_strategy,omitempty" doc:"How these files are cut."`
	Metadata         map[string]string `json:"metadata,omitempty" doc:"At most 16 pairs; keys up to 64 characters, values up to 512."`
	ExpiresAfter     json.RawMessage   `json:"expires_after,omitempty" doc:"Refused unless null: vector stores stay until they are deleted."`
	Model            string            `json:"model,omitempty" doc:"redkite's own: the bi-encoder. Defaults to the server's."`
}

// VectorStorePatch changes a vector store.
type VectorStorePatch struct {
	_            struct{}           `json:"-" additionalProperties:"true"`
	Name         *string            `json:"name,omitempty" doc:"The collection keeps its own."`
	Metadata     *map[string]string `json:"metadata,omitempty" doc:"Takes the place of what there is."`
	ExpiresAfter json.RawMessage    `json:"expires_after,omitempty" doc:"Refused unless null."`
}

// VectorStore is a collection.
type VectorStore struct {
	ID           string            `json:"id"`
	Object       string            `json:"object" enum:"vector_store"`
	CreatedAt    int64             `json:"created_at" doc:"Unix time in seconds."`
	Name         string            `json:"name"`
	Description  string            `json:"description"`
	UsageBytes   int64             `json:"usage_bytes" doc:"Of the originals."`
	FileCounts   FileCounts        `json:"file_counts"`
	Status       string            `json:"status" enum:"in_progress,completed" doc:"in_progress while any file is."`
	ExpiresAt    *int64            `json:"expires_at" doc:"Always null."`
	LastActiveAt int64             `json:"last_active_at" doc:"When a file of it changed last."`
	Metadata     map[string]string `json:"metadata"`
	Collection   string            `json:"collection" doc:"redkite's own: name of the collection in the native API, and of the model for chat."`
}

// FileCounts counts files by status.
type FileCounts struct {
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Total      int `json:"total"`
}

const storePrefix = "vs_"

// StoreID is the id of a collection as a vector store.
func StoreID(id rag.CollectionID) string { return storePrefix + strconv.FormatInt(int64(id), 10) }

// ParseStoreID reads what StoreID writes, and nothing else.
func ParseStoreID(text string) (rag.CollectionID, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, storePrefix), 10, 64)
	return rag.CollectionID(n), err == nil && StoreID(rag.CollectionID(n)) == text
}

// StoreOf writes a vector store.
func StoreOf(s rag.VectorStore) VectorStore {
	out := VectorStore{
		ID: StoreID(s.ID), Object: "vector_store", CreatedAt: s.CreatedAt.Unix(), Name: s.Label.Name, Description: s.Label.Description,
		UsageBytes: s.Bytes, Status: StatusCompleted, LastActiveAt: s.ActiveAt.Unix(), Metadata: s.Label.Metadata, Collection: s.Name,
		FileCounts: FileCounts{InProgress: s.Counts.Pending, Completed: s.Counts.Ready, Failed: s.Counts.Failed, Cancelled: s.Counts.Canceled, Total: s.Counts.Total},
	}
	if s.Counts.Pending > 0 {
		out.Status = StatusInProgress
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	return out
}

// NewStoreFile attaches a file.
type NewStoreFile struct {
	_                struct{}          `json:"-" additionalProperties:"true"`
	FileID           string            `json:"file_id"`
	Attributes       map[string]any    `json:"attributes,omitempty" doc:"Metadata: at most 16 pairs; keys up to 64 characters, values strings of up to 512, numbers or booleans."`
	ChunkingStrategy *ChunkingStrategy `json:"chunking_strategy,omitempty"`
}

// StoreFilePatch changes the attributes of a file.
type StoreFilePatch struct {
	_          struct{}       `json:"-" additionalProperties:"true"`
	Attributes map[string]any `json:"attributes" doc:"Takes the place of what there is; null is none."`
}

// VectorStoreFile is a document.
type VectorStoreFile struct {
	ID               string           `json:"id" doc:"That of the file, or of the document where it came by the native API."`
	Object           string           `json:"object" enum:"vector_store.file"`
	CreatedAt        int64            `json:"created_at"`
	VectorStoreID    string           `json:"vector_store_id"`
	Status           string           `json:"status" enum:"in_progress,completed,cancelled,failed"`
	LastError        any              `json:"last_error" doc:"null, or why it failed: an object with a code (server_error, unsupported_file, invalid_file) and a message."`
	UsageBytes       int64            `json:"usage_bytes" doc:"Of the original."`
	ChunkingStrategy ChunkingStrategy `json:"chunking_strategy" doc:"What it is really cut by."`
	Attributes       map[string]any   `json:"attributes"`
	Filename         string           `json:"filename" doc:"redkite's own."`
}

// ChunkingStrategy says how a file is cut.
type ChunkingStrategy struct {
	_      struct{}        `json:"-" additionalProperties:"true"`
	Type   string          `json:"type" enum:"auto,static,other" doc:"auto is the collection's own; other, in answers only, was cut by the client."`
	Static *StaticChunking `json:"static,omitempty"`
}

// StaticChunking is a size of chunks.
type StaticChunking struct {
	MaxChunkSizeTokens int `json:"max_chunk_size_tokens" minimum:"1" maximum:"4096" doc:"From 100. What is more than the bi-encoder reads becomes what it reads; the answer says so."`
	ChunkOverlapTokens int `json:"chunk_overlap_tokens" minimum:"0" doc:"At most half of max_chunk_size_tokens."`
}

// FileError is why a file failed.
type FileError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The statuses of files and batches.
const (
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusCancelled  = "cancelled"
	StatusFailed     = "failed"
)

// StatusOf is the status of a document as a file.
func StatusOf(s rag.Status) string {
	for _, status := range []string{StatusCompleted, StatusFailed, StatusCancelled} {
		if slices.Contains(StatesOf(status), s) {
			return status
		}
	}
	return StatusInProgress
}

// StatesOf gives the states of documents that are a file's status; none for a status that there is not.
func StatesOf(status string) []rag.Status {
	switch status {
	case StatusInProgress:
		return []rag.Status{rag.StatusQueued, rag.StatusParsing, rag.StatusEmbedding, rag.StatusIndexing}
	case StatusCompleted:
		return []rag.Status{rag.StatusReady, rag.StatusReadyWithWarnings}
	case StatusFailed:
		return []rag.Status{rag.StatusFailed}
	case StatusCancelled:
		return []rag.Status{rag.StatusCanceled}
	}
	return nil
}

// StoreFileOf writes a document.
func StoreFileOf(d rag.Document) VectorStoreFile {
	out := VectorStoreFile{
		ID: d.ExternalID, Object: "vector_store.file", CreatedAt: d.CreatedAt.Unix(), VectorStoreID: StoreID(d.Collection), Status: StatusOf(d.Status),
		UsageBytes: d.Size, ChunkingStrategy: strategyOf(d.Chunking), Attributes: d.Metadata, Filename: d.Filename,
	}
	if out.Attributes == nil {
		out.Attributes = map[string]any{}
	}
	if d.Error != nil && out.Status == StatusFailed {
		out.LastError = fileErrorOf(*d.Error)
	}
	return out
}

// fileErrorOf sorts a failure's code into those that clients know. What is not the server's fault is the file's.
func fileErrorOf(f rag.Failure) FileError {
	code := "invalid_file"
	switch {
	case f.Code == "unsupported":
		code = "unsupported_file"
	case f.Code == "internal" || f.Code == "crashed" || strings.HasSuffix(f.Code, "_unavailable"):
		code = "server_error"
	}
	return FileError{Code: code, Message: f.Message}
}

func strategyOf(c rag.Chunking) ChunkingStrategy {
	if c == (rag.Chunking{}) {
		return ChunkingStrategy{Type: "other"}
	}
	return ChunkingStrategy{Type: "static", Static: &StaticChunking{MaxChunkSizeTokens: c.MaxTokens, ChunkOverlapTokens: c.Overlap}}
}

// NewFileBatch attaches files: exactly one of its lists is given.
type NewFileBatch struct {
	_                struct{}          `json:"-" additionalProperties:"true"`
	FileIDs          []string          `json:"file_ids,omitempty" doc:"Up to 2,000 files."`
	Files            []NewStoreFile    `json:"files,omitempty" doc:"Up to 2,000 files, each with its own attributes and chunking strategy."`
	Attributes       map[string]any    `json:"attributes,omitempty" doc:"Of all file_ids."`
	ChunkingStrategy *ChunkingStrategy `json:"chunking_strategy,omitempty" doc:"Of all file_ids."`
}

// VectorStoreFileBatch is a batch.
type VectorStoreFileBatch struct {
	ID            string     `json:"id"`
	Object        string     `json:"object" enum:"vector_store.files_batch"`
	CreatedAt     int64      `json:"created_at"`
	VectorStoreID string     `json:"vector_store_id"`
	Status        string     `json:"status" enum:"in_progress,completed,cancelled,failed" doc:"completed when every file is over, also where some failed; failed where all did."`
	FileCounts    FileCounts `json:"file_counts"`
}

const batchPrefix = "vsfb_"

// ParseBatchID reads the id of a batch, and nothing else.
func ParseBatchID(text string) (rag.BatchID, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, batchPrefix), 10, 64)
	return rag.BatchID(n), err == nil && batchPrefix+strconv.FormatInt(n, 10) == text
}

// FileBatchOf writes a batch.
func FileBatchOf(b rag.Batch) VectorStoreFileBatch {
	n := FileCounts{
		InProgress: b.Counts.Open(), Completed: b.Counts.Succeeded + b.Counts.Unchanged, Failed: b.Counts.Failed + b.Counts.Refused,
		Cancelled: b.Counts.Canceled, Total: b.Counts.Done() + b.Counts.Open(),
	}
	out := VectorStoreFileBatch{
		ID: batchPrefix + strconv.FormatInt(int64(b.ID), 10), Object: "vector_store.files_batch", CreatedAt: b.CreatedAt.Unix(),
		VectorStoreID: StoreID(b.Collection), Status: StatusInProgress, FileCounts: n,
	}
	switch {
	case b.State == rag.BatchCanceled:
		out.Status = StatusCancelled
	case b.State == rag.BatchEnded && n.Failed > 0 && n.Failed == n.Total:
		out.Status = StatusFailed
	case b.State == rag.BatchEnded:
		out.Status = StatusCompleted
	}
	return out
}

// BatchFileOf writes a file of a batch.
func BatchFileOf(f rag.BatchFile, b rag.Batch) VectorStoreFile {
	if f.Document != nil {
		return StoreFileOf(*f.Document)
	}
	return VectorStoreFile{
		ID: f.ID, Object: "vector_store.file", CreatedAt: b.CreatedAt.Unix(), VectorStoreID: StoreID(b.Collection), Status: StatusFailed,
		LastError: fileErrorOf(*f.Refused), ChunkingStrategy: strategyOf(rag.Chunking{}), Attributes: map[string]any{},
	}
}
