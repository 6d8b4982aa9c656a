package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// bound is a stand-in server that answers every search alike: with the first book, all of it. Some it is late for, or
// answers with something missing; a collection that is cut by page it can't search at all.
type bound struct {
	mu            sync.Mutex
	cuts          map[string]rag.Chunking
	made, deleted []string
	searches      int
}

func (s *bound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	refuse := func(status int) {
		w.WriteHeader(status)
		answer(api.Problem{Status: status, Detail: "it went wrong", Code: "x", RequestID: "R"})
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/collections"), "/")
	switch {
	case r.Method == http.MethodPost && len(parts) == 1:
		var n api.NewCollection
		_ = json.NewDecoder(r.Body).Decode(&n)
		s.made = append(s.made, n.Name)
		s.cuts[n.Name] = rag.Chunking{Strategy: *n.Chunking.Strategy, MaxTokens: *n.Chunking.MaxTokens}
		answer(api.Collection{Name: n.Name, Chunking: s.cuts[n.Name]})
	case r.Method == http.MethodDelete:
		s.deleted = append(s.deleted, parts[1])
		answer(api.Job{})
	case parts[len(parts)-1] == "documents":
		answer(api.Uploaded{})
	case parts[len(parts)-1] == "search":
		s.searches++
		if s.cuts[parts[1]].Strategy == rag.StrategyPage {
			refuse(http.StatusInternalServerError)
			return
		}
		switch s.searches {
		case 3:
			refuse(http.StatusGatewayTimeout)
			return
		case 5:
			answer(api.SearchResult{Hits: []api.Hit{}, Degraded: []string{"rerank_deadline"}})
			return
		}
		answer(api.SearchResult{Hits: []api.Hit{{DocumentID: "book-1", Span: rag.Span{End: 1 << 20}}}})
	default:
		answer(api.Collection{Name: parts[1], Chunks: 7})
	}
}

// TestCompareKeepsWhatItMeasured has searches late, and then one fail: rows are printed as they are measured, the late
// ones counted.
func TestCompareKeepsWhatItMeasured(t *testing.T) {
	beir, _ := judgements(t, 8)
	args := []string{"compare", "--data", beir, "--size", "30", "--no-rerank", "--cut", "structure:128,tokens:64,page:100,row:50"}
	s := &bound{cuts: map[string]rag.Chunking{}}
	code, out, errs := command(t, s, args...)
	if code == 0 || !strings.Contains(errs, "it went wrong") {
		t.Errorf("exit status %d: %s", code, errs)
	}
	for _, want := range []string{"structure", "tokens", "structure 128 0: of 8 searches 1 were answered with something missing, 1 not within the deadline"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "page") || len(s.made) != 3 {
		t.Errorf("%d collections\n%s", len(s.made), out)
	}
	if diff := cmp.Diff(s.made, s.deleted); diff != "" {
		t.Errorf("collections are left: %s", diff)
	}

	s = &bound{cuts: map[string]rag.Chunking{}}
	code, out, _ = command(t, s, append(args, "--json")...)
	var kept struct {
		Cuts []cutting `json:"cuts"`
	}
	if err := json.Unmarshal([]byte(out), &kept); err != nil || code == 0 || len(kept.Cuts) != 2 {
		t.Fatalf("exit status %d, %v: %s", code, err, out)
	}
	first, second := kept.Cuts[0].Dense, kept.Cuts[1].Dense
	if first.Late != 1 || first.Degraded != 1 || second.Late+second.Degraded != 0 {
		t.Errorf("late and degraded: %+v, %+v", first, second)
	}
	if share := first.Shown / second.Shown; share != 6.0/8 {
		t.Errorf("two of eight searches that showed nothing: %v of the characters", share)
	}
}
