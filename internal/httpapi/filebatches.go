package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/rag"
)

// FileBatches attaches many files, and lists them.
type FileBatches interface {
	AttachBatch(ctx context.Context, c rag.Collection, files []rag.Attachment) (rag.BatchID, error)
	BatchFiles(ctx context.Context, tenant string, id rag.BatchID, states []rag.Status, at rag.Cursor) ([]rag.BatchFile, error)
	BatchPlace(ctx context.Context, tenant string, id rag.BatchID, path string) (int, error)
}

const (
	maxBatchFiles = 2000
	// slowPoll is from how many open files on a client need not ask five times a second.
	slowPoll = 20
)

func (s *Server) fileBatchRoutes() []route {
	const batches = "/v1/vector_stores/:store/file_batches"
	one := reflect.TypeFor[openai.VectorStoreFileBatch]()
	return []route{
		{
			method: http.MethodPost, path: batches, id: "openai-create-file-batch", tag: "openai", summary: "Attach up to 2,000 files to a vector store",
			about:   "All of them, or none where one does not exist.",
			request: reflect.TypeFor[openai.NewFileBatch](), response: one, handle: s.inStore(s.postFileBatch),
		},
		{
			method: http.MethodGet, path: batches + "/:batch", id: "openai-get-file-batch", tag: "openai", summary: "Show a file batch",
			response: one, handle: s.inStore(func(c *gin.Context, collection rag.Collection) (any, error) {
				batch, err := s.fileBatch(c, collection)
				return polledBatch(c, batch), err
			}),
		},
		{
			method: http.MethodPost, path: batches + "/:batch/cancel", id: "openai-cancel-file-batch", tag: "openai", summary: "Cancel a file batch",
			about:    "Files that are searchable already stay so. A batch that is over is answered as it is.",
			response: one, handle: s.inStore(s.cancelFileBatch),
		},
		{
			method: http.MethodGet, path: batches + "/:batch/files", id: "openai-list-file-batch-files", tag: "openai", summary: "List a file batch's files",
			query: pageQuery(maxStorePage, usualStorePage, filterQuery()), response: reflect.TypeFor[openai.Page[openai.VectorStoreFile]](), handle: s.inStore(s.listBatchFiles),
		},
	}
}

// fileBatch finds the batch that a path names, in the collection that it names.
func (s *Server) fileBatch(c *gin.Context, collection rag.Collection) (rag.Batch, error) {
	ctx := c.Request.Context()
	missing := &rag.Problem{Kind: rag.ErrNotFound, Code: "file_batch_not_found", Message: fmt.Sprintf(
		"there is no file batch %q in vector store %q; check the id", clipped(c.Param("batch")), clipped(c.Param("store")))}
	id, ok := openai.ParseBatchID(c.Param("batch"))
	if !ok {
		return rag.Batch{}, missing
	}
	batch, err := s.deps.Batches.Batch(ctx, tenant(ctx), id)
	if errors.Is(err, rag.ErrNotFound) || err == nil && batch.Collection != collection.ID {
		return rag.Batch{}, missing
	}
	return batch, err
}

// polledBatch writes a batch, and when to ask again.
func polledBatch(c *gin.Context, b rag.Batch) openai.VectorStoreFileBatch {
	out := openai.FileBatchOf(b)
	switch {
	case out.Status != openai.StatusInProgress:
	case out.FileCounts.InProgress > slowPoll:
		c.Header(headerPollAfter, "1000")
	default:
		c.Header(headerPollAfter, "200")
	}
	return out
}

func (s *Server) postFileBatch(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	var request openai.NewFileBatch
	if err := readJSON(c, maxTextsJSON, &request); err != nil {
		return nil, err
	}
	var attachments []rag.Attachment
	var err error
	switch {
	case (len(request.FileIDs) == 0) == (len(request.Files) == 0):
		err = rag.Invalid("/file_ids", "give either file_ids or files, and at least one file")
	case len(request.FileIDs) > maxBatchFiles:
		err = tooManyFiles("/file_ids", len(request.FileIDs))
	case len(request.Files) > maxBatchFiles:
		err = tooManyFiles("/files", len(request.Files))
	case len(request.FileIDs) > 0:
		attachments, err = s.attachAlike(ctx, collection, request)
	default:
		attachments, err = s.attachEach(ctx, collection, request.Files)
	}
	if err != nil {
		return nil, err
	}
	id, err := s.deps.OpenAI.FileBatches.AttachBatch(ctx, collection, attachments)
	if err != nil {
		return nil, err
	}
	batch, err := s.deps.Batches.Batch(ctx, tenant(ctx), id)
	return polledBatch(c, batch), err
}

