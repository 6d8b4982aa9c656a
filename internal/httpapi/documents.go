package httpapi

import (
	"context"
	"maps"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

func (s *Server) documentRoutes(service huma.API) {
	register(s, service, huma.Operation{
		OperationID: "list-documents", Method: http.MethodGet, Path: "/collections/{collection}/documents", Summary: "List documents",
		Description: "Deleted documents are gone at once. With status=deleting those are listed whose remains a job is still removing.",
		Tags:        []string{"documents"}, Errors: []int{http.StatusNotFound}, RejectUnknownQueryParameters: true,
	}, func(ctx context.Context, in *struct {
		CollectionPath
		Status string `query:"status" enum:"queued,parsing,embedding,indexing,ready,ready_with_warnings,failed,canceled,deleting" doc:"Only documents in this state."`
		After  string `query:"after" doc:"The 'next' of the page before."`
		Filter string `query:"filter" doc:"Condition on the newest version's metadata, as JSON, such as {\"type\":\"eq\",\"key\":\"lang\",\"value\":\"en\"}." maxLength:"8000"`
		Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	}) (*struct{ Body api.Documents }, error) {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		var after int64
		if in.After != "" {
			if after, err = strconv.ParseInt(in.After, 36, 64); err != nil {
				return nil, rag.Invalid("?after", "after must be the 'next' of a page")
			}
		}
		filter, err := rag.ParseFilter([]byte(in.Filter), "?filter")
		if err != nil {
			return nil, err
		}
		found, err := s.deps.Matching.DocumentsMatching(ctx, c.ID, rag.Status(in.Status), filter, rag.DocumentID(after), in.Limit)
		if err != nil {
			return nil, err
		}
		out := struct{ Body api.Documents }{api.Documents{Documents: []api.Document{}}}
		for _, d := range found {
			out.Body.Documents = append(out.Body.Documents, documentOf(d))
		}
		if len(found) == in.Limit {
			out.Body.Next = strconv.FormatInt(int64(found[len(found)-1].ID), 36)
		}
		return &out, nil
	})

	register(s, service, huma.Operation{
		OperationID: "get-document", Method: http.MethodGet, Path: "/collections/{collection}/documents/{document}", Summary: "Show a document",
		Tags: []string{"documents"}, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *DocumentPath) (*struct{ Body api.Document }, error) {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		d, err := s.deps.Documents.Document(ctx, c.ID, in.Document)
		if err != nil {
			return nil, err
		}
		return &struct{ Body api.Document }{documentOf(d)}, nil
	})

	register(s, service, huma.Operation{
		OperationID: "patch-document", Method: http.MethodPatch, Path: "/collections/{collection}/documents/{document}", Summary: "Change a document's metadata",
		Description: "A version of its own, of the same text: until it is searchable, whole, search returns the old metadata. Vectors are kept, not made anew.",
		Tags:        []string{"documents"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, s.patchDocument)

	register(s, service, huma.Operation{
		OperationID: "retry-document", Method: http.MethodPost, Path: "/collections/{collection}/documents/{document}/retry", Summary: "Run the ingest of a failed or canceled document again",
		Description: "The job that was to make its newest version runs again, as 'Run a failed or canceled job again' says.",
		Tags:        []string{"documents"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *DocumentPath) (*jobBody, error) {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		job, err := s.deps.Retries.RetryDocument(ctx, tenant(ctx), c.ID, in.Document)
		return accepted(job), err
	})

	register(s, service, huma.Operation{
		OperationID: "delete-document", Method: http.MethodDelete, Path: "/collections/{collection}/documents/{document}", Summary: "Delete a document",
		Description: "Search stops returning it at once; a job removes what is left behind.",
		Tags:        []string{"documents"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, s.deleteDocument)
}

// patching names the document to patch.
type patching struct {
	DocumentPath
	Waiting
	Body api.DocumentPatch
}

type patchBody struct {
	Status   int
	Location string `header:"Location"`
	Body     api.Patched
}

func (s *Server) patchDocument(ctx context.Context, in *patching) (*patchBody, error) {
	wait, err := in.duration()
	if err != nil {
		return nil, err
	}
	c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
	if err != nil {
		return nil, err
	}
	a, err := s.deps.Patches.Patch(ctx, c, in.Document, func(m rag.Metadata) rag.Metadata { return merged(m, in.Body.Metadata) })
	if err != nil {
		return nil, err
	}
	out := &patchBody{Status: http.StatusAccepted, Body: api.Patched{Document: documentOf(a.Document), JobID: a.Job.ID, Unchanged: a.Unchanged}}
	over := a.Job.ID == 0 || a.Job.State.Final()
	if a.Job.ID != 0 {
		out.Location = location(a.Job.ID)
	}
	if !over && wait > 0 {
		jobs, err := s.awaitJobs(ctx, []rag.JobID{a.Job.ID}, wait)
		if err != nil {
			return nil, err
		}
		over = jobs[a.Job.ID].State.Final()
		d, err := s.deps.Documents.Document(ctx, c.ID, in.Document)
		if err != nil {
			return nil, err
		}
		out.Body.Document = documentOf(d)
	}
	if over {
		out.Status = http.StatusOK
	}
	return out, nil
}

// merged is JSON merge patch (RFC 7396) for metadata, whose values are not objects.
func merged(m rag.Metadata, patch map[string]any) rag.Metadata {
	out := maps.Clone(m)
	if out == nil {
		out = rag.Metadata{}
	}
	for key, value := range patch {
		if value == nil {
			delete(out, key)
		} else {
			out[key] = value
		}
	}
	return out
}

// deletion names the document to delete.
type deletion struct {
	DocumentPath
	Waiting
}

func (s *Server) deleteDocument(ctx context.Context, in *deletion) (*jobBody, error) {
	wait, err := in.duration()
	if err != nil {
		return nil, err
	}
	c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
	if err != nil {
		return nil, err
	}
	job, err := s.deps.Documents.DeleteDocument(ctx, c.ID, in.Document)
	if err != nil || wait == 0 {
		return accepted(job), err
	}
	jobs, err := s.awaitJobs(ctx, []rag.JobID{job.ID}, wait)
	if err != nil {
		return nil, err
	}
	out := accepted(jobs[job.ID])
	if jobs[job.ID].State.Final() {
		out.Status = http.StatusOK
	}
	return out, nil
}

func documentOf(d rag.Document) api.Document {
	out := api.Document{
		DocumentID: d.ExternalID, Title: d.Title, Filename: d.Filename, MediaType: d.MediaType, Size: d.Size, SHA256: d.SHA256,
		Metadata: metadataOf(d.Metadata), Version: d.Version, LiveVersion: d.LiveVersion, Status: d.Status, Error: d.Error, Warnings: listOf(d.Warnings),
		Language: d.Language, Chunks: d.Chunks, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	if d.Chunking != (rag.Chunking{}) {
		out.Chunking = &d.Chunking
	}
	return out
}

func metadataOf(m rag.Metadata) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
