package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api/rerank"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// maxClientBatch is how many texts a request of Text Embeddings Inference's clients brings; /info tells it.
const maxClientBatch = 256

func (s *Server) teiRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/rerank", id: "tei-rerank", tag: "tei", summary: "Rank texts for a query",
			about:   "Text Embeddings Inference's API. With documents in place of texts it is taken, and answered, as /v1/rerank.",
			request: reflect.TypeFor[rerank.RerankRequest](), response: reflect.TypeFor[[]rerank.TEIRank](), handle: s.teiRerank,
			or: reflect.TypeFor[rerank.RerankedV1](), orFails: reflect.TypeFor[rerank.RerankErrorV1](),
		},
		{
			method: http.MethodPost, path: "/embed", id: "tei-embed", tag: "tei", summary: "Embed texts",
			about:   "Text Embeddings Inference's API, with the server's default bi-encoder.",
			request: reflect.TypeFor[rerank.TEIEmbed](), response: reflect.TypeFor[[][]float32](), handle: s.teiEmbed,
		},
		{
			method: http.MethodGet, path: "/info", id: "tei-info", tag: "tei", summary: "Say which models serve /embed and /rerank",
			response: reflect.TypeFor[rerank.TEIInfo](), handle: s.teiInfo,
		},
	}
}

// direction reads truncation_direction, whose first letter clients write small or large.
func direction(text string) (fromEnd bool, err error) {
	switch text {
	case "", "right", "Right":
		return false, nil
	case "left", "Left":
		return true, nil
	}
	return false, rag.Invalid("/truncation_direction", "truncation_direction is left or right, not %q", clipped(text))
}

// clientBatch refuses too many texts, and none.
func clientBatch(n int) error {
	switch {
	case n == 0:
		return &rag.Problem{Kind: rag.ErrInvalid, Code: codeEmpty, Message: "the request brings no text"}
	case n > maxClientBatch:
		return &rag.Problem{Kind: rag.ErrTooLarge, Code: "batch_too_large", Message: fmt.Sprintf("batch size %d > maximum allowed batch size %d", n, maxClientBatch)}
	}
	return nil
}

// teiRerank takes the requests of two APIs, told apart by their members.
func (s *Server) teiRerank(c *gin.Context) (any, error) {
	var raw json.RawMessage
	if err := readJSON(c, maxTextsJSON, &raw); err != nil {
		return nil, err
	}
	var shape struct {
		Documents json.RawMessage `json:"documents"`
	}
	if err := unmarshal(raw, "", &shape); err != nil {
		return nil, err
	}
	if given(shape.Documents) {
		c.Set(keyFamily, familyRerankV1)
		var request rerank.RerankV1
		if err := unmarshal(raw, "", &request); err != nil {
			return nil, err
		}
		return s.answerV1(c, request)
	}
	var request rerank.TEIRerank
	if err := unmarshal(raw, "", &request); err != nil {
		return nil, err
	}
	return s.rankTexts(c.Request.Context(), request)
}

func (s *Server) rankTexts(ctx context.Context, request rerank.TEIRerank) (any, error) {
	fromEnd, err := direction(request.TruncationDirection)
	if err != nil {
		return nil, err
	}
	if err := clientBatch(len(request.Texts)); err != nil {
		return nil, err
	}
	if request.Query == "" {
		return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: codeEmpty, Message: "query must not be empty"}
	}
	r, err := s.rank(ctx, "", encode.Ranking{
		Query: request.Query, Documents: request.Texts, Parts: 1, Whole: !valueOr(request.Truncate, false), FromEnd: fromEnd,
	}, nil)
	var long *encode.TooLongError
	if errors.As(err, &long) {
		return nil, &rag.Problem{Kind: rag.ErrTooLarge, Code: "input_too_long", Message: fmt.Sprintf(
			"`inputs` must have less than %d tokens. Given: %d, with the query, in text %d; send truncate: true to have it cut", long.Max, long.Tokens, long.Index)}
	}
	if err != nil {
		return nil, err
	}
	out := []rerank.TEIRank{}
	for _, i := range r.order {
		rank := rerank.TEIRank{Index: i, Score: logistic(r.logits[i])}
		if request.RawScores {
			rank.Score = float64(r.logits[i])
		}
		if request.ReturnText {
			rank.Text = &request.Texts[i]
		}
		out = append(out, rank)
	}
	return out, nil
}

