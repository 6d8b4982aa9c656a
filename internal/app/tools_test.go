package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/redkite/redkite/internal/rag"
)

// withKey sends an API key with every request.
type withKey string

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

// key makes an API key on a running server.
func (s *server) key(tenant string, scope rag.Scope) string {
	s.t.Helper()
	k, err := s.app.catalog.CreateKey(s.t.Context(), tenant, "test", scope)
	if err != nil {
		s.t.Fatal(err)
	}
	return k.Secret
}

// host is an MCP host that is connected to a server.
type host struct {
	t *testing.T
	*sdk.ClientSession
}

func (s *server) host(query, key string) host {
	s.t.Helper()
	transport := &sdk.StreamableClientTransport{Endpoint: s.base + "/mcp" + query}
	if key != "" {
		transport.HTTPClient = &http.Client{Transport: withKey(key)}
	}
	return connectHost(s.t, transport)
}

func connectHost(t *testing.T, transport sdk.Transport) host {
	t.Helper()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return host{t, session}
}

// call calls a tool. What it refuses comes as text.
func (h host) call(tool string, arguments object) (object, string) {
	h.t.Helper()
	result, err := h.CallTool(h.t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		h.t.Fatalf("%s %v: %v", tool, arguments, err)
	}
	text := result.Content[0].(*sdk.TextContent).Text
	if result.IsError {
		return nil, text
	}
	var out object
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		h.t.Fatalf("%s: %v in %s", tool, err, text)
	}
	return out, ""
}

func (h host) tools() []string {
	h.t.Helper()
	listed, err := h.ListTools(h.t.Context(), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, tool := range listed.Tools {
		names = append(names, tool.Name)
	}
	return names
}

// TestToolsOverMCP adds, finds, reads and deletes a document as a host with a key that may write, and sees what others
// are shown of it: one that may only read, one of another tenant, one without a key, and one on a stream.
func TestToolsOverMCP(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "birds", "fields": []object{{"name": "year", "type": "int"}}})
	s.json(201, "POST", "/api/v1/collections", object{"name": "empty"})
	writer, reader, foreign := s.key(rag.DefaultTenant, rag.ScopeWrite), s.key(rag.DefaultTenant, rag.ScopeRead), s.key("acme", rag.ScopeWrite)

	w := s.host("", writer)
	const id = "sub/kite 🪁+%2F?#"
	added, failure := w.call("add_document", object{
		"collection": "birds", "id": id, "title": "Red kite 🪁", "text": "The red kite 🪁 has a forked tail.\x00 It soars over farmland.", "metadata": object{"year": 1758, "url": "https://example.com/kite"},
	})
	if failure != "" || added["status"] != "ready" || added["document_id"] != id {
		t.Fatalf("add_document: %v %s", added, failure)
	}

	for name, h := range map[string]host{"a writer": w, "a reader": s.host("", reader), "nobody": s.host("", ""), "kept to the collection": s.host("?collection=birds", reader), "on a stream": s.stream(reader)} {
		found, failure := h.call("search", object{"query": "Which bird has a forked tail? 🪶\x00"})
		if failure != "" || len(found["results"].([]any)) != 1 {
			t.Fatalf("%s: search: %v %s", name, found, failure)
		}
		first := found["results"].([]any)[0].(object)
		if first["id"] != "birds/"+id || first["title"] != "Red kite 🪁" || first["url"] != "https://example.com/kite" {
			t.Errorf("%s: search finds %v", name, first)
		}
		read, failure := h.call("fetch", object{"id": first["id"]})
		if failure != "" || !strings.Contains(read["text"].(string), "The red kite 🪁 has a forked tail.") || read["metadata"].(object)["year"] != 1758.0 {
			t.Errorf("%s: fetch: %v %s", name, read, failure)
		}
		passages, failure := h.call("search_documents", object{"collection": "birds", "query": "tail", "filter": object{"type": "eq", "key": "year", "value": 1758}})
		if failure != "" || len(passages["passages"].([]any)) != 1 {
			t.Fatalf("%s: search_documents: %v %s", name, passages, failure)
		}
		passage := passages["passages"].([]any)[0].(object)
		around, failure := h.call("read_neighbours", object{"collection": "birds", "document_id": id, "chunk_id": passage["chunk_id"]})
		if failure != "" || around["total"] != 1.0 || !strings.Contains(around["chunks"].([]any)[0].(object)["text"].(string), "forked tail") {
			t.Errorf("%s: read_neighbours: %v %s", name, around, failure)
		}
		if writes := slices.Contains(h.tools(), "delete_document"); writes != (name == "a writer") {
			t.Errorf("%s is offered %v", name, h.tools())
		}
		if _, failure := h.call("search_documents", object{"collection": "birds", "query": "tail", "filter": object{"type": "like", "key": "year"}}); !strings.Contains(failure, "like") {
			t.Errorf("%s: a bad filter: %s", name, failure)
		}
	}

	f := s.host("", foreign)
	if listed, _ := f.call("list_collections", nil); len(listed["collections"].([]any)) != 0 {
		t.Errorf("another tenant sees %v", listed)
	}
	if found, _ := f.call("search", object{"query": "forked tail"}); len(found["results"].([]any)) != 0 {
		t.Errorf("another tenant finds %v", found)
	}
	for tool, arguments := range map[string]object{
		"fetch":            {"id": "birds/" + id},
		"search_documents": {"collection": "birds", "query": "q"},
		"read_neighbours":  {"collection": "birds", "document_id": id, "chunk_id": 1},
		"add_document":     {"collection": "birds", "id": id, "text": "x"},
		"delete_document":  {"collection": "birds", "document_id": id},
	} {
		if _, failure := f.call(tool, arguments); !strings.Contains(failure, `"birds"`) || !strings.Contains(failure, "404") {
			t.Errorf("another tenant's %s: %q", tool, failure)
		}
	}

	if deleted, failure := w.call("delete_document", object{"collection": "birds", "document_id": id}); failure != "" || deleted["deleted"] != true {
		t.Errorf("delete_document: %v %s", deleted, failure)
	}
	if found, failure := w.call("search", object{"query": "forked tail"}); failure != "" || len(found["results"].([]any)) != 0 {
		t.Errorf("after deletion: %v %s", found, failure)
	}
	if _, failure := w.call("fetch", object{"id": "birds/" + id}); !strings.Contains(failure, "there is no document") {
		t.Errorf("fetch after deletion: %s", failure)
	}
	s.do(401, "POST", "/mcp", "application/json", strings.NewReader("{}"), "Authorization", "Bearer wrong")
	s.do(403, "POST", "/api/v1/collections", "application/json", strings.NewReader(`{"name":"x"}`), "Authorization", "Bearer "+reader)
}

// stream is a host that speaks to the server through 'redkite mcp'.
func (s *server) stream(key string) host {
	s.t.Helper()
	toServer, fromClient := io.Pipe()
	toClient, fromServer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- ServeTools(context.WithoutCancel(s.t.Context()), ToolsOptions{Server: s.base, Key: key, Version: "test"}, toServer, fromServer, slog.New(slog.DiscardHandler))
	}()
	s.t.Cleanup(func() {
		_ = fromClient.Close()
		if err := <-ended; err != nil {
			s.t.Errorf("redkite mcp: %v", err)
		}
	})
	return connectHost(s.t, &sdk.IOTransport{Reader: toClient, Writer: fromClient})
}
