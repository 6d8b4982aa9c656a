package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

func (s *Server) searchRoutes(service huma.API) {
	errs := []int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusGatewayTimeout}
	register(s, service, huma.Operation{
		OperationID: "search", Method: http.MethodPost, Path: "/collections/{collection}/search", Summary: "Find passages",
		Tags: []string{"search"}, Errors: errs,
	}, func(ctx context.Context, in *struct {
		CollectionPath
		Body api.Search
	}) (*struct{ Body api.SearchResult }, error) {
		_, result, err := s.search(ctx, in.Collection, in.Body)
		if err != nil {
			return nil, err
		}
		hits, shaped := shapedOf(result, in.Body.GroupBy != "")
		out := api.SearchResult{
			Hits: hits, RankedBy: result.RankedBy, Candidates: result.Candidates, Reranked: result.Reranked, Ended: result.Ended,
			Degraded: listOf(result.Degraded), TimingsMS: timingsOf(result.Timings), Shaped: shaped,
		}
		return &struct{ Body api.SearchResult }{out}, nil
	})

	s.contextRoute(service, errs)

	register(s, service, huma.Operation{
		OperationID: "list-models", Method: http.MethodGet, Path: "/models", Summary: "List models", Tags: []string{"models"},
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body api.Models }, error) {
		return &struct{ Body api.Models }{api.Models{Models: s.deps.Models.Models(ctx)}}, nil
	})
}

// search answers a query if there is room for one more.
func (s *Server) search(ctx context.Context, collection string, q api.Search) (rag.Collection, retrieve.Result, error) {
	c, err := s.deps.Collections.Collection(ctx, tenant(ctx), collection)
	if err != nil {
		return c, retrieve.Result{}, err
	}
	query, err := s.query(c, q)
	if err != nil {
		return c, retrieve.Result{}, err
	}
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	default:
		return c, retrieve.Result{}, &rag.Problem{
			Kind: rag.ErrOverloaded, Code: "too_many_searches", RetryAfter: time.Second,
			Message: "too many searches are waiting; try again in a second",
		}
	}
	result, err := s.deps.Retriever.Search(ctx, query)
	if err == nil {
		s.metrics.searched(result)
	}
	return c, result, err
}

func hitOf(h rag.Hit) api.Hit {
	return api.Hit{
		DocumentID: h.ExternalID, ChunkID: h.Chunk.ID, Title: h.Title, Filename: h.Filename, Language: h.Language, Header: h.Chunk.Header, Text: h.Chunk.Text,
		Parent:   parentOf(h.Chunk.Parent),
		Headings: listOf(h.Chunk.Headings), PageStart: h.Chunk.PageStart, PageEnd: h.Chunk.PageEnd, Span: h.Chunk.Span,
		Metadata: metadataOf(h.Metadata), Scores: h.Scores, DenseRank: h.DenseRank, LexicalRank: h.LexicalRank, RankedBy: h.RankedBy,
	}
}

func parentOf(p *rag.Parent) *api.Parent {
	if p == nil {
		return nil
	}
	return &api.Parent{Span: p.Span, Header: p.Header, Text: p.Text, PageStart: p.PageStart, PageEnd: p.PageEnd, ChunkIDs: p.Chunks}
}

func sourceOf(p rag.Passage) api.Source {
	return api.Source{
		Number: p.Number, DocumentID: p.ExternalID, ChunkIDs: p.Chunks, Title: p.Title, Filename: p.Filename,
		Headings: listOf(p.Headings), PageStart: p.PageStart, PageEnd: p.PageEnd, Span: p.Span, Header: p.Header, Text: p.Text,
		Truncated: p.Truncated, Metadata: metadataOf(p.Metadata),
	}
}

func timingsOf(t retrieve.Timings) api.Timings {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return api.Timings{
		Rewrite: ms(t.Rewrite), Embed: ms(t.Embed), Search: ms(t.Search), Lexical: ms(t.Lexical), Live: ms(t.Live), Rerank: ms(t.Rerank),
		Shape: ms(t.Shape), Expand: ms(t.Expand), Highlight: ms(t.Highlight), Total: ms(t.Total),
	}
}

// listOf makes a missing list an empty one, which is what JSON shows.
func listOf[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
