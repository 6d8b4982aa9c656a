package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

func TestSearchAndFetchAsConnectorsAskThem(t *testing.T) {
	for name, session := range connect(t, newShelf(), Options{}) {
		found, failure := call(t, session, "search", map[string]any{"query": "robin night"})
		want := `{"results":[` +
			`{"id":"birds/sub/robin 🪶+","title":"sub/robin 🪶+","url":"http://localhost:8080/api/v1/collections/birds/documents/sub%2Frobin%20%F0%9F%AA%B6%2B/text"},` +
			`{"id":"birds/kite","title":"kite","url":"http://localhost:8080/api/v1/collections/birds/documents/kite/text"},` +
			`{"id":"books@40000/long","title":"long","url":"http://localhost:8080/api/v1/collections/books/documents/long/text"}]}`
		if found != want || failure != "" {
			t.Errorf("%s: search gives %s %s\nwant %s", name, found, failure, want)
		}
		fetched, failure := call(t, session, "fetch", map[string]any{"id": "birds/sub/robin 🪶+"})
		want = `{"id":"birds/sub/robin 🪶+","metadata":{"collection":"birds","document_id":"sub/robin 🪶+","end":25,"start":0,"url":"https://example.com/birds"},` +
			`"text":"The robin sings at night.","title":"sub/robin 🪶+.txt","url":"https://example.com/birds"}`
		if diff := cmp.Diff(loose(t, want), loose(t, fetched)); diff != "" || failure != "" {
			t.Errorf("%s: fetch: %s %s", name, diff, failure)
		}
	}
}

func loose(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// TestLongDocumentsComeInParts reads one from its start to its end by the ids that each part names.
func TestLongDocumentsComeInParts(t *testing.T) {
	s := newShelf()
	session := connect(t, s, Options{})["over HTTP"]
	var text strings.Builder
	var ids []string
	for id := "books/long"; id != ""; {
		ids = append(ids, id)
		raw, failure := call(t, session, "fetch", map[string]any{"id": id})
		var part fetchOutput
		if failure != "" || json.Unmarshal([]byte(raw), &part) != nil {
			t.Fatalf("fetch %s: %s", id, failure)
		}
		text.WriteString(part.Text)
		id, _ = part.Metadata["next"].(string)
	}
	if text.String() != s.texts["books"]["long"] || !slices.Equal(ids, []string{"books/long", "books@40000/long"}) {
		t.Errorf("%d bytes in parts %v", text.Len(), ids)
	}
}

func TestToolsOverPassages(t *testing.T) {
	s := newShelf()
	for name, session := range connect(t, s, Options{}) {
		raw, failure := call(t, session, "search_documents", map[string]any{
			"collection": "birds", "query": "tail", "top_k": 3, "rerank": false, "filter": map[string]any{"type": "eq", "key": "year", "value": 1758},
		})
		var found searchDocumentsOutput
		if failure != "" || json.Unmarshal([]byte(raw), &found) != nil || len(found.Passages) != 4 || found.Passages[0].DocumentID != "kite" || found.Passages[0].Text == "" {
			t.Errorf("%s: search_documents: %s %s", name, raw, failure)
		}
		asked := s.asked[len(s.asked)-1]
		if asked.TopK != 3 || asked.Rerank == nil || *asked.Rerank || string(asked.Filter) != `{"key":"year","type":"eq","value":1758}` {
			t.Errorf("%s: the server was asked %+v with filter %s", name, asked, asked.Filter)
		}
		raw, failure = call(t, session, "read_neighbours", map[string]any{"collection": "birds", "document_id": "kite", "chunk_id": 5, "before": 0, "after": 3})
		var around readNeighboursOutput
		if failure != "" || json.Unmarshal([]byte(raw), &around) != nil || len(around.Chunks) != 4 {
			t.Fatalf("%s: read_neighbours: %s", name, failure)
		}
		last := around.Chunks[3]
		if around.Chunks[0].ChunkID != 5 || !strings.HasPrefix(around.Chunks[0].Text, "a | b\nx") || around.Chunks[1].Cut || !around.Chunks[2].Cut || !last.Cut || last.Text != "" {
			t.Errorf("%s: neighbours %.200s", name, raw)
		}
		raw, failure = call(t, session, "list_collections", nil)
		if failure != "" || !strings.Contains(raw, `{"chunks":7,"documents":2,"fields":[],"name":"birds"}`) {
			t.Errorf("%s: list_collections: %s %s", name, raw, failure)
		}
	}
}

func TestWhatIsWrongIsToldToTheModel(t *testing.T) {
	s := newShelf()
	for name, session := range connect(t, s, Options{MayWrite: true}) {
		for _, test := range []struct {
			tool      string
			arguments any
			says      string
		}{
			{"search", map[string]any{}, `"query"`},
			{"search", map[string]any{"query": "q", "colour": "red"}, "colour"},
			{"search", map[string]any{"query": 7}, "query"},
			{"fetch", map[string]any{"id": "nonsense"}, `"nonsense" is no id`},
			{"fetch", map[string]any{"id": "birds@-1/kite"}, "is no id"},
			{"fetch", map[string]any{"id": "birds/none\x00"}, "there is no document"},
			{"fetch", map[string]any{"id": "birds@99/kite"}, "beyond"},
			{"search_documents", map[string]any{"collection": "none", "query": "q"}, `there is no collection "none"`},
			{"search_documents", map[string]any{"collection": "birds", "query": "q", "top_k": 51}, "top_k must be from 1 to 50"},
			{"search_documents", map[string]any{"collection": "birds", "query": "q", "filter": "year=1758"}, "filter"},
			{"read_neighbours", map[string]any{"collection": "birds", "document_id": "kite", "chunk_id": 5, "before": 21}, "before must be from 0 to 20"},
			{"read_neighbours", map[string]any{"collection": "birds", "document_id": "kite", "chunk_id": 0}, "chunk_id must be"},
			{"add_document", map[string]any{"collection": "birds", "text": "broken"}, "there is no text in it (no_text)"},
			{"add_document", map[string]any{"collection": "birds", "text": "panic"}, "add_document went wrong in the server"},
		} {
			if _, failure := call(t, session, test.tool, test.arguments); !strings.Contains(failure, test.says) {
				t.Errorf("%s: %s %v says %q", name, test.tool, test.arguments, failure)
			}
		}
		if _, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "none"}); err == nil || !strings.Contains(err.Error(), "none") {
			t.Errorf("%s: no such tool: %v", name, err)
		}
		s.failure = errors.New("milvus can't be reached now; try again in a few seconds")
		if _, failure := call(t, session, "search", map[string]any{"query": "q"}); !strings.Contains(failure, "try again in a few seconds") {
			t.Errorf("%s: a service that is away: %q", name, failure)
		}
		s.failure = nil
		if _, failure := call(t, session, "search", map[string]any{"query": "q"}); failure != "" { // the connection lives on
			t.Errorf("%s: then %s", name, failure)
		}
	}
}

