package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// sentences makes a document of n paragraphs under headings; the changed one says more.
func sentences(n, changed int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "## Part %d\n\nThe kite numbered %d was seen over valley %d on a clear morning, and it stayed for %d hours.", i, i, i*7, i%9)
		if i == changed {
			b.WriteString(" It came back in the evening.")
		}
		b.WriteString("\n\n")
	}
	return b.String()
}

func (s *server) job(id any, query string) object {
	return s.json(200, "GET", fmt.Sprintf("/api/v1/jobs/%v%s", id, query), nil)
}

// first gives the one document of an upload's answer.
func first(answer object) object { return answer["documents"].([]any)[0].(object) }

func TestReplaceAndPatchKeepVectors(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "log", "fields": []object{{"name": "year", "type": "int"}}})
	const path = "/api/v1/collections/log/documents/sightings"
	put := func(text string) object {
		return first(s.json(200, "PUT", path+"?wait=60s", object{"text": text, "media_type": "text/markdown", "metadata": object{"year": 2025, "place": "Harz"}}))
	}
	whole := s.job(put(sentences(40, -1))["job_id"], "")
	if whole["reused"] != nil || whole["done"].(float64) < 40 {
		t.Fatalf("the first version: %v", whole)
	}
	query := object{"query": "Which kite came back in the evening?", "top_k": 1, "exhaustive": true}
	before := s.hits("log", object{"query": "kite over valley 21", "rerank": false, "top_k": 20})

	changed := s.job(put(sentences(40, 17))["job_id"], "")
	if made := changed["done"].(float64) - changed["reused"].(float64); made != 1 || changed["done"] != whole["done"] {
		t.Errorf("one paragraph of %v changed and %v were embedded: %v", whole["done"], made, changed)
	}
	if hit := s.hits("log", query)[0]; !strings.Contains(hit["text"].(string), "numbered 17") {
		t.Errorf("the changed paragraph is not found: %v", hit["text"])
	}
	for i, hit := range s.hits("log", object{"query": "kite over valley 21", "rerank": false, "top_k": 20}) {
		if strings.Contains(hit["text"].(string), "numbered 17") || strings.Contains(before[i]["text"].(string), "numbered 17") {
			break // from there on the order may differ
		}
		if hit["text"] != before[i]["text"] || hit["scores"].(object)["dense"] != before[i]["scores"].(object)["dense"] {
			t.Errorf("hit %d was %v (%v), is %v (%v)", i, before[i]["text"], before[i]["scores"], hit["text"], hit["scores"])
		}
	}

	patched := s.json(200, "PATCH", path+"?wait=60s", object{"metadata": object{"year": 2026, "place": nil, "seen_by": "Ada"}})
	document := patched["document"].(object)
	if m := document["metadata"].(object); len(m) != 2 || m["year"] != 2026.0 || m["seen_by"] != "Ada" || document["live_version"] != 3.0 {
		t.Errorf("patched: %v", patched)
	}
	if j := s.job(patched["job_id"], ""); j["reused"] != j["done"] {
		t.Errorf("a patch embedded chunks: %v", j)
	}
	for filter, want := range map[string]int{`{"type":"eq","key":"year","value":2026}`: 1, `{"type":"eq","key":"year","value":2025}`: 0, `{"type":"exists","key":"place"}`: 0} {
		q := object{"query": "kites", "top_k": 1, "filter": json.RawMessage(filter)}
		if got := len(s.hits("log", q)); got != want {
			t.Errorf("%s: %d hits, want %d", filter, got, want)
		}
	}
	originals, err := filepath.Glob(filepath.Join(s.app.options.Settings.Data, "blobs", "??", "*"))
	if err != nil || len(originals) == 0 {
		t.Fatalf("originals %v, %v", originals, err)
	}
	for _, path := range originals { // what is not parsed is not missed
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if j := s.job(s.json(200, "PATCH", path+"?wait=60s", object{"metadata": object{"seen_by": "Bea"}})["job_id"], ""); j["state"] != "succeeded" || j["reused"] != whole["done"] {
		t.Errorf("patched without the original: %v", j)
	}
	s.json(200, "PATCH", path+"?wait=60s", object{"metadata": object{"seen_by": "Ada"}})
	if again := s.json(200, "PATCH", path, object{"metadata": object{"year": 2026}}); again["unchanged"] != true {
		t.Errorf("patched to what it is: %v", again)
	}
	s.json(400, "PATCH", path, object{"metadata": object{"year": "last"}})
	s.json(404, "PATCH", path+"x", object{"metadata": object{"year": 1}})
	if got := first(s.json(200, "PUT", path+"?wait=60s", object{"text": sentences(40, 17), "media_type": "text/markdown", "metadata": object{"year": 2026, "seen_by": "Ada"}})); got["unchanged"] != true {
		t.Errorf("the same upload as what is there: %v", got)
	}
}

