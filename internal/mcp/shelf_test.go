package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// shelf is a library of texts by collection and document.
type shelf struct {
	mu      sync.Mutex
	texts   map[string]map[string]string
	asked   []api.Search
	added   []api.NewDocument
	deleted []string
	failure error
}

func newShelf() *shelf {
	return &shelf{texts: map[string]map[string]string{
		"birds": {"kite": "The red kite has a forked tail.", "sub/robin 🪶+": "The robin sings at night."},
		"books": {"long": strings.Repeat("é", windowLength) + strings.Repeat("🪁", windowStep) + "the end"},
	}}
}

func (s *shelf) Collections(context.Context) (api.Collections, error) {
	var out api.Collections
	for _, name := range []string{"birds", "books"} {
		out.Collections = append(out.Collections, api.Collection{Name: name, Documents: api.DocumentCounts{Ready: len(s.texts[name])}, Chunks: 7})
	}
	return out, s.failure
}

// Search finds every document of a collection, with a passage at its end, ordered by id; the relevance is the share of the
// query's words in it.
func (s *shelf) Search(_ context.Context, collection string, q api.Search) (api.SearchResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	texts, ok := s.texts[collection]
	if s.failure != nil || !ok {
		return api.SearchResult{}, errors.Join(s.failure, rag.NotFound("there is no collection %q", collection))
	}
	out := api.SearchResult{RankedBy: "blend"}
	for id, text := range texts {
		n := 0.0
		for _, word := range strings.Fields(q.Query) {
			if strings.Contains(text, word) {
				n++
			}
		}
		length := len([]rune(text))
		for i := range 2 { // two passages of each document
			out.Hits = append(out.Hits, api.Hit{
				DocumentID: id, ChunkID: rag.ChunkID(i + 1), Text: text, Metadata: map[string]any{"year": 1758.0},
				Span: rag.Span{Start: max(0, length-10), End: length}, Scores: rag.Scores{Relevance: &n},
			})
		}
	}
	slices.SortFunc(out.Hits, func(a, b api.Hit) int { return strings.Compare(a.DocumentID, b.DocumentID) })
	return out, nil
}

func (s *shelf) Document(_ context.Context, collection, id string) (api.Document, error) {
	if _, ok := s.texts[collection][id]; !ok {
		return api.Document{}, rag.NotFound("there is no document %q", id)
	}
	return api.Document{DocumentID: id, Filename: id + ".txt", Status: rag.StatusReady, Metadata: map[string]any{"url": "https://example.com/" + collection}}, nil
}

func (s *shelf) Text(_ context.Context, collection, id string, start, end int, into io.Writer) error {
	runes := []rune(s.texts[collection][id])
	if start > len(runes) {
		return rag.Invalid("?start", "the text has %d code points, and start is beyond them", len(runes))
	}
	_, err := io.WriteString(into, string(runes[start:min(end, len(runes))]))
	return err
}

func (s *shelf) Neighbours(_ context.Context, _, _ string, around rag.ChunkID, before, after int) (api.Chunks, error) {
	out := api.Chunks{Total: 9}
	for i := int(around) - before; i <= int(around)+after; i++ {
		out.Chunks = append(out.Chunks, api.Chunk{ChunkID: rag.ChunkID(i), Ordinal: i, Header: "a | b", Text: strings.Repeat("x", 15_000)})
	}
	return out, nil
}

func (s *shelf) UploadDocuments(_ context.Context, _ string, documents []api.NewDocument) (api.Uploaded, error) {
	s.added = append(s.added, documents...)
	if documents[0].Text == "panic" {
		panic("out of paper")
	}
	return api.Uploaded{Documents: []api.UploadedDocument{{DocumentID: "kite", JobID: 7, Status: rag.StatusQueued}}}, nil
}

func (s *shelf) DeleteDocument(_ context.Context, _, id string) (api.Job, error) {
	s.deleted = append(s.deleted, id)
	return api.Job{ID: 8}, nil
}

func (s *shelf) Job(context.Context, rag.JobID, time.Duration) (api.Job, error) {
	if s.added[len(s.added)-1].Text == "broken" {
		return api.Job{State: rag.JobFailed, Error: &rag.Failure{Code: "no_text", Message: "there is no text in it"}}, nil
	}
	return api.Job{State: rag.JobSucceeded}, nil
}

// connect gives a client of the tools over both transports: in memory, and HTTP.
func connect(t *testing.T, library Library, o Options) map[string]*sdk.ClientSession {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o.Version, o.Base = "test", "http://localhost:8080"
	here, there := sdk.NewInMemoryTransports()
	if _, err := newServer(library, o, nil, log).Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	handler := NewHandler(log)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Serve(w, r, library, o) }))
	t.Cleanup(web.Close)
	sessions := map[string]*sdk.ClientSession{}
	for name, transport := range map[string]sdk.Transport{"in memory": here, "over HTTP": &sdk.StreamableClientTransport{Endpoint: web.URL}} {
		session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { _ = session.Close() })
		sessions[name] = session
	}
	return sessions
}

// call calls a tool, and checks that its JSON text is its structured content. An error comes as its text.
func call(t *testing.T, session *sdk.ClientSession, tool string, arguments any) (structured string, failure string) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s %v: %v", tool, arguments, err)
	}
	if len(result.Content) != 1 {
		t.Fatalf("%s: %d items", tool, len(result.Content))
	}
	text := result.Content[0].(*sdk.TextContent).Text
	if result.IsError {
		return "", text
	}
	raw, err := json.Marshal(result.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(raw, &a) != nil || json.Unmarshal([]byte(text), &b) != nil || !cmp.Equal(a, b) {
		t.Errorf("%s: the text is not the structured content:\n%s\n%s", tool, text, raw)
	}
	return string(raw), ""
}

func loose(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}
