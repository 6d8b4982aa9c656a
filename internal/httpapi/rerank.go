package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api/rerank"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// Ranker is the cross-encoder for clients that rank their own texts.
type Ranker interface {
	Card() EncoderCard
	Rank(ctx context.Context, r encode.Ranking) (encode.Ranked, error)
}

// Limits and defaults of Cohere's API; Jina's requests are held to them too.
const (
	maxRerankDocuments = 1000
	maxRerankParts     = 10_000 // of all documents, with max_chunks_per_doc
	usualDocTokens     = 4096
	usualDocParts      = 10
	billedDocuments    = 100 // of a search unit
	billedTokens       = 500 // of a document in a search unit
)

func (s *Server) rerankRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/v2/rerank", id: "cohere-rerank", tag: "cohere", summary: "Rank documents for a query",
			about:   "Every document is read; the cross-encoder alone decides. Cohere's API, version 2.",
			request: reflect.TypeFor[rerank.CohereRerank](), response: reflect.TypeFor[rerank.CohereReranked](), handle: s.cohereRerank,
		},
		{
			method: http.MethodPost, path: "/v1/rerank", id: "rerank-v1", tag: "jina", summary: "Rank documents for a query",
			about:   "Jina's API, and version 1 of Cohere's: the answer has the members of both.",
			request: reflect.TypeFor[rerank.RerankV1](), response: reflect.TypeFor[rerank.RerankedV1](), handle: s.rerankV1,
		},
	}
}

// ranked is what a rerank answers from, best first.
type ranked struct {
	card   EncoderCard
	order  []int // of the documents
	logits []float32
	tokens int
}

// rank ranks documents once its request is checked.
func (s *Server) rank(ctx context.Context, model string, r encode.Ranking, topN *int) (ranked, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	ranker, err := s.deps.Encoders.Ranker(ctx, model)
	if err != nil {
		return ranked{}, modelError(err)
	}
	card := ranker.Card()
	var done func()
	if r.Lane, done, err = s.turns.take(ctx, runsOf(r, card)); err != nil {
		return ranked{}, err
	}
	defer done()
	result, err := ranker.Rank(ctx, r)
	if err != nil {
		return ranked{}, err
	}
	out := ranked{card: card, logits: result.Logits, tokens: result.Tokens, order: make([]int, len(result.Logits))}
	for i := range out.order {
		out.order[i] = i
	}
	slices.SortStableFunc(out.order, func(a, b int) int { return cmp.Compare(result.Logits[b], result.Logits[a]) })
	if topN != nil {
		out.order = out.order[:min(*topN, len(out.order))]
	}
	return out, nil
}

// runsOf guesses how many runs a ranking takes, at four bytes a token.
func runsOf(r encode.Ranking, card EncoderCard) int {
	runs := 0
	for _, d := range r.Documents {
		tokens := len(d) / 4
		if r.DocumentTokens > 0 {
			tokens = min(tokens, r.DocumentTokens)
		}
		runs += max(1, min(r.Parts, 1+tokens/max(1, card.MaxTokens)))
	}
	return runs
}

// logistic makes a relevance from 0 to 1 of a logit.
func logistic(logit float32) float64 { return 1 / (1 + math.Exp(-float64(logit))) }

func checkRanking(query string, documents, topN int, asked bool) error {
	switch {
	case query == "":
		return rag.Invalid("/query", "query must not be empty")
	case documents == 0:
		return rag.Invalid("/documents", "documents must not be empty")
	case documents > maxRerankDocuments:
		return rag.Invalid("/documents", "there are %d documents, and %d are the most; send fewer at once", documents, maxRerankDocuments)
	case asked && topN < 1:
		return rag.Invalid("/top_n", "top_n must be at least 1")
	}
	return nil
}

func (s *Server) cohereRerank(c *gin.Context) (any, error) {
	var request rerank.CohereRerank
	if err := readJSON(c, maxTextsJSON, &request); err != nil {
		return nil, err
	}
	if request.Model == "" {
		return nil, rag.Invalid("/model", "model is required; GET /v1/models lists them")
	}
	if err := checkRanking(request.Query, len(request.Documents), valueOr(request.TopN, 0), request.TopN != nil); err != nil {
		return nil, err
	}
	most := valueOr(request.MaxTokensPerDoc, usualDocTokens)
	if most < 1 {
		return nil, rag.Invalid("/max_tokens_per_doc", "max_tokens_per_doc must be at least 1")
	}
	r, err := s.rank(c.Request.Context(), request.Model, encode.Ranking{
		Query: request.Query, Documents: request.Documents, DocumentTokens: most, Parts: maxRerankParts,
	}, request.TopN)
	if err != nil {
		return nil, err
	}
	out := rerank.CohereReranked{ID: requestID(c), Results: []rerank.RerankResult{}, Meta: rerankMeta("2", request.Documents)}
	for _, i := range r.order {
		out.Results = append(out.Results, rerank.RerankResult{Index: i, RelevanceScore: logistic(r.logits[i])})
	}
	return out, nil
}

