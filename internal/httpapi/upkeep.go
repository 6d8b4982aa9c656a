package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

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
		DryRun bool `query:"dry_run" doc:"Report only, repair nothing."`
	}) (*jobBody, error) {
		params := ""
		if in.DryRun {
			params = ingest.DryRun
		}
		job, err := s.deps.Upkeep.AddCollectionJob(ctx, tenant(ctx), in.Collection, rag.JobReconcile, params)
		return accepted(job), err
	})

	register(s, service, huma.Operation{
		OperationID: "rebuild-collection", Method: http.MethodPost, Path: "/collections/{collection}/rebuild", Summary: "Make a collection anew in Milvus",
		Description: "A job that drops the collection in Milvus and fills it from the catalog. Until it is over, search finds only what is filled already, and uploads to the collection wait.",
		Tags:        []string{"collections"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *CollectionPath) (*jobBody, error) {
		job, err := s.deps.Upkeep.AddCollectionJob(ctx, tenant(ctx), in.Collection, rag.JobRebuild, "")
		return accepted(job), err
	})
}