func TestToolsThatWriteAreForThoseWhoMay(t *testing.T) {
	reads := []string{"fetch", "list_collections", "read_neighbours", "search", "search_documents"}
	for _, may := range []bool{false, true} {
		s := newShelf()
		for name, session := range connect(t, s, Options{MayWrite: may}) {
			want := reads
			if may {
				want = append([]string{"add_document", "delete_document"}, reads...)
			}
			listed, err := session.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range listed.Tools {
				names = append(names, tool.Name)
				if writes := !slices.Contains(reads, tool.Name); tool.Annotations.ReadOnlyHint == writes || tool.OutputSchema == nil {
					t.Errorf("%s: %s has the hints %+v", name, tool.Name, tool.Annotations)
				}
			}
			slices.Sort(names)
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s: may write %v: %s", name, may, diff)
			}
			_, addFailure := call(t, session, "add_document", map[string]any{"collection": "birds", "id": "kite", "text": "It soars."})
			_, deleteFailure := call(t, session, "delete_document", map[string]any{"collection": "birds", "document_id": "kite"})
			if may != (addFailure == "" && deleteFailure == "") || !may && !strings.Contains(addFailure+deleteFailure, "an API key that may write") {
				t.Errorf("%s: may write %v: %q, %q", name, may, addFailure, deleteFailure)
			}
		}
		if may != (len(s.added) == 2 && len(s.deleted) == 2) {
			t.Errorf("may write %v: %d added, %d deleted", may, len(s.added), len(s.deleted))
		}
	}
}

// TestConnectionKeptToACollection sees no other.
func TestConnectionKeptToACollection(t *testing.T) {
	for name, session := range connect(t, newShelf(), Options{Collections: []string{"books"}, MayWrite: true}) {
		if found, _ := call(t, session, "search", map[string]any{"query": "robin"}); strings.Contains(found, "birds") || !strings.Contains(found, "books@40000/long") {
			t.Errorf("%s: search finds %s", name, found)
		}
		if listed, _ := call(t, session, "list_collections", nil); strings.Contains(listed, "birds") || !strings.Contains(listed, "books") {
			t.Errorf("%s: list_collections shows %s", name, listed)
		}
		for tool, arguments := range map[string]map[string]any{
			"fetch":            {"id": "birds/kite"},
			"search_documents": {"collection": "birds", "query": "q"},
			"read_neighbours":  {"collection": "birds", "document_id": "kite", "chunk_id": 1},
			"add_document":     {"collection": "birds", "text": "x"},
			"delete_document":  {"collection": "birds", "document_id": "kite"},
		} {
			if _, failure := call(t, session, tool, arguments); !strings.Contains(failure, `no collection "birds" on this connection`) {
				t.Errorf("%s: %s says %q", name, tool, failure)
			}
		}
	}
}

// TestManyCollections are not all searched for one question.
func TestManyCollections(t *testing.T) {
	var names []string
	for i := range mostSearched + 1 {
		names = append(names, fmt.Sprint("c", i))
	}
	for name, session := range connect(t, newShelf(), Options{Collections: names}) {
		if _, failure := call(t, session, "search", map[string]any{"query": "q"}); !strings.Contains(failure, "at most 16") {
			t.Errorf("%s: %q", name, failure)
		}
	}
}

func TestStream(t *testing.T) {
	toServer, fromClient := io.Pipe()
	toClient, fromServer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- ServeStream(t.Context(), newShelf(), Options{}, toServer, fromServer, slog.New(slog.DiscardHandler))
	}()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(), &sdk.IOTransport{Reader: toClient, Writer: fromClient}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found, failure := call(t, session, "search", map[string]any{"query": "forked"}); failure != "" || !strings.Contains(found, "birds/kite") {
		t.Errorf("search: %s %s", found, failure)
	}
	if err := session.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	_ = fromClient.Close()
	if err := <-ended; err != nil {
		t.Errorf("when the host goes: %v", err)
	}
}

func FuzzPlace(f *testing.F) {
	for _, id := range []string{"c/d", "c@20000/a/b", "c@/d", "/", "c/", "c@x/d", "c@99999999999999999999/d", "c/\x00"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		p, err := parsePlace(id)
		if err != nil {
			return
		}
		again, err := parsePlace(p.String())
		if err != nil || again != p {
			t.Errorf("%q is %+v, which is written %q and read %+v (%v)", id, p, p.String(), again, err)
		}
	})
}