func rerankMeta(version string, documents []string) rerank.RerankMeta {
	units := 0
	for _, d := range documents {
		units += 1 + len(d)/4/billedTokens
	}
	return rerank.RerankMeta{
		APIVersion:  rerank.APIVersion{Version: version},
		BilledUnits: rerank.BilledUnits{SearchUnits: (units + billedDocuments - 1) / billedDocuments},
	}
}

// rerankV1 takes the requests of two APIs, told apart by their members.
func (s *Server) rerankV1(c *gin.Context) (any, error) {
	var request rerank.RerankV1
	if err := readJSON(c, maxTextsJSON, &request); err != nil {
		return nil, err
	}
	return s.answerV1(c, request)
}

func (s *Server) answerV1(c *gin.Context, request rerank.RerankV1) (any, error) {
	cohere := request.RankFields != nil || request.MaxChunksPerDoc != nil || request.MaxTokensPerDoc != nil
	query, err := textOf(request.Query, nil, "/query")
	if err != nil {
		return nil, err
	}
	if err := checkRanking(query, len(request.Documents), valueOr(request.TopN, 0), request.TopN != nil); err != nil {
		return nil, err
	}
	documents := make([]string, len(request.Documents))
	for i, raw := range request.Documents {
		if documents[i], err = textOf(raw, request.RankFields, fmt.Sprintf("/documents/%d", i)); err != nil {
			return nil, err
		}
	}
	ranking := encode.Ranking{Query: query, Documents: documents, Parts: maxRerankParts, DocumentTokens: usualDocTokens}
	for _, limit := range []struct {
		name string
		from *int
		to   *int
	}{
		{"max_tokens_per_doc", request.MaxTokensPerDoc, &ranking.DocumentTokens}, {"max_doc_length", request.MaxDocLength, &ranking.DocumentTokens},
		{"max_chunks_per_doc", request.MaxChunksPerDoc, &ranking.Parts},
	} {
		if limit.from == nil {
			continue
		}
		if *limit.to = *limit.from; *limit.to < 1 {
			return nil, rag.Invalid("/"+limit.name, "%s must be at least 1", limit.name)
		}
	}
	if cohere && request.MaxTokensPerDoc == nil { // the older API counts parts, not tokens
		ranking.DocumentTokens, ranking.Parts = 0, valueOr(request.MaxChunksPerDoc, usualDocParts)
	}
	if cohere && ranking.Parts < maxRerankParts && ranking.Parts*len(documents) > maxRerankParts {
		return nil, rag.Invalid("/max_chunks_per_doc", "%d documents of up to %d parts are more than %d parts; send fewer documents or a smaller max_chunks_per_doc", len(documents), ranking.Parts, maxRerankParts)
	}
	r, err := s.rank(c.Request.Context(), request.Model, ranking, request.TopN)
	if err != nil {
		return nil, err
	}
	out := rerank.RerankedV1{
		ID: requestID(c), Model: r.card.Name, Object: "list", Usage: rerank.RerankUsage{TotalTokens: r.tokens, PromptTokens: r.tokens},
		Results: []rerank.RerankedDocument{}, Meta: rerankMeta("1", documents),
	}
	for _, i := range r.order {
		result := rerank.RerankedDocument{RerankResult: rerank.RerankResult{Index: i, RelevanceScore: logistic(r.logits[i])}}
		if valueOr(request.ReturnDocuments, !cohere) {
			result.Document = documentObject(request.Documents[i], documents[i])
		}
		out.Results = append(out.Results, result)
	}
	return out, nil
}

// documentObject is a document as results bring it: the object that it was, or one with its text.
func documentObject(raw json.RawMessage, text string) any {
	if len(raw) > 0 && raw[0] == '{' {
		return raw
	}
	return map[string]string{"text": text}
}

// textOf reads a text, or the text of an object: that of the fields given, or of its member text.
func textOf(raw json.RawMessage, fields []string, at string) (string, error) {
	var text string
	if len(raw) > 0 && raw[0] == '"' {
		return text, unmarshal(raw, at, &text)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return "", rag.Invalid(at, "%s must be a string, or an object with a text", strings.TrimPrefix(at, "/"))
	}
	if len(fields) == 0 {
		text, ok := object["text"].(string)
		if !ok {
			return "", rag.Invalid(at+"/text", "%s has no text", strings.TrimPrefix(at, "/"))
		}
		return text, nil
	}
	var lines []string
	for _, field := range fields {
		if value, ok := object[field]; ok {
			lines = append(lines, fmt.Sprintf("%s: %v", field, value))
		}
	}
	if len(lines) == 0 {
		return "", rag.Invalid(at, "%s has none of rank_fields", strings.TrimPrefix(at, "/"))
	}
	return strings.Join(lines, "\n"), nil
}

// valueOr is what a pointer points to, or other where it is nil.
func valueOr[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}
