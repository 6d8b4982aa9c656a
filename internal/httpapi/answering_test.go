package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/llm"
	"github.com/redkite/redkite/internal/llm/llmtest"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// oracle is what a server that answers finds: hits, and a search that may hang.
type oracle struct {
	world
	hits  []rag.Hit
	asked []retrieve.Query
	begun chan struct{} // where it is there, a search hangs: it is told here,
	hang  chan error    // and here how it ended
}

func (l *oracle) Search(ctx context.Context, q retrieve.Query) (retrieve.Result, error) {
	l.asked = append(l.asked, q)
	if l.begun != nil {
		close(l.begun)
		<-ctx.Done()
		l.hang <- ctx.Err()
		return retrieve.Result{}, ctx.Err()
	}
	return retrieve.Result{Hits: l.hits, RankedBy: rag.RankedByBlend}, nil
}

func (l *oracle) Counter(_ context.Context, _ rag.Collection, name string) (answer.Counter, error) {
	if name == "auto" {
		name = ""
	}
	return llm.NewCounters("").Counter(name)
}

func relevant(r float64) rag.Scores { return rag.Scores{Relevance: &r} }

// kites are two hits of two documents.
func kites() []rag.Hit {
	return []rag.Hit{
		{Document: 1, ExternalID: "kite", Title: "Red kite", Scores: relevant(0.9), Metadata: rag.Metadata{"url": "https://example.org/kite"},
			Chunk: rag.Chunk{ID: 11, Text: "Red kites glide.", PageStart: 3, PageEnd: 3, Span: rag.Span{Start: 100, End: 116}}},
		{Document: 2, ExternalID: "owl", Filename: "owl.txt", Scores: relevant(0.2), Chunk: rag.Chunk{ID: 21, Text: "Owls hunt at night.", Span: rag.Span{Start: 0, End: 19}}},
	}
}

// answering starts a server whose LLM plays a script.
func answering(t *testing.T, l *oracle, change func(*Deps, *Options, *llm.Config), script ...llmtest.Step) (*httptest.Server, *llmtest.Server) {
	t.Helper()
	return answeringAt(t, defaultPace(), l, change, script...)
}

// answeringAt is answering with streams of a pace.
func answeringAt(t *testing.T, pace pace, l *oracle, change func(*Deps, *Options, *llm.Config), script ...llmtest.Step) (*httptest.Server, *llmtest.Server) {
	t.Helper()
	model := llmtest.New(script...)
	t.Cleanup(model.Close)
	config := llm.Config{URL: model.BaseURL(), Model: "scripted", Timeout: 20 * time.Second, First: 10 * time.Second, Stall: 10 * time.Second}
	templates, err := answer.DefaultTemplates()
	if err != nil {
		t.Fatal(err)
	}
	deps := Deps{
		Collections: l, Chunkings: l, Overview: l, Intake: l, Retriever: l, Keys: l, Models: l, Stats: l, Log: slog.New(slog.DiscardHandler),
		Answering: Answering{Templates: templates, Counters: l},
	}
	options := Options{Version: "test", API: true, LoopbackWithoutKey: true, MaxSearches: 4, MaxAnswers: 4, SearchDeadline: time.Minute, DrainTimeout: time.Second}
	if change != nil {
		change(&deps, &options, &config)
	}
	client, err := llm.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if deps.Answering.LLM == nil {
		deps.Answering.LLM = client
	}
	s, err := New(deps, options)
	if err != nil {
		t.Fatal(err)
	}
	s.pace = pace
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server, model
}

const askPath = "/api/v1/collections/c/ask"

// post sends JSON and gives the answer's status and body.
func post(t *testing.T, server *httptest.Server, path, accept, body string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(raw)
}

// event is one of a stream.
type event struct{ name, data string }

func eventsOf(t *testing.T, body string) []event {
	t.Helper()
	var out []event
	var e event
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" && e != event{}:
			out = append(out, e)
			e = event{}
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data = line[len("data: "):]
		}
	}
	return out
}

func names(list []event) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.name)
	}
	return out
}

func decodeInto(t *testing.T, raw string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
}
