package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// StoreFiles makes documents of files, and lists them.
type StoreFiles interface {
	AttachFiles(ctx context.Context, c rag.Collection, files []rag.Attachment) ([]ingest.Accepted, error)
	// DocumentWindow lists documents by their numbers; in any of the states, or all where none is given.
	DocumentWindow(ctx context.Context, c rag.CollectionID, states []rag.Status, at rag.Cursor) ([]rag.Document, error)
}

// headerPollAfter tells OpenAI's clients when to ask again, in milliseconds.
const headerPollAfter = "openai-poll-after-ms"

// attributesWait is how long a change of attributes waits to be found, so that it mostly is when the answer comes.
const attributesWait = 10 * time.Second

func (s *Server) storeFileRoutes() []route {
	const files = "/v1/vector_stores/:store/files"
	one := reflect.TypeFor[openai.VectorStoreFile]()
	return []route{
		{
			method: http.MethodPost, path: files, id: "openai-create-vector-store-file", tag: "openai", summary: "Attach a file to a vector store",
			about:   "It becomes a document whose id is the file's. A file that is attached already gets these attributes.",
			request: reflect.TypeFor[openai.NewStoreFile](), response: one, handle: s.inStore(s.postStoreFile),
		},
		{
			method: http.MethodGet, path: files, id: "openai-list-vector-store-files", tag: "openai", summary: "List a vector store's files",
			about: "All documents of the collection, also those that came by the native API.",
			query: pageQuery(maxStorePage, usualStorePage, filterQuery()), response: reflect.TypeFor[openai.Page[openai.VectorStoreFile]](), handle: s.inStore(s.listStoreFiles),
		},
		{
			method: http.MethodGet, path: files + "/:file", id: "openai-get-vector-store-file", tag: "openai", summary: "Show a vector store's file",
			response: one, handle: s.inStore(func(c *gin.Context, collection rag.Collection) (any, error) {
				d, err := s.storeFile(c, collection)
				return polled(c, d), err
			}),
		},
		{
			method: http.MethodPost, path: files + "/:file", id: "openai-update-vector-store-file", tag: "openai", summary: "Change a file's attributes",
			about:   "Until the change is searchable, whole, search returns the old ones; the answer waits for that, 10 s at most.",
			request: reflect.TypeFor[openai.StoreFilePatch](), response: one, handle: s.inStore(s.patchStoreFile),
		},
		{
			method: http.MethodDelete, path: files + "/:file", id: "openai-delete-vector-store-file", tag: "openai", summary: "Take a file out of a vector store",
			about:    "Search stops returning it at once. The file stays.",
			response: reflect.TypeFor[openai.Deleted](), handle: s.inStore(s.deleteStoreFile),
		},
		{
			method: http.MethodGet, path: files + "/:file/content", id: "openai-vector-store-file-content", tag: "openai", summary: "Read a file's text",
			about:    "As it was parsed; 404 before it is searchable.",
			response: reflect.TypeFor[openai.StoreFileContent](), handle: s.inStore(s.storeFileContent),
		},
	}
}

func filterQuery() *huma.Param {
	return &huma.Param{Name: "filter", In: "query", Description: "Only files with this status.", Schema: &huma.Schema{
		Type: huma.TypeString, Enum: []any{openai.StatusInProgress, openai.StatusCompleted, openai.StatusFailed, openai.StatusCancelled},
	}}
}

// statesAsked reads the filter of a list of files.
func statesAsked(c *gin.Context) ([]rag.Status, error) {
	status := c.Query("filter")
	if status == "" {
		return nil, nil
	}
	states := openai.StatesOf(status)
	if states == nil {
		return nil, rag.Invalid("?filter", "filter must be in_progress, completed, failed or cancelled, not %q", clipped(status))
	}
	return states, nil
}

// storeFile finds the document that a path names.
func (s *Server) storeFile(c *gin.Context, collection rag.Collection) (rag.Document, error) {
	d, err := s.deps.Documents.Document(c.Request.Context(), collection.ID, c.Param("file"))
	if errors.Is(err, rag.ErrNotFound) {
		err = noStoreFile(c)
	}
	return d, err
}

func noStoreFile(c *gin.Context) error {
	return &rag.Problem{Kind: rag.ErrNotFound, Code: "file_not_found", Message: fmt.Sprintf("there is no file %q in vector store %q; check the id", clipped(c.Param("file")), clipped(c.Param("store")))}
}

// polled writes a document as a file, and when to ask again.
func polled(c *gin.Context, d rag.Document) openai.VectorStoreFile {
	out := openai.StoreFileOf(d)
	if out.Status == openai.StatusInProgress {
		c.Header(headerPollAfter, "200")
	}
	return out
}

func (s *Server) postStoreFile(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	var request openai.NewStoreFile
	if err := readJSON(c, maxJSON, &request); err != nil {
		return nil, err
	}
	attachment, err := s.attachment(ctx, collection, request, "")
	if err != nil {
		return nil, err
	}
	if err := s.checkFile(ctx, attachment.File, "/file_id"); err != nil {
		return nil, err
	}
	accepted, err := s.deps.OpenAI.StoreFiles.AttachFiles(ctx, collection, []rag.Attachment{attachment})
	if err != nil {
		return nil, err
	}
	return polled(c, accepted[0].Document), nil
}

