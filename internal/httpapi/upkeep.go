package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// upkeepRoutes adds what looks after a whole collection.
func (s *Server) upkeepRoutes(service huma.API) {
	register(s, service, huma.Operation{
		OperationID: "reconcile-collection", Method: http.MethodPost, Path: "/collections/{collection}/reconcile", Summary: "Compare a collection with Milvus",
		Description: "A job that finds chunks which are missing in Milvus, and rows there that should not be, and repairs them while everything else goes on. What it found is in the job.",
		Tags:        []string{"collections"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		CollectionPath
		DryRun    bool `query:"dry_run" doc:"Report only, repair nothing."`
		Originals bool `query:"originals" doc:"Also look for originals, of all collections, that no document needs, older than a day, and remove them."`
	}) (*jobBody, error) {
		params := ""
		if in.DryRun || in.Originals {
			text, err := json.Marshal(ingest.Comparison{DryRun: in.DryRun, Originals: in.Originals})
			if err != nil {
				return nil, fmt.Errorf("write params: %w", err)
			}
			params = string(text)
		}
		job, err := s.deps.Upkeep.AddCollectionJob(ctx, tenant(ctx), in.Collection, rag.JobReconcile, params)
		return accepted(job), err
	})

	register(s, service, huma.Operation{
		OperationID: "delete-documents", Method: http.MethodPost, Path: "/collections/{collection}/documents/delete", Summary: "Delete the documents that match a filter",
		Description: "A job: it takes them away batch by batch, and search stops returning each batch at once. Documents uploaded or replaced after the request was accepted stay.",
		Tags:        []string{"documents"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, s.deleteDocuments)

	register(s, service, huma.Operation{
		OperationID: "rebuild-collection", Method: http.MethodPost, Path: "/collections/{collection}/rebuild", Summary: "Make a collection anew in Milvus",
		Description: "A job that drops the collection in Milvus and fills it from the catalog. Until it is over, search finds only what is filled already, and uploads to the collection wait.",
		Tags:        []string{"collections"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *CollectionPath) (*jobBody, error) {
		job, err := s.deps.Upkeep.AddCollectionJob(ctx, tenant(ctx), in.Collection, rag.JobRebuild, "")
		return accepted(job), err
	})
}

// matching says which documents to delete.
type matching struct {
	CollectionPath
	Waiting
	Body api.DocumentsDeletion
}

func (s *Server) deleteDocuments(ctx context.Context, in *matching) (*jobBody, error) {
	wait, err := in.duration()
	if err != nil {
		return nil, err
	}
	filter, err := rag.ParseFilter(in.Body.Filter, "/filter")
	if err != nil {
		return nil, err
	}
	if filter == nil {
		return nil, rag.Invalid("/filter", "a filter must be given; to delete all documents, delete the collection")
	}
	params, err := json.Marshal(ingest.Selection{Filter: in.Body.Filter, DryRun: in.Body.DryRun})
	if err != nil {
		return nil, fmt.Errorf("write params: %w", err)
	}
	job, err := s.deps.Upkeep.AddCollectionJob(ctx, tenant(ctx), in.Collection, rag.JobDeleteDocuments, string(params))
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
