package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// Chunks reads the chunks of documents' live versions. Where none is live that is rag.ErrNotFound.
type Chunks interface {
	// DocumentChunks gives up to limit chunks in order, from an ordinal on.
	DocumentChunks(ctx context.Context, c rag.CollectionID, externalID string, from, limit int) (rag.ChunkPage, error)
	// ChunkOrdinal gives the place of a chunk in its document.
	ChunkOrdinal(ctx context.Context, c rag.CollectionID, externalID string, id rag.ChunkID) (int, error)
}

// chunkSelection says which chunks of a document to list.
type chunkSelection struct {
	DocumentPath
	From   int         `query:"from" default:"0" minimum:"0" maximum:"2000000000" doc:"Place of the first chunk wanted, from 0; the 'next' of the page before."`
	Limit  int         `query:"limit" default:"50" minimum:"1" maximum:"500"`
	Around rag.ChunkID `query:"around" minimum:"0" doc:"A chunk of the document: then it is listed with its neighbours, and from and limit do not count."`
	Before int         `query:"before" default:"2" minimum:"0" maximum:"50" doc:"Neighbours before it."`
	After  int         `query:"after" default:"2" minimum:"0" maximum:"50" doc:"Neighbours after it."`
}

func (s *Server) chunkRoutes(service huma.API) {
	register(s, service, huma.Operation{
		OperationID: "list-chunks", Method: http.MethodGet, Path: "/collections/{collection}/documents/{document}/chunks", Summary: "List a document's chunks",
		Description: "Those of the live version, in order; with around, one chunk and its neighbours. 404 before a version is live.",
		Tags:        []string{"documents"}, Errors: []int{http.StatusNotFound}, RejectUnknownQueryParameters: true,
	}, func(ctx context.Context, in *chunkSelection) (*struct{ Body api.Chunks }, error) {
		c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
		if err != nil {
			return nil, err
		}
		from, limit := in.From, in.Limit
		if in.Around > 0 {
			at, err := s.deps.Chunks.ChunkOrdinal(ctx, c.ID, in.Document, in.Around)
			if err != nil {
				return nil, err
			}
			from = max(0, at-in.Before)
			limit = at + in.After + 1 - from
		}
		page, err := s.deps.Chunks.DocumentChunks(ctx, c.ID, in.Document, from, limit)
		if err != nil {
			return nil, err
		}
		out := api.Chunks{DocumentID: in.Document, Version: page.Version, Total: page.Total, Chunks: []api.Chunk{}}
		for _, chunk := range page.Chunks {
			out.Chunks = append(out.Chunks, api.Chunk{
				ChunkID: chunk.ID, Ordinal: chunk.Ordinal, Header: chunk.Header, Text: chunk.Text, Headings: listOf(chunk.Headings),
				PageStart: chunk.PageStart, PageEnd: chunk.PageEnd, Span: chunk.Span, Tokens: chunk.Tokens,
			})
		}
		if next := from + len(page.Chunks); len(page.Chunks) > 0 && next < page.Total {
			out.Next = next
		}
		return &struct{ Body api.Chunks }{out}, nil
	})
}