// TestCancelAndRetry cancels a large document while it is embedded, follows that over the event stream, and retries it.
func TestCancelAndRetry(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "log"})
	id := first(s.json(202, "PUT", "/api/v1/collections/log/documents/long", object{"text": sentences(600, -1), "media_type": "text/markdown"}))["job_id"]
	events := s.follow(t, id)
	for event := range events {
		if event.name != "progress" {
			t.Fatalf("it ended before it was canceled: %+v", event)
		}
		if event.data["done"].(float64) > 0 {
			break
		}
	}
	canceled := time.Now()
	if j := s.json(202, "POST", fmt.Sprintf("/api/v1/jobs/%v:cancel", id), nil); j["state"] != "canceled" {
		t.Fatalf("canceled: %v", j)
	}
	s.json(202, "POST", fmt.Sprintf("/api/v1/jobs/%v:cancel", id), nil)
	for event := range events {
		if event.name == "end" && event.data["state"] != "canceled" {
			t.Errorf("the stream ended with %v", event.data)
		}
	}
	d := s.json(200, "GET", "/api/v1/collections/log/documents/long", nil)
	if d["status"] != "canceled" || d["live_version"] != 0.0 || d["error"] == nil {
		t.Errorf("the document: %v", d)
	}
	if got := len(s.hits("log", object{"query": "kite", "rerank": false})); got != 0 {
		t.Errorf("a canceled document has %d hits", got)
	}
	s.stopped(id, canceled)
	if j := s.json(202, "POST", "/api/v1/collections/log/documents/long:retry", nil); j["state"] != "queued" || j["id"] != id || j["document_id"] != "long" {
		t.Errorf("retried: %v", j)
	}
	s.json(409, "POST", fmt.Sprintf("/api/v1/jobs/%v:retry", id), nil)
	j := s.job(id, "?wait=120s")
	if j["state"] != "succeeded" || j["attempts"] != 2.0 || j["total"].(float64) < 600 {
		t.Errorf("retried: %v", j)
	}
	s.json(409, "POST", fmt.Sprintf("/api/v1/jobs/%v:retry", id), nil)
	s.json(409, "POST", fmt.Sprintf("/api/v1/jobs/%v:cancel", id), nil)
	s.json(404, "POST", "/api/v1/jobs/4711:cancel", nil)
	for query, want := range map[string]int{
		"?collection=log": 2, "?collection=log&document=long": 2, "?kind=clean_up": 1, "?kind=ingest&state=succeeded": 1, "?kind=delete_document": 0,
		"?created_from=2001-01-01T00:00:00Z": 2, "?created_before=2001-01-01T00:00:00Z": 0,
	} {
		if got := len(s.json(200, "GET", "/api/v1/jobs"+query, nil)["jobs"].([]any)); got != want {
			t.Errorf("%s: %d jobs, want %d", query, got, want)
		}
	}
	s.json(400, "GET", "/api/v1/jobs?document=long", nil)
	s.json(400, "GET", "/api/v1/jobs?kind=odd", nil)
	s.json(404, "GET", "/api/v1/jobs?collection=none", nil)
	s.json(400, "GET", "/api/v1/jobs?colour=red", nil)
	s.json(404, "GET", "/api/v1/jobs/4711/events", nil)
	for event := range s.follow(t, id) {
		if event.name != "end" || event.data["state"] != "succeeded" {
			t.Errorf("following a job that is over: %+v", event)
		}
	}
}

