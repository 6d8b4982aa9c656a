package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// The formats of a context.
const (
	formatText      = "text"
	formatOpenAI    = "openai"
	formatAnthropic = "anthropic"
	formatCohere    = "cohere"
)

func (s *Server) contextRoute(service huma.API, errs []int) {
	register(s, service, huma.Operation{
		OperationID: "context", Method: http.MethodPost, Path: "/collections/{collection}/context", Summary: "Find passages and pack them for a prompt",
		Tags: []string{"search"}, Errors: errs,
	}, func(ctx context.Context, in *struct {
		CollectionPath
		Body api.ContextRequest
	}) (*struct{ Body api.Context }, error) {
		if err := checkContext(in.Body.Search); err != nil {
			return nil, err
		}
		c, result, err := s.search(ctx, in.Collection, in.Body.Search)
		if err != nil {
			return nil, err
		}
		fence := answer.Fence{}
		if in.Body.Format == formatOpenAI {
			fence = answer.NewFence()
		}
		packed, templates, err := s.pack(ctx, c, result.Hits, in.Body.Packing, in.Body.MaxTokens, fence)
		if err != nil {
			return nil, err
		}
		out := api.Context{
			Sources: sourcesOf(packed.Passages), Tokens: packed.Tokens, CountedBy: packed.CountedBy, Truncated: packed.Truncated,
			Degraded: listOf(result.Degraded), TimingsMS: timingsOf(result.Timings),
		}
		switch in.Body.Format {
		case formatOpenAI:
			prompt, err := templates.Prompt(answer.Asked{Question: in.Body.Query, Collection: c.Name}, fence, packed)
			if err != nil {
				return nil, err
			}
			for _, m := range prompt.Messages {
				out.Messages = append(out.Messages, api.Message(m))
			}
		case formatAnthropic:
			out.SearchResults = blocksOf(c.Name, packed.Passages)
		case formatCohere:
			out.Documents = documentsOf(c.Name, packed.Passages)
		default:
			out.Text = packed.Text
		}
		return &struct{ Body api.Context }{out}, nil
	})
}

// pack packs hits as a request asks, with the collection's templates.
func (s *Server) pack(ctx context.Context, c rag.Collection, hits []rag.Hit, how api.Packing, maxTokens int, fence answer.Fence) (answer.Context, answer.Templates, error) {
	templates, err := s.deps.Answering.Templates.For(c.Tenant, c.Name, how.Templates.Named())
	if err != nil {
		return answer.Context{}, nil, err
	}
	counter, err := s.deps.Answering.Counters.Counter(ctx, c, how.Tokenizer)
	if err != nil {
		return answer.Context{}, nil, err
	}
	packed, err := answer.Pack(hits, answer.Packing{
		MaxTokens: maxTokens, Counter: counter, Order: answer.Order(how.Order), Show: templates.Passage(fence),
	})
	return packed, templates, err
}

func sourcesOf(passages []rag.Passage) []api.Source {
	sources := []api.Source{}
	for _, p := range passages {
		sources = append(sources, sourceOf(p))
	}
	return sources
}

func blocksOf(collection string, passages []rag.Passage) []api.SearchResultBlock {
	blocks := []api.SearchResultBlock{}
	for _, p := range passages {
		blocks = append(blocks, api.SearchResultBlock{
			Type: "search_result", Source: sourceURL(collection, p), Title: answer.Name(p),
			Content: []api.TextBlock{{Type: "text", Text: answer.Shown(p)}}, Citations: api.BlockCitations{Enabled: true},
		})
	}
	return blocks
}

func documentsOf(collection string, passages []rag.Passage) []api.CohereDocument {
	documents := []api.CohereDocument{}
	for _, p := range passages {
		d := map[string]string{"text": answer.Shown(p), "title": answer.Name(p), "document_id": p.ExternalID, "url": sourceURL(collection, p)}
		for key, value := range map[string]string{"section": strings.Join(p.Headings, " > "), "pages": answer.Pages(p)} {
			if value != "" {
				d[key] = value
			}
		}
		documents = append(documents, api.CohereDocument{ID: strconv.Itoa(p.Number), Data: d})
	}
	return documents
}

// sourceURL is where a passage can be read: at the address that the document's metadata gives, else here.
func sourceURL(collection string, p rag.Passage) string {
	if own, ok := p.Metadata["url"].(string); ok {
		if u, err := url.Parse(own); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
			return own
		}
	}
	return fmt.Sprintf("%s/collections/%s/documents/%s/text?start=%d&end=%d", apiBase, url.PathEscape(collection), url.PathEscape(p.ExternalID), p.Span.Start, p.Span.End)
}
