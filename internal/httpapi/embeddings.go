package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// TextEncoder is a bi-encoder for clients that embed their own texts.
type TextEncoder interface {
	Card() EncoderCard
	Tokens(ctx context.Context, lane encode.Lane, role encode.Role, texts []string) ([][]int32, error)
	// EmbedTokens embeds what Tokens gave. raw leaves the embeddings as the model gives them.
	EmbedTokens(ctx context.Context, lane encode.Lane, lists [][]int32, raw bool) ([]rag.Embedding, error)
}

// EncoderCard describes an encoder.
type EncoderCard struct {
	Name      string
	Dimension int    // of embeddings
	MaxTokens int    // in one run, special tokens included
	Special   int    // special tokens around one text
	Pooling   string // cls or mean
	Precision string // of the weights
	SHA256    string // of the graph's file
}

// Encoders give the models.
type Encoders interface {
	// TextEncoder gives a bi-encoder by name, the default one where that is empty. A name that there is not is
	// rag.ErrNotFound, one of another kind of model rag.ErrInvalid.
	TextEncoder(ctx context.Context, name string) (TextEncoder, error)
	// Ranker gives the cross-encoder, which must be the named one where the name is not empty; else it is rag.ErrNotFound.
	Ranker(ctx context.Context, name string) (Ranker, error)
}

// Limits of OpenAI's embeddings.
const (
	maxEmbeddingInputs = 2048
	maxEmbeddingTokens = 300_000
)

func (s *Server) modelRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/models", id: "openai-list-models", tag: "openai", summary: "List models",
			about:    "Collections, which answer chats, and encoders. owned_by says which is which.",
			response: reflect.TypeFor[openai.ModelList](), handle: func(c *gin.Context) (any, error) {
				all, err := s.openAIModels(c.Request.Context())
				return openai.ModelList{Object: "list", Data: all}, err
			},
		},
		{
			method: http.MethodGet, path: "/v1/models/:model", id: "openai-get-model", tag: "openai", summary: "Show a model",
			about:    "Where a collection and an encoder have one name, the collection.",
			response: reflect.TypeFor[openai.ModelObject](), handle: s.getModel,
		},
	}
}

// openAIModels lists the tenant's collections, then the encoders.
func (s *Server) openAIModels(ctx context.Context) ([]openai.ModelObject, error) {
	all := []openai.ModelObject{}
	collections, err := s.deps.Overview.Collections(ctx, tenant(ctx))
	if err != nil {
		return all, err
	}
	for _, collection := range collections {
		all = append(all, openai.CollectionModel(collection))
	}
	for _, m := range s.deps.Models.Models(ctx) {
		all = append(all, openai.EncoderModel(m.Name, m.Kind))
	}
	return all, nil
}

func (s *Server) getModel(c *gin.Context) (any, error) {
	all, err := s.openAIModels(c.Request.Context())
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if m.ID == c.Param("model") {
			return m, nil
		}
	}
	return nil, noModel(fmt.Sprintf("there is no model %q; GET /v1/models lists them", clipped(c.Param("model"))))
}

func noModel(message string) error {
	return &rag.Problem{Kind: rag.ErrNotFound, Code: "model_not_found", Pointer: "/model", Message: message}
}

// modelError makes of a model that can't be had what clients know of that.
func modelError(err error) error {
	var problem *rag.Problem
	if errors.As(err, &problem) && (errors.Is(err, rag.ErrNotFound) || errors.Is(err, rag.ErrInvalid)) {
		return noModel(problem.Message)
	}
	return err
}

func (s *Server) embeddingRoutes() []route {
	return []route{{
		method: http.MethodPost, path: "/v1/embeddings", id: "openai-embeddings", tag: "openai", summary: "Embed texts",
		about:   "With the vectors that the collections of this model have. A text that is longer than the model reads is refused, as OpenAI does.",
		request: reflect.TypeFor[openai.EmbeddingRequest](), response: reflect.TypeFor[openai.EmbeddingList](), handle: s.postEmbeddings,
	}}
}