// stopped waits until a canceled job's work has stopped, and tells how long that took.
func (s *server) stopped(id any, since time.Time) {
	s.t.Helper()
	for ; ; time.Sleep(20 * time.Millisecond) { // polling a server from outside: there is nothing to wait on
		attempts, _ := s.job(id, "")["bad_attempts"].([]any)
		if len(attempts) > 0 {
			last := attempts[len(attempts)-1].(object)
			ended, err := time.Parse(time.RFC3339Nano, last["ended_at"].(string))
			if last["outcome"] != "canceled" || last["worker"] == "" || err != nil {
				s.t.Fatalf("the attempt ended: %v (%v)", last, err)
			}
			s.t.Logf("the work had stopped %s after the request", ended.Sub(since).Round(time.Millisecond))
			return
		}
		if time.Since(since) > 10*time.Second {
			s.t.Fatal("the work does not stop")
		}
	}
}

// TestCancelFromAnotherProcess cancels a job in the middle of embedding by a catalog of its own, as another process
// would; and one whose large document is being parsed and cut, which knows no context.
func TestCancelFromAnotherProcess(t *testing.T) {
	set := settings(t, t.TempDir())
	set.MaxUploadBytes = 64 << 20
	s := start(t, set)
	other, err := openCatalog(t.Context(), set, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s.json(201, "POST", "/api/v1/collections", object{"name": "log"})
	for _, test := range []struct {
		name, text string
		at         func(object) bool
	}{
		{"embed", sentences(1000, -1), func(job object) bool { return job["done"].(float64) > 0 }},
		{"parse", strings.Repeat("The kite was seen over the valley on a clear morning, and it stayed for many hours.\n\n", 100_000), func(job object) bool { return job["stage"] == "parse" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := first(s.json(202, "PUT", "/api/v1/collections/log/documents/"+test.name, object{"text": test.text, "media_type": "text/markdown"}))["job_id"]
			for event := range s.follow(t, id) {
				if event.name == "end" {
					t.Fatalf("it ended before it was canceled: %v", event.data)
				}
				if test.at(event.data) {
					break
				}
			}
			canceled := time.Now()
			if j, err := other.CancelJob(t.Context(), rag.DefaultTenant, rag.JobID(id.(float64))); err != nil || j.State != rag.JobCanceled || string(j.Stage) != test.name {
				t.Fatalf("canceled: %+v, %v", j, err)
			}
			s.stopped(id, canceled)
		})
	}
	if docs := s.json(200, "GET", "/api/v1/collections/log", nil)["documents"].(object); docs["canceled"] != 2.0 || docs["total"] != 2.0 {
		t.Errorf("counts: %v", docs)
	}
}

// event is a server-sent event.
type event struct {
	name string
	data object
}

// follow reads a job's events until they end.
func (s *server) follow(t *testing.T, id any) <-chan event {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("%s/api/v1/jobs/%v/events", s.base, id))
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("events: %s, %s", response.Status, kind)
	}
	out := make(chan event)
	go func() {
		defer close(out)
		defer response.Body.Close()
		var e event
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			line := lines.Text()
			switch {
			case strings.HasPrefix(line, "event: "):
				e.name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				if err := json.Unmarshal([]byte(line[len("data: "):]), &e.data); err != nil {
					t.Errorf("event %q: %v", line, err)
				}
			case line == "" && e.data != nil:
				out <- e
				e = event{}
			}
		}
	}()
	return out
}
