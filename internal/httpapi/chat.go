package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/rag"
)

// chatPath is where OpenAI's clients ask, below a base of /v1.
const chatPath = "/v1/chat/completions"

// maxChat bounds a conversation, in bytes.
const maxChat = 4 << 20

func (s *Server) chatRoutes(service huma.API, group *gin.RouterGroup) {
	group.POST(chatPath, s.postChat)
	schema := func(t reflect.Type) *huma.Schema { return s.schemas.Schema(t, true, "") }
	failed := map[string]*huma.MediaType{"application/json": {Schema: schema(reflect.TypeFor[openai.ChatError]())}}
	service.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "chat-completions", Method: http.MethodPost, Path: chatPath, Summary: "Ask a question as OpenAI's clients do", Tags: []string{"openai"},
		Description: "The model is the name of a collection; the answer cites passages as [n]. Annotations and sources come with the answer, in a stream with the chunk that has the finish_reason.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema(reflect.TypeFor[openai.ChatRequest]())}}},
		Responses: map[string]*huma.Response{
			"200": {Description: "The answer; of a stream, the schema is that of its events' data, and the last is [DONE].", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schema(reflect.TypeFor[openai.ChatCompletion]())}, "text/event-stream": {Schema: schema(reflect.TypeFor[openai.ChatChunk]())},
			}},
			"default": {Description: "Refused, or the LLM failed.", Content: failed},
		},
	})
}

