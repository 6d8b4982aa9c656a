package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/evaluate"
)

// judged is a stand-in server that searches documents d0 to d29. Of a query, its cross-encoder knows what is relevant:
// the document that the query's last word names; its bi-encoder does not.
type judged struct {
	modes     bool // requests may name one
	mu        sync.Mutex
	made      []string
	deleted   []string
	patched   []byte
	retrieval bool // takes the collection's retrieval settings
	documents int
	requests  int
}

func (s *judged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	refuse := func(status int, detail string) {
		w.WriteHeader(status)
		answer(api.Problem{Status: status, Detail: detail, Code: "x", RequestID: "R"})
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	switch last := parts[len(parts)-1]; {
	case r.URL.Path == "/version":
		answer(api.Version{Version: "test"})
	case last == "models":
		answer(api.Models{Models: []api.Model{{Name: "bge", Kind: "bi-encoder", SHA256: "abc"}, {Name: "unused", Kind: "cross-encoder"}}})
	case last == "collections":
		var n api.NewCollection
		_ = json.NewDecoder(r.Body).Decode(&n)
		s.made = append(s.made, n.Name)
		answer(api.Collection{Name: n.Name})
	case len(parts) < 2 || !slices.Contains(s.made, parts[1]):
		refuse(http.StatusNotFound, "there is no such collection")
	case r.Method == http.MethodDelete:
		s.deleted = append(s.deleted, parts[1])
		answer(api.Job{})
	case r.Method == http.MethodPatch && !s.retrieval:
		refuse(http.StatusBadRequest, "unknown member retrieval")
	case r.Method == http.MethodPatch:
		s.patched = make([]byte, r.ContentLength)
		_, _ = r.Body.Read(s.patched)
		answer(api.Collection{})
	case last == "fingerprint":
		answer(api.Fingerprint{Fingerprint: "feed", Documents: 30, Chunks: 30})
	case last == "search":
		s.search(r, answer, refuse)
	case len(parts) == 4 && parts[2] == "documents":
		if !strings.HasPrefix(parts[3], "d") {
			refuse(http.StatusNotFound, "there is no such document")
			return
		}
		answer(api.Document{DocumentID: parts[3]})
	case last == "documents":
		var n api.NewDocuments
		_ = json.NewDecoder(r.Body).Decode(&n)
		s.documents += len(n.Documents)
		answer(api.Uploaded{})
	default:
		answer(api.Collection{Name: parts[1], Model: "bge"})
	}
}

func (s *judged) search(r *http.Request, answer func(any), refuse func(int, string)) {
	var q evaluate.Request
	_ = json.NewDecoder(r.Body).Decode(&q)
	if _, ok := q["mode"]; ok && !s.modes {
		refuse(http.StatusBadRequest, "unknown member mode")
		return
	}
	s.requests++
	var text string
	_ = json.Unmarshal(q["query"], &text)
	var hits []evaluate.Hit
	for i := range 30 {
		h := fnv.New32()
		fmt.Fprint(h, text, i)
		scores := evaluate.Numbers{"dense": float64(h.Sum32()%10007) / 10007, "rerank_logit": float64(h.Sum32()%9973) / 9973}
		if strings.HasSuffix(text, fmt.Sprint(" d", i)) {
			scores["rerank_logit"] = 1.2
		}
		hits = append(hits, evaluate.Hit{DocumentID: fmt.Sprint("d", i), ChunkID: int64(i), Text: fmt.Sprint("passage ", i), Scores: scores})
	}
	all, _ := evaluate.Recombine(evaluate.Answer{Hits: hits})
	answer(evaluate.Answer{Hits: all.Hits(q), Timings: evaluate.Numbers{"rerank": 7}})
}

// judgements writes a set of n questions, and gives its files.
func judgements(t *testing.T, n int) (beir, lines string) {
	t.Helper()
	beir = t.TempDir()
	var corpus, queries, qrels, mine strings.Builder
	for i := range 30 {
		fmt.Fprintf(&corpus, "{\"_id\":\"d%d\",\"text\":\"passage %d\"}\n", i, i)
	}
	for i := range n {
		fmt.Fprintf(&queries, "{\"_id\":\"q%d\",\"text\":\"number %d, that is d%d\"}\n", i, i, i%30)
		fmt.Fprintf(&qrels, "q%d\td%d\t1\n", i, i%30)
		fmt.Fprintf(&mine, "{\"question\":\"number %d, that is d%d\",\"document\":\"d%d\"}\n", i, i%30, i%30)
	}
	for name, text := range map[string]string{"corpus.jsonl": corpus.String(), "queries.jsonl": queries.String(), "qrels/test.tsv": qrels.String(), "mine.jsonl": mine.String()} {
		path := filepath.Join(beir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return beir, filepath.Join(beir, "mine.jsonl")
}

// local runs a command that speaks to no server.
func local(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestEval(t *testing.T) {
	s := &judged{}
	beir, _ := judgements(t, 40)
	runs := t.TempDir()
	file := filepath.Join(t.TempDir(), "configurations.json")
	if err := os.WriteFile(file, []byte(`{"bi-encoder": {"rerank": false}, "lexical": {"mode": "lexical"}, "ten": {"candidates": 10, "cross_weight": 1}, "thirty": {"candidates": 30, "cross_weight": 1}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, s, "eval", "--data", beir, "--runs", runs, "--configurations", file, "--configuration", `default={"top_k": 5}`, "--skip-refused")
	if code != 0 {
		t.Fatalf("exit status %d: %s", code, errs)
	}
	for _, want := range []string{"| bi-encoder |", "| thirty | 1.0000 (1.0000 to 1.0000) |", "| default | - |", "content feed, bi-encoder bge (abc)", "configuration lexical is left out", "kept in " + runs} {
		if !strings.Contains(out+errs, want) {
			t.Errorf("no %q in\n%s%s", want, out, errs)
		}
	}
	if s.documents != 30 || len(s.made) != 1 || len(s.deleted) != 1 || s.deleted[0] != s.made[0] || !strings.HasPrefix(s.made[0], "eval-") {
		t.Errorf("%d documents into %v, deleted %v", s.documents, s.made, s.deleted)
	}
	folders, err := filepath.Glob(filepath.Join(runs, "*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("kept %v, %v", folders, err)
	}
	for _, name := range []string{"run.json", "passages.json", "table.md", "modes.svg", "depth.svg"} {
		if stat, err := os.Stat(filepath.Join(folders[0], name)); err != nil || stat.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	id := filepath.Base(folders[0])
	code, out, errs = local(t, "eval", "diff", "--runs", runs, id, id+":thirty", "--limit", "2")
	if code != 0 || !strings.Contains(out, ", told from noise; of 40 questions") || !strings.Contains(out, "B* 1. d") || !strings.Contains(out, "more that are better") || strings.Contains(out, "worse:") {
		t.Errorf("diff: %d %s\n%s", code, errs, out)
	}
	code, out, _ = local(t, "eval", "diff", "--runs", runs, "--json", folders[0]+":ten", id+":thirty")
	var compared evaluate.Comparison
	if err := json.Unmarshal([]byte(out), &compared); code != 0 || err != nil || compared.Queries != 40 || len(compared.Better) == 0 {
		t.Errorf("diff as JSON: %d, %v\n%s", code, err, out)
	}
	if code, out, _ = local(t, "eval", "runs", "--runs", runs); code != 0 || !strings.Contains(out, id) || !strings.Contains(out, "thirty  nDCG@10 1.0000") {
		t.Errorf("runs: %d %s", code, out)
	}
}

func TestEvalUsesACollection(t *testing.T) {
	s := &judged{made: []string{"mine"}, modes: true}
	_, lines := judgements(t, 25)
	code, out, errs := command(t, s, "eval", "--data", lines, "-c", "mine", "--runs", t.TempDir(), "--json", "--queries", "10")
	var run evaluate.Run
	if err := json.Unmarshal([]byte(out), &run); code != 0 || err != nil {
		t.Fatalf("%d, %v: %s", code, err, errs)
	}
	if s.documents != 0 || len(s.deleted) != 0 || len(run.Questions) != 10 || len(run.Results) != 2 || run.Ingest != nil || s.requests != 2+2*10 {
		t.Errorf("%d documents, deleted %v, %d questions, %d results, %d requests", s.documents, s.deleted, len(run.Questions), len(run.Results), s.requests)
	}
}

func TestEvalTellsWhatIsWrong(t *testing.T) {
	s := &judged{made: []string{"mine"}}
	beir, lines := judgements(t, 5)
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown document", []string{"eval", "--data", write("x.jsonl", `{"question":"q","document":"zz"}`), "-c", "mine"}, `x.jsonl:1: document "zz" is not in collection mine`},
		{"malformed line", []string{"eval", "--data", write("y.jsonl", "{\"question\":\"q\",\"document\":\"d1\"}\n{"), "-c", "mine"}, "y.jsonl:2: want"},
		{"no judgement", []string{"eval", "--data", write("z.jsonl", `{"question":"q"}`), "-c", "mine"}, "z.jsonl:1: the question has no judgement"},
		{"empty", []string{"eval", "--data", write("e.jsonl", ""), "-c", "mine"}, "e.jsonl: the file is empty"},
		{"no documents", []string{"eval", "--data", lines}, "name a collection that holds them with -c"},
		{"refused", []string{"eval", "--data", beir, "-c", "mine", "--configuration", `l={"mode":"lexical"}`}, "configuration l: the server refuses the request: unknown member mode"},
		{"bad configuration", []string{"eval", "--data", beir, "-c", "mine", "--configuration", "l"}, "--configuration: want name={...}"},
		{"too few to tune", []string{"tune", "--data", lines, "-c", "mine"}, "has 5 judged questions; a choice needs at least 20"},
		{"no such measure", []string{"tune", "--data", lines, "-c", "mine", "--measure", "good"}, "--measure good: is none of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, _, errs := command(t, s, test.args...)
			if code != 2 || !strings.Contains(errs, test.want) {
				t.Errorf("exit status %d, want 2 and %q: %s", code, test.want, errs)
			}
		})
	}
	if len(s.deleted) != 0 {
		t.Errorf("deleted %v", s.deleted)
	}
	if code, _, errs := local(t, "eval", "diff", "--runs", t.TempDir(), "a", "b"); code != 2 || !strings.Contains(errs, "there is no such run") {
		t.Errorf("no such run: exit status %d: %s", code, errs)
	}
}

func TestTune(t *testing.T) {
	s := &judged{made: []string{"mine"}, retrieval: true}
	_, lines := judgements(t, 60)
	code, out, errs := command(t, s, "tune", "--data", lines, "-c", "mine", "--apply")
	if code != 0 || !strings.Contains(out, "written to collection mine") || !strings.Contains(errs, "mode is left out") {
		t.Fatalf("exit status %d: %s\n%s", code, out, errs)
	}
	var patch map[string]evaluate.Request
	if err := json.Unmarshal(s.patched, &patch); err != nil || patch["retrieval"].Number("cross_weight", 0) < 0.65 {
		t.Errorf("patched with %s, %v", s.patched, err)
	}
	s.retrieval, s.patched = false, nil
	if code, out, errs = command(t, s, "tune", "--data", lines, "-c", "mine", "--apply"); code != 0 || !strings.Contains(out, "not written") || !strings.Contains(errs, "give them with each search") {
		t.Errorf("a server that does not take them: %d %s\n%s", code, out, errs)
	}
}

func TestTuneTakesNoNoiseForAGain(t *testing.T) {
	s := &judged{made: []string{"mine"}, retrieval: true}
	var text strings.Builder
	for i := range 60 { // nobody knows what is relevant
		fmt.Fprintf(&text, "{\"question\":\"number %d\",\"document\":\"d%d\"}\n", i, i%30)
	}
	path := filepath.Join(t.TempDir(), "mine.jsonl")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, s, "tune", "--data", path, "-c", "mine", "--apply")
	if code != 0 || !strings.Contains(out, "no gain told from noise: nothing is changed") || s.patched != nil {
		t.Errorf("exit status %d, patched %s: %s\n%s", code, s.patched, out, errs)
	}
}