func (s *Server) teiEmbed(c *gin.Context) (any, error) {
	var request rerank.TEIEmbed
	if err := readJSON(c, maxTextsJSON, &request); err != nil {
		return nil, err
	}
	fromEnd, err := direction(request.TruncationDirection)
	if err != nil {
		return nil, err
	}
	role, err := promptRole(valueOr(request.PromptName, ""))
	if err != nil {
		return nil, err
	}
	texts, err := oneOrMany(request.Inputs, "/inputs")
	if err != nil {
		return nil, err
	}
	if err := clientBatch(len(texts)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), longest)
	defer cancel()
	encoder, err := s.deps.Encoders.TextEncoder(ctx, "")
	if err != nil {
		return nil, err
	}
	card := encoder.Card()
	if n := valueOr(request.Dimensions, card.Dimension); n != card.Dimension {
		return nil, rag.Invalid("/dimensions", "model %s has %d dimensions and can't give %d; leave dimensions out", card.Name, card.Dimension, n)
	}
	lane, done, err := s.turns.take(ctx, len(texts))
	if err != nil {
		return nil, err
	}
	defer done()
	lists, err := encoder.Tokens(ctx, lane, role, texts)
	if err != nil {
		return nil, err
	}
	if err := cutLists(lists, card, valueOr(request.Truncate, false), fromEnd); err != nil {
		return nil, err
	}
	embeddings, err := encoder.EmbedTokens(ctx, lane, lists, !valueOr(request.Normalize, true))
	return embeddings, err
}

// promptRole is what a prompt of Text Embeddings Inference says of the texts.
func promptRole(name string) (encode.Role, error) {
	switch name {
	case "":
		return encode.RawRole, nil
	case "query":
		return encode.QueryRole, nil
	case "passage", "document":
		return encode.PassageRole, nil
	}
	return 0, rag.Invalid("/prompt_name", "prompt_name is query, passage or document, not %q", clipped(name))
}

// cutLists cuts token lists to what the model reads, or refuses those that are longer.
func cutLists(lists [][]int32, card EncoderCard, truncate, fromEnd bool) error {
	room := card.MaxTokens - card.Special
	for i, ids := range lists {
		switch over := len(ids) - room; {
		case over <= 0:
		case !truncate:
			return &rag.Problem{Kind: rag.ErrTooLarge, Code: "input_too_long", Message: fmt.Sprintf(
				"`inputs` must have less than %d tokens. Given: %d, in text %d; send truncate: true to have it cut", card.MaxTokens, len(ids)+card.Special, i)}
		case fromEnd:
			lists[i] = ids[over:]
		default:
			lists[i] = ids[:room]
		}
	}
	return nil
}

func (s *Server) teiInfo(c *gin.Context) (any, error) {
	ctx := c.Request.Context()
	encoder, err := s.deps.Encoders.TextEncoder(ctx, "")
	if err != nil {
		return nil, err
	}
	ranker, err := s.deps.Encoders.Ranker(ctx, "")
	if err != nil {
		return nil, err
	}
	card, cross := encoder.Card(), ranker.Card()
	return rerank.TEIInfo{
		ModelID: card.Name, ModelSHA: &card.SHA256, ModelDType: card.Precision, ModelType: map[string]any{"embedding": map[string]string{"pooling": card.Pooling}},
		MaxConcurrentRequests: s.options.MaxSearches, MaxInputLength: card.MaxTokens, MaxBatchTokens: maxClientBatch * card.MaxTokens,
		MaxClientBatchSize: maxClientBatch, TokenizationWorkers: s.deps.Lanes.Size(), Version: s.options.Version,
		Reranker: rerank.TEIReranker{ModelID: cross.Name, ModelSHA: cross.SHA256, MaxInputLength: cross.MaxTokens},
	}, nil
}
