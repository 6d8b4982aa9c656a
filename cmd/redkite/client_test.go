package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
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

// shelf is a stand-in server that takes batches and remembers their files.
type shelf struct {
	mu    sync.Mutex
	ids   []string
	made  bool
	taken map[string]string
	batch api.Batch
	jobs  []api.Job // failed
	cut   int       // how many uploads break off
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/batches") && r.Method == http.MethodPost:
		if s.cut > 0 {
			s.cut--
			_, _ = io.CopyN(io.Discard, r.Body, 100)
			panic(http.ErrAbortHandler)
		}
		if err := s.take(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		running := s.batch
		running.State = rag.BatchRunning
		answer(running)
	case strings.HasPrefix(path, "/api/v1/collections/") && !s.made:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"status":404,"detail":"none","code":"collection_not_found","request_id":"R"}`)
	case r.Method == http.MethodPost && path == "/api/v1/collections":
		s.made = true
		fmt.Fprint(w, `{}`)
	case strings.HasSuffix(path, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: end\nid: x\ndata: ")
		answer(s.batch)
		fmt.Fprint(w, "\n")
	case path == "/api/v1/jobs" && r.URL.Query().Get("state") == "failed":
		answer(api.Jobs{Jobs: s.jobs})
	case path == "/api/v1/batches":
		answer(api.Batches{Batches: []api.Batch{s.batch}})
	case strings.HasPrefix(path, "/api/v1/batches/5"):
		answer(s.batch)
	default:
		fmt.Fprint(w, `{}`)
	}
}

// take reads a batch: a file that is not there the same has a job, which fails for a .pdf.
func (s *shelf) take(r *http.Request) error {
	form, err := r.MultipartReader()
	if err != nil {
		return err
	}
	if s.taken == nil {
		s.taken = map[string]string{}
	}
	s.batch, s.jobs, s.ids = api.Batch{ID: 5, Collection: "c", State: rag.BatchEnded}, nil, nil
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			s.batch.Done = s.batch.Total
			return nil
		}
		if err != nil {
			return err
		}
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		id, n := params["filename"], &s.batch.Counts
		s.ids = append(s.ids, part.FormName()+" "+id)
		s.batch.Total++
		switch {
		case strings.HasSuffix(id, ".pdf"):
			n.Failed++
			s.jobs = append(s.jobs, api.Job{DocumentID: id, State: rag.JobFailed, Error: &rag.Failure{Message: "the PDF is broken"}})
		case strings.HasSuffix(id, ".bin"):
			n.Refused++
			s.batch.Refused = append(s.batch.Refused, api.RefusedEntry{File: id, Detail: "files of this type can't be read"})
		case s.taken[id] == string(content):
			n.Unchanged++
		default:
			n.Succeeded++
		}
		s.taken[id] = string(content)
	}
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
	if diff := cmp.Diff([]string{"file a.md", "file sub/b.md", "file sub/deep/c #1.md"}, s.ids); diff != "" {
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
	code, stdout, _ := command(t, &shelf{}, "ingest", folder(t, "good.md", "bad.pdf", "odd.bin"), "-c", "c")
	if code != 1 || !strings.Contains(stdout, "2 uploaded, 0 unchanged, 1 searchable, 2 failed") ||
		!strings.Contains(stdout, "bad.pdf: the PDF is broken") || !strings.Contains(stdout, "odd.bin: files of this type") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// TestIngestArchive sends an archive that is named as what it is; one in a folder is a file like others.
func TestIngestArchive(t *testing.T) {
	dir := folder(t, "all.zip", "sub/a \"1\".md")
	s := &shelf{}
	if code, stdout, stderr := command(t, s, "ingest", filepath.Join(dir, "all.zip"), "-c", "c", "--json"); code != 0 ||
		cmp.Diff([]string{"archive all.zip"}, s.ids) != "" || !strings.Contains(stdout, `"batches"`) {
		t.Errorf("exit %d, sent %v\n%s%s", code, s.ids, stdout, stderr)
	}
	if code, _, stderr := command(t, s, "ingest", dir, "-c", "c"); code != 0 || cmp.Diff([]string{"file all.zip", `file sub/a "1".md`}, s.ids) != "" {
		t.Errorf("exit %d, sent %v\n%s", code, s.ids, stderr)
	}
}

// TestIngestRecords sends files of JSON lines as what they are, where the command says that they hold records.
func TestIngestRecords(t *testing.T) {
	dir := folder(t, "a.md", "sub/r.jsonl")
	s := &shelf{made: true}
	if code, _, stderr := command(t, s, "ingest", dir, "-c", "c"); code != 0 || cmp.Diff([]string{"file a.md", "file sub/r.jsonl"}, s.ids) != "" {
		t.Errorf("exit %d, sent %v\n%s", code, s.ids, stderr)
	}
	want := []string{"record_text ", "record_id ", "record_metadata ", "records r.jsonl"}
	code, _, stderr := command(t, s, "ingest", filepath.Join(dir, "sub"), "-c", "c", "--record-text", "q,a", "--record-id", "id", "--record-metadata", "year")
	if code != 0 || cmp.Diff(want, s.ids) != "" || s.taken[""] != "year" {
		t.Errorf("exit %d, sent %v\n%s", code, s.ids, stderr)
	}
}

func TestIngestCallsBack(t *testing.T) {
	s := &shelf{made: true}
	want := []string{"callback_url ", "callback_secret ", "file a.md"}
	code, _, stderr := command(t, s, "ingest", folder(t, "a.md"), "-c", "c", "--callback-url", "https://example.org/done", "--callback-secret", "sixteen letters.")
	if code != 0 || cmp.Diff(want, s.ids) != "" || s.taken[""] != "sixteen letters." {
		t.Errorf("exit %d, sent %v\n%s", code, s.ids, stderr)
	}
}

func TestIngestSendsAgainWhatBrokeOff(t *testing.T) {
	s := &shelf{cut: 1, made: true}
	if code, stdout, stderr := command(t, s, "ingest", folder(t, "a.md", "b.md"), "-c", "c"); code != 0 || !strings.HasPrefix(stdout, "2 uploaded") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestBatches(t *testing.T) {
	s := &shelf{made: true}
	command(t, s, "ingest", folder(t, "a.md", "b.pdf", "c.bin"), "-c", "c")
	s.batch.Callback = &api.Callback{URL: "https://example.com/x", State: "failed", Attempts: 12, Error: &rag.Failure{Code: "callback_failed", Message: "answered 500"}}
	for want, args := range map[string][]string{
		"5   c           ended  3/3   1        1":                        {"batches", "list"},
		"batch 5 into c: ended, 3 of 3 files done":                       {"batches", "show", "5"},
		"refused c.bin: files of this type can't be read":                {"batches", "show", "5"},
		"callback to https://example.com/x: failed, 12 attempts, callba": {"batches", "cancel", "5"},
		"1 searchable, 0 unchanged":                                      {"batches", "watch", "5"},
	} {
		code, stdout, stderr := command(t, s, args...)
		if watched := args[1] == "watch"; !strings.Contains(stdout, want) || (code == 1) != watched {
			t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
		for line := range strings.Lines(func() string { _, out, _ := command(t, s, append(args, "--json")...); return compact(t, out) }()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%v --json: %s", args, line)
			}
		}
	}
}

// compact puts JSON of several lines on one; what is on one each stays so.
func compact(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return text
	}
	return out.String()
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
