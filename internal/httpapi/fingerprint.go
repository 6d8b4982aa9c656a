package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// Fingerprints tell the content of collections apart.
type Fingerprints interface {
	Fingerprint(ctx context.Context, id rag.CollectionID) (rag.Fingerprint, error)
}

func (s *Server) fingerprintRoutes(service huma.API) {
	register(s, service, huma.Operation{
		OperationID: "get-fingerprint", Method: http.MethodGet, Path: "/collections/{collection}/fingerprint", Summary: "Tell a collection's content from another's",
		Description: "It reads a row for each document, so it takes a second or so for a million of them.",
		Tags:        []string{"collections"}, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *CollectionPath) (*struct{ Body api.Fingerprint }, error) {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		f, err := s.deps.Fingerprints.Fingerprint(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		return &struct{ Body api.Fingerprint }{api.Fingerprint{Fingerprint: f.SHA256, Documents: f.Documents, Chunks: f.Chunks}}, nil
	})
}