func (s *Server) postEmbeddings(c *gin.Context) (any, error) {
	var request openai.EmbeddingRequest
	if err := readJSON(c, maxTextsJSON, &request); err != nil {
		return nil, err
	}
	texts, role, err := embeddingInput(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), longest)
	defer cancel()
	encoder, err := s.deps.Encoders.TextEncoder(ctx, request.Model)
	if err != nil {
		return nil, modelError(err)
	}
	card := encoder.Card()
	if request.Dimensions != nil && *request.Dimensions != card.Dimension {
		return nil, rag.Invalid("/dimensions", "model %s has %d dimensions and can't give %d; leave dimensions out", card.Name, card.Dimension, *request.Dimensions)
	}
	lane, done, err := s.turns.take(ctx, len(texts))
	if err != nil {
		return nil, err
	}
	defer done()
	lists, tokens, err := fitting(ctx, encoder, lane, role, texts)
	if err != nil {
		return nil, err
	}
	embeddings, err := encoder.EmbedTokens(ctx, lane, lists, false)
	if err != nil {
		return nil, err
	}
	out := openai.EmbeddingList{Object: "list", Model: card.Name, Usage: openai.EmbeddingUsage{PromptTokens: tokens, TotalTokens: tokens}}
	for i, e := range embeddings {
		object := openai.EmbeddingObject{Object: "embedding", Index: i, Embedding: e}
		if request.EncodingFormat == "base64" {
			object.Embedding = packed(e)
		}
		out.Data = append(out.Data, object)
	}
	return out, nil
}

// embeddingInput checks what a request says before a model reads it.
func embeddingInput(r openai.EmbeddingRequest) (texts []string, role encode.Role, err error) {
	switch r.InputType {
	case "", "passage", "document", "search_document":
		role = encode.PassageRole
	case "query", "search_query":
		role = encode.QueryRole
	default:
		return nil, 0, rag.Invalid("/input_type", "input_type is query or passage (or search_query, search_document, document), not %q", clipped(r.InputType))
	}
	switch {
	case r.EncodingFormat != "" && r.EncodingFormat != "float" && r.EncodingFormat != "base64":
		return nil, 0, rag.Invalid("/encoding_format", "encoding_format is float or base64, not %q", clipped(r.EncodingFormat))
	case r.Model == "":
		return nil, 0, rag.Invalid("/model", "you must provide a model parameter; GET /v1/models lists them")
	}
	texts, err = oneOrMany(r.Input, "/input")
	var problem *rag.Problem
	if errors.As(err, &problem) && problem.Code == codeNotText {
		return nil, 0, &rag.Problem{Kind: rag.ErrInvalid, Code: "token_ids_unsupported", Pointer: "/input", Message: "input has something else than texts; token ids are those " +
			"of another model and can't be read: send the texts (LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False)"}
	}
	if err != nil {
		return nil, 0, err
	}
	if len(texts) == 0 || len(texts) > maxEmbeddingInputs {
		return nil, 0, rag.Invalid("/input", "input has %d texts; send 1 to %d", len(texts), maxEmbeddingInputs)
	}
	for i, text := range texts {
		if text == "" {
			return nil, 0, rag.Invalid("/input", "text %d of input is empty", i)
		}
	}
	return texts, role, nil
}

// fitting tokenises texts, and refuses those that the model does not read whole.
func fitting(ctx context.Context, encoder TextEncoder, lane encode.Lane, role encode.Role, texts []string) (lists [][]int32, tokens int, err error) {
	if lists, err = encoder.Tokens(ctx, lane, role, texts); err != nil {
		return nil, 0, err
	}
	card := encoder.Card()
	for i, ids := range lists {
		n := len(ids) + card.Special
		if n > card.MaxTokens {
			return nil, 0, &rag.Problem{Kind: rag.ErrInvalid, Code: "context_length_exceeded", Pointer: "/input", Message: fmt.Sprintf(
				"this model's maximum context length is %d tokens, and text %d of input has %d; cut it into shorter ones", card.MaxTokens, i, n)}
		}
		tokens += n
	}
	if tokens > maxEmbeddingTokens {
		return nil, 0, &rag.Problem{Kind: rag.ErrInvalid, Code: "max_tokens_per_request", Pointer: "/input", Message: fmt.Sprintf(
			"the request has %d tokens, and %d are the most; send fewer texts at once", tokens, maxEmbeddingTokens)}
	}
	return lists, tokens, nil
}

// packed is the base64 of little-endian float32.
func packed(e rag.Embedding) string {
	raw := make([]byte, 0, 4*len(e))
	for _, x := range e {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
