package mcp

import (
	"strings"
	"testing"
)

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
