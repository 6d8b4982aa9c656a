package mcp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