func tooManyFiles(at string, n int) error {
	return &rag.Problem{Kind: rag.ErrInvalid, Code: "too_many_files", Pointer: at, Message: fmt.Sprintf("a batch has at most %d files, and this one has %d; send several", maxBatchFiles, n)}
}

// sameForAll makes attachments of ids; one that comes again counts once. Each file must be there.
func (s *Server) sameForAll(ctx context.Context, ids []string) ([]rag.Attachment, error) {
	var out []rag.Attachment
	seen := map[string]bool{}
	for i, text := range ids {
		at := fmt.Sprintf("/file_ids/%d", i)
		id, err := fileID(text, at)
		if err != nil {
			return nil, err
		}
		if seen[text] {
			continue
		}
		seen[text] = true
		if err := s.checkFile(ctx, id, at); err != nil {
			return nil, err
		}
		out = append(out, rag.Attachment{File: id})
	}
	return out, nil
}

// checkFile reports a file that the tenant does not have.
func (s *Server) checkFile(ctx context.Context, id rag.FileID, at string) error {
	_, err := s.deps.OpenAI.Files.File(ctx, tenant(ctx), id)
	if errors.Is(err, rag.ErrNotFound) {
		problem := rag.NoFile(id)
		problem.Pointer = at
		return problem
	}
	return err
}

// attachAlike makes attachments that share attributes and chunking.
func (s *Server) attachAlike(ctx context.Context, collection rag.Collection, request openai.NewFileBatch) ([]rag.Attachment, error) {
	m, err := s.attributes(collection, request.Attributes, "/attributes")
	if err != nil {
		return nil, err
	}
	if err := checkStrategy(request.ChunkingStrategy, "/chunking_strategy"); err != nil {
		return nil, err
	}
	chunking, err := s.strategy(ctx, collection, request.ChunkingStrategy)
	if err != nil {
		return nil, err
	}
	out, err := s.sameForAll(ctx, request.FileIDs)
	for i := range out {
		out[i].Metadata, out[i].Chunking = m, chunking
	}
	return out, err
}

// attachEach makes attachments that have each their own.
func (s *Server) attachEach(ctx context.Context, collection rag.Collection, files []openai.NewStoreFile) ([]rag.Attachment, error) {
	out := make([]rag.Attachment, 0, len(files))
	for i, f := range files {
		at := fmt.Sprintf("/files/%d", i)
		a, err := s.attachment(ctx, collection, f, at)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(b rag.Attachment) bool { return b.File == a.File }) {
			return nil, rag.Invalid(at+"/file_id", "file %q is in this batch twice", f.FileID)
		}
		if err := s.checkFile(ctx, a.File, at+"/file_id"); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func (s *Server) cancelFileBatch(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	batch, err := s.fileBatch(c, collection)
	if err != nil {
		return nil, err
	}
	if !batch.State.Final() {
		canceled, err := s.deps.Batches.CancelBatch(ctx, tenant(ctx), batch.ID)
		if err != nil && !errors.Is(err, rag.ErrConflict) { // it ended meanwhile
			return nil, err
		}
		if err == nil {
			batch = canceled
		}
	}
	return polledBatch(c, batch), nil
}

func (s *Server) listBatchFiles(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	batch, err := s.fileBatch(c, collection)
	if err != nil {
		return nil, err
	}
	states, err := statesAsked(c)
	if err != nil {
		return nil, err
	}
	at, limit, err := cursor(c, maxStorePage, usualStorePage, func(id string) (int64, error) {
		n, err := s.deps.OpenAI.FileBatches.BatchPlace(ctx, tenant(ctx), batch.ID, id)
		return int64(n), err
	})
	if err != nil {
		return nil, err
	}
	found, err := s.deps.OpenAI.FileBatches.BatchFiles(ctx, tenant(ctx), batch.ID, states, at)
	if err != nil {
		return nil, err
	}
	of := func(f rag.BatchFile) openai.VectorStoreFile { return openai.BatchFileOf(f, batch) }
	return pageOf(found, limit, at, of, func(f openai.VectorStoreFile) string { return f.ID }), nil
}
