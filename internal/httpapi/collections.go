package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

type collectionBody struct{ Body api.Collection }

func (s *Server) collectionRoutes(service huma.API) {
	register(s, service, huma.Operation{
		OperationID: "create-collection", Method: http.MethodPost, Path: "/collections", Summary: "Make a collection",
		Tags: []string{"collections"}, DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body api.NewCollection }) (*collectionBody, error) {
		c, err := s.deps.Collections.Create(ctx, tenant(ctx), in.Body)
		if err != nil {
			return nil, err
		}
		return &collectionBody{collectionOf(c, rag.Counts{})}, nil
	})

	register(s, service, huma.Operation{
		OperationID: "list-collections", Method: http.MethodGet, Path: "/collections", Summary: "List collections", Tags: []string{"collections"},
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body api.Collections }, error) {
		found, err := s.deps.Overview.Collections(ctx, tenant(ctx))
		if err != nil {
			return nil, err
		}
		out := struct{ Body api.Collections }{api.Collections{Collections: []api.Collection{}}}
		for _, c := range found {
			counts, err := s.deps.Overview.Counts(ctx, c.ID)
			if err != nil {
				return nil, err
			}
			out.Body.Collections = append(out.Body.Collections, collectionOf(c, counts))
		}
		return &out, nil
	})

	register(s, service, huma.Operation{
		OperationID: "get-collection", Method: http.MethodGet, Path: "/collections/{collection}", Summary: "Show a collection and its counts",
		Tags: []string{"collections"}, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *CollectionPath) (*collectionBody, error) {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		return s.counted(ctx, c)
	})

	register(s, service, huma.Operation{
		OperationID: "patch-collection", Method: http.MethodPatch, Path: "/collections/{collection}", Summary: "Change how a collection's documents are cut, and how they are found and ranked",
		Description: "What is uploaded from now on is cut so. A document that is there is cut anew when it is uploaded again, also with the same bytes.",
		Tags:        []string{"collections"}, Errors: []int{http.StatusNotFound},
	}, s.patchCollection)

	register(s, service, huma.Operation{
		OperationID: "delete-collection", Method: http.MethodDelete, Path: "/collections/{collection}", Summary: "Delete a collection and all in it",
		Description: "It is gone at once; a job removes what is left behind.",
		Tags:        []string{"collections"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *CollectionPath) (*jobBody, error) {
		job, err := s.deps.Collections.DeleteCollection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		return accepted(job), nil
	})
}

// patchCollection changes what later uploads are cut by, which searches find candidates, and how they rank.
func (s *Server) patchCollection(ctx context.Context, in *struct {
	CollectionPath
	Body api.CollectionPatch
}) (*collectionBody, error) {
	if in.Body.Chunking == nil && in.Body.Retrieval == nil && in.Body.Mode == nil {
		return nil, rag.Invalid("", "nothing is to be changed: give chunking, mode or retrieval")
	}
	c, err := s.deps.Collections.Change(ctx, tenant(ctx), in.Collection, in.Body)
	if err != nil {
		return nil, err
	}
	return s.counted(ctx, c)
}

// counted shows a collection with its counts.
func (s *Server) counted(ctx context.Context, c rag.Collection) (*collectionBody, error) {
	counts, err := s.deps.Overview.Counts(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	body := collectionOf(c, counts)
	body.Lexical = s.lexicalOf(ctx, c)
	return &collectionBody{body}, nil
}

// lexicalTimeout bounds the question to Milvus: a collection is shown without the answer too.
const lexicalTimeout = time.Second

// lexicalOf says whether a collection can be searched by its words; "" where that can't be told now.
func (s *Server) lexicalOf(ctx context.Context, c rag.Collection) rag.Lexical {
	if s.deps.Lexical == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, lexicalTimeout)
	defer cancel()
	state, err := s.deps.Lexical.Lexical(ctx, c)
	if err != nil {
		s.log.DebugContext(ctx, "look for term vectors", "collection", c.Name, "error", err)
		return ""
	}
	return state
}

func collectionOf(c rag.Collection, counts rag.Counts) api.Collection {
	return api.Collection{
		Name: c.Name, Model: c.BiEncoder, Dimension: c.Dimension, Fields: listOf(c.Fields), Chunking: c.Chunking, Retrieval: c.Retrieval.Over(rag.DefaultRetrieval()), Mode: cmp.Or(c.Mode, retrieve.DefaultMode), CreatedAt: c.CreatedAt,
		Documents: api.DocumentCounts{Total: counts.Total, Ready: counts.Ready, Pending: counts.Pending, Failed: counts.Failed, Canceled: counts.Canceled},
		Chunks:    counts.Chunks, Rebuilding: c.Rebuilding,
	}
}
