package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// refusedPage is how many refused files come with a batch where the request names no number.
const refusedPage = 100

type batchBody struct {
	Status int
	Body   api.Batch
}

// BatchPath names a batch in a path.
type BatchPath struct {
	Batch rag.BatchID `path:"batch"`
}

// batchRoutes adds what is about batches.
func (s *Server) batchRoutes(service huma.API, group *gin.RouterGroup) {
	group.POST(apiBase+"/collections/:collection/batches", s.postBatch)
	service.OpenAPI().AddOperation(s.batchUploadOperation())

	register(s, service, huma.Operation{
		OperationID: "list-batches", Method: http.MethodGet, Path: "/batches", Summary: "List batches, newest first", Tags: []string{"batches"},
		RejectUnknownQueryParameters: true, Errors: []int{http.StatusNotFound},
	}, s.listBatches)

	register(s, service, huma.Operation{
		OperationID: "get-batch", Method: http.MethodGet, Path: "/batches/{batch}", Summary: "Show a batch", Tags: []string{"batches"},
		Description: "Its counts, and the files that were refused, page by page. Its jobs are listed by GET /jobs?batch=.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		BatchPath
		Waiting
		After int `query:"refused_after" doc:"The 'refused_next' of the page before." minimum:"0"`
		Limit int `query:"refused_limit" doc:"Refused files a page." default:"100" minimum:"1" maximum:"1000"`
	}) (*struct{ Body api.Batch }, error) {
		wait, err := in.duration()
		if err != nil {
			return nil, err
		}
		batch, err := s.awaitBatch(ctx, in.Batch, wait)
		if err != nil {
			return nil, err
		}
		out, err := s.withRefused(ctx, batch, in.After, in.Limit)
		return &struct{ Body api.Batch }{out}, err
	})

	register(s, service, huma.Operation{
		OperationID: "cancel-batch", Method: http.MethodPost, Path: "/batches/{batch}/cancel", Summary: "Cancel a batch", Tags: []string{"batches"},
		Description:   "Takes no more files, and cancels its jobs that are not over, as 'Cancel a job' does. Documents that are searchable already stay so. A batch that is canceled already is answered as it is.",
		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *BatchPath) (*batchBody, error) {
		batch, err := s.deps.Batches.CancelBatch(ctx, tenant(ctx), in.Batch)
		return &batchBody{Status: http.StatusAccepted, Body: api.BatchOf(batch)}, err
	})
}

