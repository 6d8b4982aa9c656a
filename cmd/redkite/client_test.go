package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// command runs redkite against a stand-in server and gives its exit status and what it printed.
func command(t *testing.T, handler http.Handler, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	var out, errs strings.Builder
	code = run(t.Context(), append(args, "--server", s.URL), &out, &errs)
	return code, out.String(), errs.String()
}

// shelf is a stand-in server that takes documents and remembers their ids.
type shelf struct {
	mu    sync.Mutex
	ids   []string
	made  bool
	taken map[string]string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/collections/") && !s.made:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"status":404,"detail":"none","code":"collection_not_found","request_id":"R"}`)
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/collections":
		s.made = true
		fmt.Fprint(w, `{}`)
	case strings.HasSuffix(r.URL.Path, "/documents"):
		s.take(w, r)
	case strings.HasPrefix(r.URL.Path, "/api/v1/jobs/"):
		if strings.HasSuffix(r.URL.Path, "/13") {
			fmt.Fprint(w, `{"state":"failed","error":{"code":"c","message":"the PDF is broken"}}`)
			return
		}
		fmt.Fprint(w, `{"state":"succeeded"}`)
	default:
		fmt.Fprint(w, `{}`)
	}
}

func (s *shelf) take(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	file, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	content, _ := io.ReadAll(file)
	if s.taken == nil {
		s.taken = map[string]string{}
	}
	s.ids = append(s.ids, id)
	unchanged, job := s.taken[id] == string(content), 7
	s.taken[id] = string(content)
	if strings.HasSuffix(id, ".pdf") {
		job, unchanged = 13, false
	} else if unchanged {
		job = 0
	}
	fmt.Fprintf(w, `{"documents":[{"document_id":%q,"job_id":%d,"unchanged":%v}]}`, id, job, unchanged)
}

// folder writes files, named by their path, into a new folder.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("text of "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestIngestFolder(t *testing.T) {
	dir := folder(t, "a.md", "sub/b.md", "sub/deep/c #1.md", ".hidden.md", ".git/config", "notes.bin")
	s := &shelf{}
	code, stdout, stderr := command(t, s, "ingest", dir, "-c", "c", "--include", "*.md", "--json")
	var sum ingested
	if err := json.Unmarshal([]byte(stdout), &sum); err != nil || code != 0 {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	slices.Sort(s.ids)
	if diff := cmp.Diff([]string{"a.md", "sub/b.md", "sub/deep/c #1.md"}, s.ids); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	if sum.Uploaded != 3 || sum.Ready != 3 || sum.Unchanged != 0 || len(sum.Failed) != 0 || !s.made {
		t.Errorf("%+v, collection made: %v", sum, s.made)
	}
	code, stdout, _ = command(t, s, "ingest", dir, "-c", "c", "--include", "*.md")
	if code != 0 || !strings.HasPrefix(stdout, "0 uploaded, 3 unchanged, 3 searchable, 0 failed") {
		t.Errorf("again: exit %d, %s", code, stdout)
	}
}

func TestIngestTellsWhatFailed(t *testing.T) {
	code, stdout, _ := command(t, &shelf{}, "ingest", folder(t, "good.md", "bad.pdf"), "-c", "c")
	if code != 1 || !strings.Contains(stdout, "1 failed") || !strings.Contains(stdout, "bad.pdf: the PDF is broken") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

func TestIngestRefusesOneIDForTwoFiles(t *testing.T) {
	s := &shelf{}
	code, _, stderr := command(t, s, "ingest", folder(t, "README.md"), folder(t, "README.md"), "-c", "c")
	if code != 1 || !strings.Contains(stderr, `would both become document "README.md"`) || len(s.ids) != 0 {
		t.Errorf("exit %d, taken %v\n%s", code, s.ids, stderr)
	}
	dir := folder(t, "README.md")
	if code, _, stderr := command(t, s, "ingest", dir, dir+"/", "-c", "c"); code != 0 {
		t.Errorf("one folder named twice: exit %d\n%s", code, stderr)
	}
}

func TestSearch(t *testing.T) {
	const result = `{"hits":[{"document_id":"d1","title":"Kites","page_start":3,"headings":["Flying","Wind"],"text":"A\n kite flies.","scores":{"dense":0.5,"rerank_logit":1.25,"blend":0.75}}],
		"candidates":9,"reranked":9,"degraded":["rerank_deadline"],"timings_ms":{"embed":1,"search":2,"live":3,"rerank":4,"total":10}}`
	var asked string
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
		fmt.Fprint(w, result)
	})
	code, stdout, stderr := command(t, server, "search", "why?", "-c", "c", "--top-k", "3", "--no-rerank", "--filter", `{"type":"exists","key":"k"}`, "--deadline", "2s")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if want := `{"query":"why?","top_k":3,"rerank":false,"filter":{"type":"exists","key":"k"},"deadline_ms":2000}`; asked != want {
		t.Errorf("asked %s\nwant  %s", asked, want)
	}
	for _, want := range []string{"1. Kites, page 3 (Flying > Wind)", "dense 0.500, logit 1.250, blend 0.750", "A kite flies.", "9 of 9 candidates reranked", "degraded: rerank_deadline"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	code, stdout, _ = command(t, server, "search", "why?", "-c", "c", "--json")
	if code != 0 || !json.Valid([]byte(stdout)) {
		t.Errorf("--json: exit %d\n%s", code, stdout)
	}
}

func TestWhatCannotBeAskedIsRefused(t *testing.T) {
	server := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	for want, args := range map[string][]string{
		"--filter is not valid JSON": {"search", "q", "-c", "c", "--filter", `{"type":`},
		"--deadline is at least 1ms": {"context", "q", "-c", "c", "--deadline", "5us"},
		"no files found":             {"ingest", t.TempDir(), "-c", "c"},
	} {
		if code, _, stderr := command(t, server, args...); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
}