func (s *Server) postChat(c *gin.Context) {
	ctx := c.Request.Context()
	request, err := s.readChat(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	q, asked, err := s.chatAsk(request)
	if err != nil {
		s.fail(c, err)
		return
	}
	a, err := s.find(ctx, request.Model, q, asked)
	if err != nil {
		s.fail(c, modelNotFound(err, request.Model))
		return
	}
	defer a.release()
	chat := &chatAnswer{asking: a, base: baseURL(c.Request), id: "chatcmpl-" + requestID(c), created: time.Now().Unix(), usage: request.StreamOptions != nil && request.StreamOptions.IncludeUsage}
	if request.Stream {
		chat.stream(ctx, c)
		return
	}
	chat.whole(ctx, c)
}

// readChat reads a request.
func (s *Server) readChat(c *gin.Context) (openai.ChatRequest, error) {
	var request openai.ChatRequest
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // where that can't be set, the client's own patience ends it
	raw, err := readAll(c, maxChat)
	_ = control.SetReadDeadline(time.Time{})
	if err != nil {
		return request, err
	}
	return request, s.decode(raw, &request)
}

// chatAsk makes a native question of a request.
func (s *Server) chatAsk(r openai.ChatRequest) (q api.Ask, asked answer.Asked, err error) {
	if string(r.Tools) != "" && string(r.Tools) != "null" && string(r.Tools) != "[]" {
		return q, asked, &rag.Problem{Kind: rag.ErrInvalid, Code: "unsupported_parameter", Pointer: "/tools", Message: "tools are not supported: answers come from the collection's passages"}
	}
	messages := make([]api.Message, len(r.Messages))
	for i, m := range r.Messages {
		at := "/messages/" + strconv.Itoa(i) + "/content"
		if messages[i], err = messageOf(m, at); err != nil {
			return q, asked, err
		}
	}
	if asked, err = conversation(messages); err != nil {
		return q, asked, err
	}
	stop, err := stopOf(r.Stop)
	if err != nil {
		return q, asked, err
	}
	asked.Sampling = answer.Sampling{
		Temperature: r.Temperature, TopP: r.TopP, Seed: r.Seed, FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty, Stop: stop,
	}
	for _, limit := range []*int{r.MaxTokens, r.MaxCompletionTokens} {
		if limit != nil {
			asked.Sampling.MaxTokens = *limit
		}
	}
	o := openai.ChatOptions{TopK: 10, Candidates: 50, MaxContextTokens: 3000}
	if r.Redkite != nil {
		given := *r.Redkite
		o.Rerank, o.Filter, o.MinRelevance, o.Rewrite, o.Packing = given.Rerank, given.Filter, given.MinRelevance, given.Rewrite, given.Packing
		for to, from := range map[*int]int{&o.TopK: given.TopK, &o.Candidates: given.Candidates, &o.MaxContextTokens: given.MaxContextTokens} {
			if from > 0 {
				*to = from
			}
		}
	}
	return api.Ask{
		Search: api.Search{TopK: o.TopK, Candidates: o.Candidates, Rerank: o.Rerank, Filter: o.Filter}, Packing: o.Packing,
		MaxContextTokens: o.MaxContextTokens, MinRelevance: o.MinRelevance, Rewrite: o.Rewrite,
	}, asked, nil
}

// messageOf reads a message; its content is text, or parts of text.
func messageOf(m openai.ChatMessage, at string) (api.Message, error) {
	role := m.Role
	if role == "developer" { // OpenAI's newer name
		role = answer.RoleSystem
	}
	var text string
	if json.Unmarshal(m.Content, &text) == nil {
		return api.Message{Role: role, Content: text}, nil
	}
	var parts []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if json.Unmarshal(m.Content, &parts) != nil {
		return api.Message{}, rag.Invalid(at, "content must be text or a list of parts")
	}
	var texts []string
	for i, part := range parts {
		if part.Type != "text" || part.Text == nil {
			return api.Message{}, rag.Invalid(at+"/"+strconv.Itoa(i), "a part of type %q is not supported; send text", part.Type)
		}
		texts = append(texts, *part.Text)
	}
	return api.Message{Role: role, Content: strings.Join(texts, "\n")}, nil
}

// maxStop is how many stop sequences OpenAI takes.
const maxStop = 4

func stopOf(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil || len(many) > maxStop {
		return nil, rag.Invalid("/stop", "stop must be a string, or a list of up to %d", maxStop)
	}
	return many, nil
}

// modelNotFound says in OpenAI's words that there is no such collection.
func modelNotFound(err error, model string) error {
	if !errors.Is(err, rag.ErrNotFound) {
		return err
	}
	return &rag.Problem{
		Kind: rag.ErrNotFound, Code: "model_not_found", Pointer: "/model", Err: err,
		Message: "the model " + strconv.Quote(model) + " does not exist: model is the name of a collection, and GET /api/v1/collections lists them",
	}
}

// baseURL is this server's address as the client wrote it.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// chatAnswer is an answer in OpenAI's shape.
type chatAnswer struct {
	*asking
	base    string
	id      string
	created int64
	usage   bool // a last chunk has it
	cited   []api.Citation
}

func (a *chatAnswer) sources(done api.Done) *openai.ChatSources {
	return &openai.ChatSources{Passages: a.shown, Citations: listOf(a.cited), FinishReason: done.FinishReason}
}

func (a *chatAnswer) annotations() []openai.Annotation {
	out := []openai.Annotation{}
	for _, c := range a.cited {
		address := c.URL
		if strings.HasPrefix(address, "/") {
			address = a.base + address
		}
		out = append(out, openai.Annotation{Type: "url_citation", URLCitation: openai.URLCitation{
			StartIndex: c.At.Start, EndIndex: c.At.End, URL: address, Title: c.Title, Number: c.Number, DocumentID: c.DocumentID,
			PageStart: c.PageStart, PageEnd: c.PageEnd, SpanStart: c.Span.Start, SpanEnd: c.Span.End,
		}})
	}
	return out
}

// finishOf gives OpenAI's word for how an answer ended.
func finishOf(done api.Done) string {
	if done.FinishReason == answer.FinishNothing {
		return answer.FinishStop
	}
	return done.FinishReason
}

func usageOf(u api.AnswerUsage) openai.ChatUsage {
	return openai.ChatUsage{PromptTokens: u.PromptTokens, CompletionTokens: u.AnswerTokens, TotalTokens: u.PromptTokens + u.AnswerTokens}
}

// fail ends a request whose stream has not begun with an error, and the passages.
func (a *chatAnswer) fail(c *gin.Context, err error) {
	p := a.server.finish(c, err)
	c.AbortWithStatusJSON(p.Status, openai.ChatError{OpenAIError: openAIError(p), Sources: a.sources(api.Done{})})
}

func (a *chatAnswer) whole(ctx context.Context, c *gin.Context) {
	var text strings.Builder
	done, err := a.generate(ctx, func(piece string, cited []api.Citation) error {
		text.WriteString(piece)
		a.cited = append(a.cited, cited...)
		return nil
	})
	if err != nil {
		a.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, openai.ChatCompletion{
		ID: a.id, Object: "chat.completion", Created: a.created, Model: a.collect.Name, Usage: usageOf(done.Usage), Sources: *a.sources(done),
		Choices: []openai.ChatChoice{{
			Message:      openai.ChatAnswer{Role: answer.RoleAssistant, Content: text.String(), Annotations: a.annotations()},
			FinishReason: finishOf(done),
		}},
	})
}

func (a *chatAnswer) chunk(choices ...openai.ChunkChoice) openai.ChatChunk {
	return openai.ChatChunk{ID: a.id, Object: "chat.completion.chunk", Created: a.created, Model: a.collect.Name, Choices: listOf(choices)}
}

// stream sends chunks. Until the LLM's first text nothing is sent, so that an LLM that is down is a 502.
func (a *chatAnswer) stream(ctx context.Context, c *gin.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := newAnswerStream(c, a.server.pace)
	stop := events.keepOpen(cancel)
	defer stop()
	role := answer.RoleAssistant
	done, err := a.generate(ctx, func(text string, cited []api.Citation) error {
		a.cited = append(a.cited, cited...)
		delta := openai.ChatDelta{Role: role, Content: &text}
		role = ""
		return events.send("", a.chunk(openai.ChunkChoice{Delta: delta}))
	})
	if err != nil {
		stop()
		if !events.begun() {
			a.fail(c, err)
			return
		}
		_ = events.send("", openai.ChatError{OpenAIError: openAIError(a.server.finish(c, err)), Sources: a.sources(api.Done{})})
		return
	}
	finish := finishOf(done)
	last := a.chunk(openai.ChunkChoice{Delta: openai.ChatDelta{Role: role, Annotations: a.annotations()}, FinishReason: &finish})
	last.Sources = a.sources(done)
	_ = events.send("", last) // a client that is gone by now has lost nothing of use
	if a.usage {
		u := usageOf(done.Usage)
		tail := a.chunk()
		tail.Usage = &u
		_ = events.send("", tail)
	}
	_ = events.write("data: [DONE]\n\n")
}

// readAll reads a request's body within a limit.
func readAll(c *gin.Context, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &rag.Problem{Kind: rag.ErrTooLarge, Code: "request_too_large", Message: "the request has more than " + strconv.FormatInt(limit, 10) + " bytes; send fewer messages"}
	case err != nil:
		return nil, rag.Invalid("", "the request can't be read: %v", err)
	}
	return raw, nil
}
