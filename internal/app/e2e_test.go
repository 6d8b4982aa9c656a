package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/config"
)

// server is a whole redkite in this process: real models, real Milvus Lite, real SQLite, HTTP on a free port.
type server struct {
	t    *testing.T
	base string
	stop func()
	app  *App
}

// settings are the defaults with every part found below the module's root and a free port.
func settings(t *testing.T, data string) config.Settings {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	in := func(variable, path string) string {
		if set := os.Getenv(variable); set != "" {
			return set
		}
		return filepath.Join(root, path)
	}
	return config.Settings{
		Role: "all", Address: "127.0.0.1:0", Data: data, Models: filepath.Join(root, "models"),
		ONNXRuntimeLibrary: in("REDKITE_ONNXRUNTIME_LIBRARY", ".deps/lib/libonnxruntime.so"),
		MilvusLiteCommand:  in("REDKITE_MILVUS_LITE_COMMAND", ".deps/milvus-lite/bin/milvus-lite"),
		MilvusTimeout:      10 * time.Second, IngestWorkers: 2, ParseTimeout: time.Minute, MaxUploadBytes: 1 << 20,
		MaxSearches: 8, SearchDeadline: 20 * time.Second, ShutdownTimeout: 20 * time.Second, LoopbackWithoutKey: true,
	}
}

func logLevel(s config.Settings) slog.Level {
	if s.LogLevel == "error" {
		return slog.LevelError
	}
	return slog.LevelInfo
}

func start(t *testing.T, s config.Settings) *server {
	t.Helper()
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: logLevel(s)}))
	ctx, cancel := context.WithCancel(context.Background())
	a, err := New(ctx, Options{Settings: s, Version: "test", Log: log})
	if err != nil {
		cancel()
		t.Fatalf("start: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("stop: %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("the server does not stop")
		}
		if t.Failed() {
			t.Logf("server log:\n%s", lines.String())
		}
	}
	t.Cleanup(stop)
	return &server{t: t, base: "http://" + a.Addr(), stop: stop, app: a}
}

type object = map[string]any

// do sends a request and decodes the JSON answer; a status other than want fails the test.
// headers are names and values in turn.
func (s *server) do(want int, method, path, mediaType string, body io.Reader, headers ...string) object {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != want {
		s.t.Fatalf("%s %s: got %d, want %d: %s", method, path, response.StatusCode, want, raw)
	}
	var decoded object
	if len(raw) > 0 && strings.Contains(response.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &decoded); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	return decoded
}

