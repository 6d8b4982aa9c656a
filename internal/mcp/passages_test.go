package mcp

import (
	"encoding/json"
	"strings"
	"testing"
)

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