// attachment checks what a request says of one file.
func (s *Server) attachment(ctx context.Context, collection rag.Collection, request openai.NewStoreFile, at string) (a rag.Attachment, err error) {
	if a.File, err = fileID(request.FileID, at+"/file_id"); err != nil {
		return a, err
	}
	if a.Metadata, err = s.attributes(collection, request.Attributes, at+"/attributes"); err != nil {
		return a, err
	}
	if err := checkStrategy(request.ChunkingStrategy, at+"/chunking_strategy"); err != nil {
		return a, err
	}
	a.Chunking, err = s.strategy(ctx, collection, request.ChunkingStrategy)
	return a, err
}

// attributes makes metadata of attributes: whole numbers become such.
func (s *Server) attributes(collection rag.Collection, from map[string]any, at string) (rag.Metadata, error) {
	if err := checkPairs(from, at); err != nil {
		return nil, err
	}
	m := rag.Metadata{}
	for key, value := range from {
		if x, ok := value.(float64); ok && x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			value = int64(x)
		}
		m[key] = value
	}
	err := s.deps.OpenAI.FileIntake.CheckMetadata(collection, m)
	var problem *rag.Problem
	if errors.As(err, &problem) {
		moved := *problem
		moved.Pointer = at + strings.TrimPrefix(problem.Pointer, "/metadata")
		err = &moved
	}
	return m, err
}

// checkStrategy refuses a chunking strategy that OpenAI refuses.
func checkStrategy(c *openai.ChunkingStrategy, at string) error {
	switch {
	case c == nil || c.Type == "auto":
		return nil
	case c.Type != "static":
		return rag.Invalid(at+"/type", "the type of a chunking strategy is auto or static, not %q", clipped(c.Type))
	case c.Static == nil:
		return rag.Invalid(at+"/static", "a static chunking strategy needs static, with max_chunk_size_tokens and chunk_overlap_tokens")
	case c.Static.MaxChunkSizeTokens < 100 || c.Static.MaxChunkSizeTokens > 4096:
		return rag.Invalid(at+"/static/max_chunk_size_tokens", "max_chunk_size_tokens must be a number from 100 to 4096")
	case c.Static.ChunkOverlapTokens < 0 || c.Static.ChunkOverlapTokens > c.Static.MaxChunkSizeTokens/2:
		return rag.Invalid(at+"/static/chunk_overlap_tokens", "chunk_overlap_tokens must be a number from 0 to half of max_chunk_size_tokens")
	}
	return nil
}

// strategy makes a chunking of a strategy that is checked: sizes that are more than the collection's bi-encoder reads become
// what it reads, which the file then says. nil is the collection's own.
func (s *Server) strategy(ctx context.Context, collection rag.Collection, c *openai.ChunkingStrategy) (*rag.Chunking, error) {
	if c == nil || c.Type != "static" {
		return nil, nil
	}
	base := collection
	base.Chunking = rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: c.Static.MaxChunkSizeTokens, MinTokens: min(collection.Chunking.MinTokens, c.Static.MaxChunkSizeTokens/2)}
	fits, err := s.deps.Chunkings.Chunking(ctx, base, api.NewChunking{})
	if err != nil {
		return nil, err
	}
	overlap := min(c.Static.ChunkOverlapTokens, fits.MaxTokens/2)
	base.Chunking = fits
	fits, err = s.deps.Chunkings.Chunking(ctx, base, api.NewChunking{Overlap: &overlap})
	return &fits, err
}

func (s *Server) listStoreFiles(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	states, err := statesAsked(c)
	if err != nil {
		return nil, err
	}
	at, limit, err := cursor(c, maxStorePage, usualStorePage, func(id string) (int64, error) {
		d, err := s.deps.Documents.Document(ctx, collection.ID, id)
		return int64(d.ID), err
	})
	if err != nil {
		return nil, err
	}
	found, err := s.deps.OpenAI.StoreFiles.DocumentWindow(ctx, collection.ID, states, at)
	if err != nil {
		return nil, err
	}
	return pageOf(found, limit, at, openai.StoreFileOf, func(f openai.VectorStoreFile) string { return f.ID }), nil
}

func (s *Server) patchStoreFile(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	if _, err := s.storeFile(c, collection); err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := readJSON(c, maxJSON, &raw); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := unmarshal(raw, "", &members); err != nil {
		return nil, err
	}
	if _, ok := members["attributes"]; !ok { // left out by mistake it would empty them
		return nil, rag.Invalid("/attributes", "attributes is required; null or {} removes all")
	}
	var request openai.StoreFilePatch
	if err := unmarshal(raw, "", &request); err != nil {
		return nil, err
	}
	m, err := s.attributes(collection, request.Attributes, "/attributes")
	if err != nil {
		return nil, err
	}
	a, err := s.deps.Patches.Patch(ctx, collection, c.Param("file"), func(rag.Metadata) rag.Metadata { return m })
	if err != nil {
		return nil, err
	}
	if a.Job.ID != 0 && !a.Job.State.Final() {
		if _, err := s.awaitJobs(ctx, []rag.JobID{a.Job.ID}, attributesWait); err != nil {
			return nil, err
		}
	}
	d, err := s.storeFile(c, collection)
	return polled(c, d), err
}

func (s *Server) deleteStoreFile(c *gin.Context, collection rag.Collection) (any, error) {
	_, err := s.deps.Documents.DeleteDocument(c.Request.Context(), collection.ID, c.Param("file"))
	if errors.Is(err, rag.ErrNotFound) {
		err = noStoreFile(c)
	}
	if err != nil {
		return nil, err
	}
	return openai.Deleted{ID: c.Param("file"), Object: "vector_store.file.deleted", Deleted: true}, nil
}
