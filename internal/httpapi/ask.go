package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
)

func (s *Server) askRoutes(service huma.API) {
	s.schemas = service.OpenAPI().Components.Schemas
	schema := func(t reflect.Type) *huma.Schema { return s.schemas.Schema(t, true, "") }
	events := &huma.Schema{AnyOf: []*huma.Schema{
		schema(reflect.TypeFor[api.Passages]()), schema(reflect.TypeFor[api.Delta]()), schema(reflect.TypeFor[api.Citation]()),
		schema(reflect.TypeFor[api.Done]()), schema(reflect.TypeFor[api.Problem]()),
	}}
	register(s, service, huma.Operation{
		OperationID: "ask", Method: http.MethodPost, Path: "/collections/{collection}/ask", Summary: "Ask a question and get a cited answer", Tags: []string{"search"},
		Description: "The LLM of the server answers from the passages found, and every [n] of its answer is a passage that it was shown. " +
			"With 'Accept: text/event-stream' the answer comes as server-sent events: 'passages' once, then 'delta' with text and, after the text that has it, 'citation'; at the end 'done', or 'error' with a problem. " +
			"Where no passage is relevant the answer says so, and no LLM is asked.",
		Errors: []int{http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusNotImplemented, http.StatusGatewayTimeout},
		Responses: map[string]*huma.Response{
			"200": {Description: "The answer; of events, the schema is that of their data.", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schema(reflect.TypeFor[api.Answer]())}, "text/event-stream": {Schema: events},
			}},
			"502": {Description: "The LLM failed; what it was to be shown is in the answer.", Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: schema(reflect.TypeFor[api.AskProblem]())},
			}},
		},
	}, func(ctx context.Context, in *struct {
		CollectionPath
		Accept string `header:"Accept" doc:"text/event-stream for events; JSON comes otherwise."`
		Body   api.Ask
	}) (*huma.StreamResponse, error) {
		c, ok := ctx.Value(keyGin).(*gin.Context)
		if !ok {
			return nil, errors.New("ask: the request has no gin context")
		}
		asked, err := questionOf(in.Body)
		if err != nil {
			return nil, err
		}
		a, err := s.find(ctx, in.Collection, in.Body, asked)
		if err != nil {
			return nil, err
		}
		answer := a.asJSON
		if strings.Contains(in.Accept, "text/event-stream") {
			answer = a.asEvents
		}
		return &huma.StreamResponse{Body: func(huma.Context) {
			defer a.release()
			answer(ctx, c)
		}}, nil
	})
}

// asJSON answers when the answer is whole.
func (a *asking) asJSON(ctx context.Context, c *gin.Context) {
	var text strings.Builder
	out := api.Answer{Citations: []api.Citation{}, Passages: a.shown}
	done, err := a.generate(ctx, func(piece string, cited []api.Citation) error {
		text.WriteString(piece)
		out.Citations = append(out.Citations, cited...)
		return nil
	})
	if err != nil {
		c.Header("Content-Type", "application/problem+json")
		p := api.AskProblem{Problem: a.server.finish(c, err), Passages: a.shown.Passages}
		c.AbortWithStatusJSON(p.Status, p)
		return
	}
	out.Answer, out.Done = text.String(), done
	c.JSON(http.StatusOK, out)
}

// asEvents answers as it comes.
func (a *asking) asEvents(ctx context.Context, c *gin.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := newAnswerStream(c, a.server.pace)
	defer events.keepOpen(cancel)()
	if events.send("passages", a.shown) != nil {
		return // the client is gone
	}
	done, err := a.generate(ctx, func(text string, cited []api.Citation) error {
		if err := events.send("delta", api.Delta{Text: text}); err != nil {
			return err
		}
		for _, citation := range cited {
			if err := events.send("citation", citation); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = events.send("error", a.server.finish(c, err)) // where nobody reads it any more, nothing is lost
		return
	}
	_ = events.send("done", done)
}

// answerStream writes the events of an answer. They come from the LLM, and where it is silent from a beat.
type answerStream struct {
	mu     sync.Mutex
	stream stream
	opened bool
	failed error // of the first write that did; no later one is tried
}

// errClientGone is a write that the client did not take.
var errClientGone = fmt.Errorf("the client does not read the answer: %w", context.Canceled)

func newAnswerStream(c *gin.Context, p pace) *answerStream {
	return &answerStream{stream: stream{c: c, control: http.NewResponseController(c.Writer), pace: p, sent: time.Now()}}
}

// send writes an event; without a name, its data alone, as OpenAI does.
func (s *answerStream) send(event string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	text := "data: " + string(raw) + "\n\n"
	if event != "" {
		text = "event: " + event + "\n" + text
	}
	return s.write(text)
}

// write sends text at once. The first opens the stream.
func (s *answerStream) write(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if !s.opened {
		s.stream.open()
		s.opened = true
	}
	if err := s.stream.write(text); err != nil {
		s.failed = errors.Join(errClientGone, err)
	}
	return s.failed
}

// begun reports whether anything was sent.
func (s *answerStream) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// keepOpen writes a comment where nothing else was for a while, and calls gone when that fails, until it is stopped; that
// may be done more than once.
func (s *answerStream) keepOpen(gone func()) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(s.stream.pace.beat / 2)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			s.mu.Lock()
			silent := time.Since(s.stream.sent) >= s.stream.pace.beat/2
			s.mu.Unlock()
			if silent && s.write(": still there\n\n") != nil {
				gone()
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(over)
		<-ended
	})
}
