package app

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUploadsWaitForMilvus takes an upload while no Milvus answers: it is acknowledged, searching says 503 and when to
// try again, and once a Milvus is there the document comes through by itself.
func TestUploadsWaitForMilvus(t *testing.T) {
	data := t.TempDir()
	away := settings(t, data)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.MilvusAddress, away.MilvusTimeout = listener.Addr().String(), time.Second
	if err := listener.Close(); err != nil { // from now on nobody listens there
		t.Fatal(err)
	}
	s := start(t, away)
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	s.json(202, "POST", "/api/v1/collections/c/documents?wait=3s", uploads(object{"id": "kite", "text": "The red kite has a forked tail."}))
	response, err := http.Post(s.base+"/api/v1/collections/c/search", "application/json", strings.NewReader(`{"query":"forked tail"}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("search without Milvus: got %d, Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
	}
	s.do(503, "GET", "/readyz", "", nil)
	s.do(200, "GET", "/livez", "", nil)
	job := s.json(200, "GET", "/api/v1/jobs/1", nil)
	if job["state"] != "retrying" || job["error"] == nil {
		t.Errorf("the job that waits: %v", job)
	}
	s.stop()

	s = start(t, settings(t, data))
	if job := s.json(200, "GET", "/api/v1/jobs/1?wait=60s", nil); job["state"] != "succeeded" {
		t.Fatalf("the job did not come through: %v", job)
	}
	if got := names(s.hits("c", object{"query": "forked tail"})); len(got) != 1 || got[0] != "kite" {
		t.Errorf("got %v", got)
	}
}

// TestOwnChunks brings chunks that the client cut, and one that is too long.
func TestOwnChunks(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", uploads(object{"id": "a", "title": "Birds", "chunks": []object{
		{"text": "Kites have forked tails.", "page": 7, "headings": []string{"Raptors"}}, {"text": "Wrens are small."},
	}}))
	hit := s.hits("c", object{"query": "forked tail"})[0]
	if hit["text"] != "Kites have forked tails." || hit["page_start"] != 7.0 {
		t.Errorf("got %v", hit)
	}
	problem := s.json(400, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "b", "chunks": []object{
		{"text": "fine"}, {"text": strings.Repeat("too long ", 400)},
	}}))
	if pointer := problem["errors"].([]any)[0].(object)["pointer"]; pointer != "/documents/0/chunks/1" {
		t.Errorf("points at %v", pointer)
	}
}