func (s *server) json(want int, method, path string, body any) object {
	s.t.Helper()
	if body == nil {
		return s.do(want, method, path, "", nil)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(want, method, path, "application/json", bytes.NewReader(raw))
}

// upload sends files as one multipart request and waits until they are searchable.
func (s *server) upload(want int, collection string, files map[string][]byte) object {
	s.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, content := range files {
		part, err := form.CreateFormFile("file", name)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		s.t.Fatal(err)
	}
	return s.do(want, "POST", "/api/v1/collections/"+collection+"/documents?wait=60s", form.FormDataContentType(), &body)
}

func (s *server) hits(collection string, query object) []object {
	s.t.Helper()
	answer := s.json(200, "POST", "/api/v1/collections/"+collection+"/search", query)
	var hits []object
	for _, h := range answer["hits"].([]any) {
		hits = append(hits, h.(object))
	}
	return hits
}

// names gives the document ids of hits, each once, best first.
func names(hits []object) []string {
	var out []string
	for _, h := range hits {
		if id := h["document_id"].(string); len(out) == 0 || out[len(out)-1] != id {
			out = append(out, id)
		}
	}
	return out
}

func uploads(docs ...object) object { return object{"documents": docs} }

func TestDocumentsInPassagesOut(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{
		"name": "birds", "fields": []object{{"name": "year", "type": "int"}, {"name": "tags", "type": "string[]"}},
	})
	s.json(200, "POST", "/api/v1/collections/birds/documents?wait=60s", uploads(
		object{"id": "kite", "title": "Red kite", "text": "The red kite is a bird of prey with a forked tail. It soars over farmland and eats carrion.", "metadata": object{"year": 1758, "tags": []string{"raptor"}, "status": "least concern"}},
		object{"id": "penguin", "title": "Emperor penguin", "text": "Emperor penguins breed during the Antarctic winter and huddle together against the cold.", "metadata": object{"year": 1844, "tags": []string{"seabird", "antarctic"}}},
		object{"id": "robin", "title": "Robin", "text": "The robin sings all year round, also at night near street lamps.", "metadata": object{"year": 1758}},
	))

	t.Run("the right passage is first", func(t *testing.T) {
		answer := s.json(200, "POST", "/api/v1/collections/birds/search", object{"query": "Which bird has a forked tail?", "top_k": 3})
		first := answer["hits"].([]any)[0].(object)
		if first["document_id"] != "kite" || first["ranked_by"] != "blend" || first["title"] != "Red kite" {
			t.Errorf("got %v", first)
		}
		scores := first["scores"].(object)
		for _, name := range []string{"dense", "rerank_logit", "relevance"} {
			if scores[name] == nil {
				t.Errorf("score %s is missing: %v", name, scores)
			}
		}
		if answer["timings_ms"].(object)["rerank"].(float64) <= 0 || len(answer["degraded"].([]any)) != 0 {
			t.Errorf("got %v, degraded %v", answer["timings_ms"], answer["degraded"])
		}
	})
	t.Run("filters hold", func(t *testing.T) {
		tests := []struct {
			filter object
			want   string
		}{
			{object{"type": "gt", "key": "year", "value": 1800}, "penguin"},
			{object{"type": "contains_any", "key": "tags", "value": []string{"raptor"}}, "kite"},
			{object{"type": "eq", "key": "status", "value": "least concern"}, "kite"},
			{object{"type": "not", "filters": []object{{"type": "exists", "key": "tags"}}}, "robin"},
		}
		for _, test := range tests {
			got := names(s.hits("birds", object{"query": "cold winter night", "filter": test.filter}))
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("%v: got %v, want only %s", test.filter, got, test.want)
			}
		}
		problem := s.json(400, "POST", "/api/v1/collections/birds/search", object{"query": "x", "filter": object{"type": "like", "key": "a", "value": "b"}})
		if pointer := problem["errors"].([]any)[0].(object)["pointer"]; pointer != "/filter/type" {
			t.Errorf("points at %v: %v", pointer, problem)
		}
	})
	t.Run("context is ready for a prompt", func(t *testing.T) {
		answer := s.json(200, "POST", "/api/v1/collections/birds/context", object{"query": "Which bird breeds in winter?", "max_tokens": 60})
		if text := answer["text"].(string); !strings.HasPrefix(text, "[1] Emperor penguin\nEmperor penguins breed") || answer["tokens"].(float64) > 60 {
			t.Errorf("%v tokens:\n%s", answer["tokens"], text)
		}
	})
	t.Run("a replaced document answers with its new text only", func(t *testing.T) {
		s.json(200, "PUT", "/api/v1/collections/birds/documents/robin?wait=60s", object{"title": "Robin", "text": "Robins defend a territory and fight intruders fiercely."})
		hits := s.hits("birds", object{"query": "robin singing at night near street lamps"})
		for _, h := range hits {
			if strings.Contains(h["text"].(string), "street lamps") {
				t.Errorf("the old text is returned: %v", h["text"])
			}
		}
	})
	t.Run("a deleted document is gone at once", func(t *testing.T) {
		s.do(202, "DELETE", "/api/v1/collections/birds/documents/kite", "", nil)
		if got := names(s.hits("birds", object{"query": "forked tail"})); strings.Contains(strings.Join(got, " "), "kite") {
			t.Errorf("got %v", got)
		}
		s.do(404, "GET", "/api/v1/collections/birds/documents/kite", "", nil)
	})
	t.Run("counts add up", func(t *testing.T) {
		docs := s.json(200, "GET", "/api/v1/collections/birds", nil)["documents"].(object)
		if docs["total"] != 2.0 || docs["ready"] != 2.0 || docs["failed"] != 0.0 {
			t.Errorf("got %v", docs)
		}
	})
}

func TestFilesKeepPagesAndSections(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "files"})
	answer := s.upload(200, "files", map[string][]byte{
		"guide.md":   []byte("# Guide\n\n## Installing\n\nUnpack the archive and run the installer. It asks for a folder, copies the program there, makes a service of it, and starts that service; all of this takes less than a minute on most machines.\n\n## Removing\n\nStop the service, then delete its folder. Settings lie in a folder of their own, and stay until they are deleted too; nothing else is left on the machine after that.\n"),
		"page.html":  []byte("<html><head><title>Opening hours</title></head><body><nav>Home Shop</nav><article><h1>Opening hours</h1><p>The museum is open from ten to six, and closed on Mondays. Visitors with a year pass may come an hour earlier.</p></article></body></html>"),
		"report.pdf": pdf(t, "The first page is about revenue, which grew in every region.", "The second page is about staff: forty engineers joined the company."),
	})
	if docs := answer["documents"].([]any); len(docs) != 3 {
		t.Fatalf("got %v", answer)
	}
	tests := []struct {
		query, contains string
		page            float64
		heading         string
	}{
		{"How do I remove the service?", "delete its folder", 0, "Removing"},
		{"When is the museum closed?", "closed on Mondays", 0, ""},
		{"How many engineers were hired?", "forty engineers", 2, ""},
	}
	for _, test := range tests {
		hit := s.hits("files", object{"query": test.query})[0]
		if !strings.Contains(hit["text"].(string), test.contains) {
			t.Errorf("%s: got %v", test.query, hit["text"])
		}
		if test.page > 0 && hit["page_start"] != test.page {
			t.Errorf("%s: page %v, want %v", test.query, hit["page_start"], test.page)
		}
		if test.heading != "" && !strings.Contains(fmt.Sprint(hit["headings"]), test.heading) {
			t.Errorf("%s: headings %v", test.query, hit["headings"])
		}
	}
}

