package mcp

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

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
