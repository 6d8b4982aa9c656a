package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// TestCollectionsWithoutWords sees how many are named, what is asked of Milvus, and that trouble is not an error.
func TestCollectionsWithoutWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		states := map[string]rag.Lexical{"a": rag.LexicalReady, "b": rag.LexicalReady}
		asked := 0
		var broken error
		w := newWordless(func(context.Context) ([]rag.Collection, error) {
			return []rag.Collection{{Name: "a", Tenant: "t"}, {Name: "b", Tenant: "t"}}, nil
		}, func(_ context.Context, c rag.Collection) (rag.Lexical, error) {
			asked++
			return states[c.Name], broken
		})
		check := func(want string) {
			t.Helper()
			if got, err := w.check(t.Context()); err != nil || !strings.Contains(got, want) {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		broken = errors.New("connection refused")
		check("not known: connection refused")
		broken = nil
		check("every collection")
		states["b"] = rag.LexicalNeedsRebuild
		check("every collection") // as it was found a moment ago
		if asked != 3 {
			t.Errorf("Milvus was asked %d times", asked)
		}
		time.Sleep(wordlessFor)
		check("degraded: 1 need a rebuild before their words can be searched ('redkite rebuild NAME'); ask with an API key")
		time.Sleep(wordlessFor)
		states["a"], states["b"] = rag.LexicalUnsupported, rag.LexicalUnsupported
		check("unsupported: this version of Milvus")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		<-w.turn
		if got, err := w.check(ended); err != nil || !strings.Contains(got, "canceled") {
			t.Errorf("while another looks: %q, %v", got, err)
		}
	})
}

func TestDescribeWordless(t *testing.T) {
	var many []string
	for i := range 23 {
		many = append(many, fmt.Sprintf("c%02d", 22-i))
	}
	for _, test := range []struct {
		names  []string
		others int
		want   string
	}{
		{[]string{"b", "a"}, 0, "('redkite rebuild NAME'): a, b"},
		{[]string{"a"}, 2, "degraded: 3 need"},
		{[]string{"a"}, 2, ": a; 2 of other tenants"},
		{nil, 2, "ask with an API key"},
		{many, 0, "c18, c19, and 3 more"},
	} {
		if got := describeWordless(test.names, test.others); !strings.Contains(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// TestDocumentsAndHitsShowTheirLanguage puts a text of a language, and one that is too short to tell it.
func TestDocumentsAndHitsShowTheirLanguage(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", uploads(
		object{"id": "de", "text": "Der Rotmilan ist eine Greifvogelart aus der Familie der Habichtartigen und lebt in den Wäldern Europas."},
		object{"id": "short", "text": "12 + 34 = 46"},
	))
	want := map[any]any{"de": "de", "short": "und"}
	for id, language := range want {
		if d := s.json(200, "GET", fmt.Sprintf("/api/v1/collections/c/documents/%v", id), nil); d["language"] != language {
			t.Errorf("got %v", d)
		}
	}
	for _, d := range s.json(200, "GET", "/api/v1/collections/c/documents", nil)["documents"].([]any) {
		if d := d.(object); d["language"] != want[d["document_id"]] {
			t.Errorf("in the list: %v", d)
		}
	}
	for _, h := range s.hits("c", object{"query": "Rotmilan", "rerank": false}) {
		if h["language"] != want[h["document_id"]] {
			t.Errorf("a hit: %v", h)
		}
	}
}

// TestCollectionSaysWhetherItsWordsCanBeSearched asks a server with Milvus Lite.
func TestCollectionSaysWhetherItsWordsCanBeSearched(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	for range 2 {
		if c := s.json(200, "GET", "/api/v1/collections/c", nil); c["lexical"] != "ready" {
			t.Errorf("got %v", c)
		}
		s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", birds(0, 1))
	}
	if got := s.text(200, "/readyz?verbose"); !strings.Contains(got, "ok   lexical: every collection can be searched by its words\n") {
		t.Errorf("got %s", got)
	}
}