func TestBadInput(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	tests := []struct {
		name         string
		status       int
		method, path string
		body         any
		code         string
	}{
		{"unknown collection", 404, "POST", "/api/v1/collections/none/search", object{"query": "x"}, "collection_not_found"},
		{"unknown job", 404, "GET", "/api/v1/jobs/999", nil, "job_not_found"},
		{"collection twice", 409, "POST", "/api/v1/collections", object{"name": "c"}, "collection_exists"},
		{"unknown model", 404, "POST", "/api/v1/collections", object{"name": "d", "model": "no-such-model"}, "model_unknown"},
		{"empty text", 400, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "a", "text": ""}), ""},
		{"metadata of the wrong shape", 400, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "a", "text": "b", "metadata": object{"k": object{}}}), ""},
		{"no query", 400, "POST", "/api/v1/collections/c/search", object{"query": ""}, ""},
		{"unknown member", 400, "POST", "/api/v1/collections/c/search", object{"query": "x", "topk": 1}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			problem := s.json(test.status, test.method, test.path, test.body)
			if problem["detail"] == "" || problem["request_id"] == nil || test.code != "" && problem["code"] != test.code {
				t.Errorf("got %v", problem)
			}
		})
	}
	t.Run("files", func(t *testing.T) {
		s.upload(400, "c", map[string][]byte{"empty.txt": nil})
		s.upload(415, "c", map[string][]byte{"program": append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 500)...)})
		s.upload(413, "c", map[string][]byte{"big.txt": bytes.Repeat([]byte("word "), 300_000)})
		broken := s.upload(200, "c", map[string][]byte{"broken.pdf": []byte("%PDF-1.7\nnothing more")})
		document := broken["documents"].([]any)[0].(object)
		if document["status"] != "failed" || document["error"] == nil {
			t.Errorf("a broken PDF: %v", document)
		}
		blank := s.upload(200, "c", map[string][]byte{"blank.txt": []byte(" \n\t\n ")})
		if document := blank["documents"].([]any)[0].(object); document["status"] != "failed" {
			t.Errorf("a document without a chunk: %v", document)
		}
	})
}

// TestAcceptedUploadsSurviveARestart stops a server with work queued and starts another on its data.
func TestAcceptedUploadsSurviveARestart(t *testing.T) {
	data := t.TempDir()
	s := start(t, settings(t, data))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	var docs []object
	for i := range 40 {
		docs = append(docs, object{"id": fmt.Sprintf("d%d", i), "text": fmt.Sprintf("Document number %d tells about the river Thames. %s", i, strings.Repeat("It rains often. ", 100))})
	}
	s.json(202, "POST", "/api/v1/collections/c/documents", uploads(docs...))
	s.stop()

	s = start(t, settings(t, data))
	deadline := time.Now().Add(2 * time.Minute)
	for {
		counts := s.json(200, "GET", "/api/v1/collections/c", nil)["documents"].(object)
		if counts["ready"] == 40.0 {
			break
		}
		if time.Now().After(deadline) || counts["failed"] != 0.0 {
			t.Fatalf("not all documents came through: %v", counts)
		}
		time.Sleep(100 * time.Millisecond) // polling a server from outside: there is nothing to wait on
	}
	if got := s.hits("c", object{"query": "river Thames", "top_k": 5}); len(got) != 5 {
		t.Errorf("got %d hits", len(got))
	}
}

func TestOperationsAnswer(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	for _, path := range []string{"/livez", "/readyz", "/readyz?verbose", "/metrics", "/version", "/openapi.json", "/docs"} {
		s.do(200, "GET", path, "", nil)
	}
	spec := s.json(200, "GET", "/openapi.json", nil)
	if version := fmt.Sprint(spec["openapi"]); !strings.HasPrefix(version, "3.1") {
		t.Errorf("OpenAPI %s", version)
	}
}
