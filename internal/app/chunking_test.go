package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWaysOfCutting takes parents and rows from upload to hits and context, and cuts a document anew.
func TestWaysOfCutting(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	made := s.json(201, "POST", "/api/v1/collections", object{"name": "c", "chunking": object{"strategy": "parent-child", "max_tokens": 24, "overlap": 0, "parent_tokens": 200}})
	if got := made["chunking"].(object); got["strategy"] != "parent-child" || got["parent_tokens"] != 200.0 || got["min_tokens"] != 6.0 {
		t.Errorf("made with %v", got)
	}
	text := "# Harbour\n\n## Lighthouse\n\nThe lighthouse was built in 1871 by two brothers. Its lamp burns whale oil to this day. " +
		"The keeper climbs 212 steps every evening. Nobody has ever seen him rest.\n\n## Fish\n\nHerring is landed at dawn."
	upload := func(body object) object {
		answer := s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", uploads(body))
		document := answer["documents"].([]any)[0].(object)
		if document["status"] != "ready" {
			t.Fatalf("got %v", document)
		}
		return document
	}
	upload(object{"id": "h", "text": text, "media_type": "text/markdown"})
	hits := s.hits("c", object{"query": "How many steps does the keeper climb?", "top_k": 2})
	best := hits[0]
	parent, ok := best["parent"].(object)
	if !ok || !strings.Contains(fmt.Sprint(best["text"]), "212") || strings.Contains(fmt.Sprint(best["text"]), "1871") ||
		!strings.HasPrefix(fmt.Sprint(parent["text"]), "The lighthouse") || !strings.HasSuffix(fmt.Sprint(parent["text"]), "rest.") {
		t.Errorf("best hit %v", best)
	}
	packed := s.json(200, "POST", "/api/v1/collections/c/context", object{"query": "How many steps does the keeper climb?", "max_tokens": 1000})
	if n := strings.Count(fmt.Sprint(packed["text"]), "whale oil"); n != 1 {
		t.Errorf("the section is there %d times: %v", n, packed["text"])
	}

	rows := object{"strategy": "row", "max_tokens": 64}
	table := "| name | town |\n|---|---|\n| Ann | Bergen |\n| Bob | Malmö |\n| Cid | Turku |"
	upload(object{"id": "t", "text": table, "media_type": "text/markdown", "chunking": rows})
	hit := s.hits("c", object{"query": "Who lives in Turku?", "top_k": 1})[0]
	if hit["text"] != "Cid | Turku" || hit["header"] != "name | town" {
		t.Errorf("got %v", hit)
	}
	if again := upload(object{"id": "t", "text": table, "media_type": "text/markdown", "chunking": rows}); again["unchanged"] != true {
		t.Errorf("the same again: %v", again)
	}
	if anew := upload(object{"id": "t", "text": table, "media_type": "text/markdown", "chunking": object{"strategy": "structure"}}); anew["unchanged"] != false {
		t.Errorf("cut otherwise: %v", anew)
	}
	if hit := s.hits("c", object{"query": "Who lives in Turku?", "top_k": 1})[0]; !strings.HasPrefix(fmt.Sprint(hit["text"]), "name | town") {
		t.Errorf("got %v", hit)
	}
	s.json(200, "PATCH", "/api/v1/collections/c", object{"chunking": object{"strategy": "sentences"}})
	upload(object{"id": "h", "text": text, "media_type": "text/markdown"})
	if document := s.json(200, "GET", "/api/v1/collections/c/documents/h", nil); document["version"] != 2.0 || document["chunking"].(object)["strategy"] != "sentences" {
		t.Errorf("after the change: %v", document)
	}
	before := s.json(200, "GET", "/api/v1/collections/c", nil)
	s.json(400, "PATCH", "/api/v1/collections/c", object{"mode": "hybrid", "retrieval": object{"max_per_document": 2}, "chunking": object{"max_tokens": 8000}})
	s.json(404, "PATCH", "/api/v1/collections/x", object{"mode": "hybrid"})
	if diff := cmp.Diff(before, s.json(200, "GET", "/api/v1/collections/c", nil)); diff != "" {
		t.Errorf("a change that was refused left %s", diff)
	}
	after := s.json(200, "PATCH", "/api/v1/collections/c", object{"mode": "hybrid", "retrieval": object{"max_per_document": 2}, "chunking": object{"max_tokens": 100}})
	if after["mode"] != "hybrid" || after["retrieval"].(object)["max_per_document"] != 2.0 || after["chunking"].(object)["max_tokens"] != 100.0 {
		t.Errorf("changed to %v", after)
	}
}
