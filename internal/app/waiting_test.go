package app

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
)

// TestReadYourWrites searches right after each write that was waited for, again and again, without a pause: search sees
// what was uploaded, replaced and patched, and not what was before or is deleted. Where the collection is new, large, or
// just written to by others, it is no different.
func TestReadYourWrites(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "log", "fields": []object{{"name": "round", "type": "int"}}})
	at := func(id string) string { return "/api/v1/collections/log/documents/" + url.PathEscape(id) }
	// found gives the texts of a document among hits that meet a filter.
	found := func(id string, round int) (texts []any) {
		filter := object{"type": "eq", "key": "round", "value": round}
		for _, hit := range s.hits("log", object{"query": "How many kites were seen?", "top_k": 100, "rerank": false, "filter": filter}) {
			if hit["document_id"] == id {
				texts = append(texts, hit["text"])
			}
		}
		return texts
	}
	expect := func(what, id string, round int, want ...any) {
		t.Helper()
		if got := found(id, round); !slices.Equal(got, want) {
			t.Errorf("%s, round %d: got %q, want %q", what, round, got, want)
		}
	}
	for round := range 12 {
		s.json(202, "POST", "/api/v1/collections/log/documents", uploads(object{"id": fmt.Sprint("beside ", round), "text": sentences(20, -1)})) // goes on meanwhile
		id, text := fmt.Sprint("day ", round%3), fmt.Sprintf("On day %d, %d kites were seen.", round, round*7)
		put := func(text string, round int) {
			s.json(200, "PUT", at(id)+"?wait=60s", object{"text": text, "metadata": object{"round": round}})
		}
		put(text, round)
		expect("uploaded", id, round, text)
		put(text+" Then they left.", round)
		expect("replaced", id, round, text+" Then they left.")
		s.json(200, "PATCH", at(id)+"?wait=60s", object{"metadata": object{"round": round + 1000}})
		expect("patched, by what was", id, round)
		expect("patched, by what is", id, round+1000, text+" Then they left.")
		if round%2 == 0 {
			s.json(200, "DELETE", at(id)+"?wait=60s", nil)
		} else {
			s.json(202, "DELETE", at(id), nil) // takes effect when it is answered
		}
		expect("deleted", id, round+1000)
		s.json(404, "GET", at(id), nil)
		put(text, round)
		expect("uploaded again", id, round, text)
		s.json(200, "POST", "/api/v1/collections/log/documents:delete?wait=60s", object{"filter": object{"type": "eq", "key": "round", "value": round}})
		expect("deleted by a filter", id, round)
	}
}