func (s *Server) listBatches(ctx context.Context, in *struct {
	Collection string      `query:"collection" doc:"Only batches of this collection."`
	Before     rag.BatchID `query:"before" doc:"The 'next' of the page before."`
	Limit      int         `query:"limit" default:"20" minimum:"1" maximum:"100"`
}) (*struct{ Body api.Batches }, error) {
	var collection rag.CollectionID
	if in.Collection != "" {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		collection = c.ID
	}
	found, err := s.deps.Batches.Batches(ctx, tenant(ctx), collection, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := struct{ Body api.Batches }{api.Batches{Batches: []api.Batch{}}}
	for _, batch := range found {
		out.Body.Batches = append(out.Body.Batches, api.BatchOf(batch))
	}
	if len(found) == in.Limit {
		out.Body.Next = found[len(found)-1].ID
	}
	return &out, nil
}

// awaitBatch gives a batch when it is over or the time is.
func (s *Server) awaitBatch(ctx context.Context, id rag.BatchID, wait time.Duration) (rag.Batch, error) {
	if wait == 0 {
		return s.deps.Batches.Batch(ctx, tenant(ctx), id)
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	batch, err := s.deps.Batches.WaitBatch(limited, tenant(ctx), id)
	if ctx.Err() != nil {
		return rag.Batch{}, ctx.Err()
	}
	if err != nil && limited.Err() == nil {
		return rag.Batch{}, fmt.Errorf("wait for batch %d: %w", id, err)
	}
	return batch, nil
}

// withRefused writes a batch with a page of the files that were refused.
func (s *Server) withRefused(ctx context.Context, batch rag.Batch, after, limit int) (api.Batch, error) {
	out := api.BatchOf(batch)
	refused, err := s.deps.Batches.RefusedEntries(ctx, tenant(ctx), batch.ID, after, limit)
	for _, e := range refused {
		out.Refused = append(out.Refused, api.RefusedEntry{Number: e.Number, File: e.Path, Code: e.Error.Code, Detail: e.Error.Message})
	}
	if len(refused) == limit {
		out.RefusedNext = refused[limit-1].Number
	}
	return out, err
}

// batchUploadOperation describes the upload of a batch.
func (s *Server) batchUploadOperation() *huma.Operation {
	binary := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Format: "binary", Description: description}
	}
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description}
	}
	chunking := text(chunkingDoc)
	onDuplicate := &huma.Schema{Type: huma.TypeString, Enum: []any{"replace", "skip", "error"}, Description: "What to do with a document that exists. Defaults to replace."}
	duplicateBy := &huma.Schema{Type: huma.TypeString, Enum: []any{"id", "content"}, Description: "What makes a document one that exists: its path, or its bytes. Defaults to its path."}
	bare := binary("A ZIP, a TAR, or a TAR compressed with gzip, told by its bytes.")
	form := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"file":            {Type: huma.TypeArray, Items: binary("A file; its name is its path, and that the document's id.")},
		"archive":         {Type: huma.TypeArray, Items: bare},
		"records":         {Type: huma.TypeArray, Items: binary("A file of JSON lines: each is a document of its own.")},
		"record_text":     text("Members of a record that are its text, with commas between them; before the records. Defaults to all of the record, read as JSON."),
		"record_id":       text("The member that is the document's id. Defaults to the file's name and the line, such as a.jsonl:3."),
		"record_title":    text("The member that is the title."),
		"record_metadata": text("Members that become metadata, with commas between them."),
		"metadata":        text("JSON object: metadata of the files after it."),
		"chunking":        chunking,
		"on_duplicate":    onDuplicate,
		"duplicate_by":    duplicateBy,
		"callback_url":    text("Is sent the batch by POST when it has ended; before the files."),
		"callback_secret": text("Signs that, as Standard Webhooks does; before the files. Defaults to the server's."),
	}}
	batch := s.schemas.Schema(reflect.TypeFor[api.Batch](), true, "")
	problem := s.schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	s.schemas.Schema(reflect.TypeFor[api.BatchEnded](), true, "") // so that the document has it
	answer := func(description, mediaType string, schema *huma.Schema) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{mediaType: {Schema: schema}}}
	}
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return &huma.Operation{
		OperationID: "upload-batch", Method: http.MethodPost, Path: apiBase + "/collections/{collection}/batches", Summary: "Upload a batch of files",
		Description: "Up to 10,000 files, as they are or in archives, or as many records. They are taken as they come: where the upload breaks off, send it again, and what was taken costs nothing. Files that are refused are listed, and the others taken. A callback is a BatchEnded.",
		Tags:        []string{"batches"},
		Parameters: []*huma.Param{
			{Name: "collection", In: "path", Required: true, Description: "Name of the collection.", Schema: &huma.Schema{Type: huma.TypeString}},
			query("wait", "How long to wait for the batch to end, such as 30s; at most 5m."),
			{Name: "chunking", In: "query", Schema: chunking},
			{Name: "on_duplicate", In: "query", Schema: onDuplicate},
			{Name: "duplicate_by", In: "query", Schema: duplicateBy},
			query("record_text", "As in the form, for a body of JSON lines; so are record_id, record_title and record_metadata."),
			query("record_id", "As in the form."), query("record_title", "As in the form."), query("record_metadata", "As in the form."),
			query("callback_url", "As in the form; it is signed with the server's secret where the form has none."),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"multipart/form-data": {Schema: form}, "application/zip": {Schema: bare}, "application/x-tar": {Schema: bare}, "application/gzip": {Schema: bare},
			"application/x-ndjson": {Schema: binary("JSON lines: each is a document of its own.")},
		}},
		Responses: map[string]*huma.Response{
			"200":     answer("Taken, and every job is over.", "application/json", batch),
			"202":     answer("Taken; jobs go on.", "application/json", batch),
			"default": answer("Refused, or broken off; then Location names the batch with what came before.", "application/problem+json", problem),
		},
	}
}
