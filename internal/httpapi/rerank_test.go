package httpapi

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redkite/redkite/internal/encode"
)

// near compares scores, which are logistic of 2n-1 for n occurrences.
var near = cmpopts.EquateApprox(0, 1e-6)

func relevance(logit float64) float64 { return 1 / (1 + math.Exp(-logit)) }

func TestCohereRerank(t *testing.T) {
	l := newDepository(t)
	documents := []string{"none", "kite kite", "a kite"}
	got := l.do(200, "POST", "/v2/rerank", object{"model": "cross", "query": "kite", "documents": documents, "priority": 1, "unknown": 1})
	if got["id"] == "" {
		t.Error("no id")
	}
	delete(got, "id")
	want := object{
		"results": []any{
			object{"index": 1.0, "relevance_score": relevance(3)}, object{"index": 2.0, "relevance_score": relevance(1)}, object{"index": 0.0, "relevance_score": relevance(-1)},
		},
		"meta": object{"api_version": object{"version": "2"}, "billed_units": object{"search_units": 1.0}},
	}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := l.ranked[0]; r.DocumentTokens != 4096 || r.Parts < 100 || r.Whole {
		t.Errorf("asked %+v", r)
	}
	got = l.do(200, "POST", "/v2/rerank", object{"model": "cross", "query": "kite", "documents": documents, "top_n": 1, "max_tokens_per_doc": 100})
	if len(got["results"].([]any)) != 1 || l.ranked[1].DocumentTokens != 100 {
		t.Errorf("got %v, asked %+v", got, l.ranked[1])
	}
	for _, test := range []struct {
		body   any
		status int
	}{
		{object{"query": "q", "documents": documents}, 400},
		{object{"model": "rerank-v3.5", "query": "q", "documents": documents}, 404},
		{object{"model": "cross", "query": "", "documents": documents}, 400},
		{object{"model": "cross", "query": "q", "documents": []string{}}, 400},
		{object{"model": "cross", "query": "q", "documents": make([]string, 1001)}, 400},
		{object{"model": "cross", "query": "q", "documents": []object{{"text": "t"}}}, 400},
		{object{"model": "cross", "query": "q", "documents": documents, "top_n": 0}, 400},
		{object{"model": "cross", "query": "q", "documents": documents, "max_tokens_per_doc": 0}, 400},
		{`{`, 400},
	} {
		if e := l.do(test.status, "POST", "/v2/rerank", test.body); e["message"] == "" || e["error"] != nil {
			t.Errorf("%.80v: %v", test.body, e)
		}
	}
	if e := l.as("", 401, "POST", "/v2/rerank", object{}); e["message"] == "" {
		t.Errorf("without a key: %v", e)
	}
	if e := l.do(404, "POST", "/v2/chat", object{}); e["message"] == "" {
		t.Errorf("no route: %v", e)
	}
}

// TestRerankV1 has the requests of two APIs on one path.
func TestRerankV1(t *testing.T) {
	l := newDepository(t)
	texts := []string{"none", "a kite"}
	got := l.do(200, "POST", "/v1/rerank", object{"model": "cross", "query": "kite", "documents": texts, "top_n": 1})
	delete(got, "id")
	want := object{
		"model": "bi", "object": "list", "usage": object{"total_tokens": 14.0, "prompt_tokens": 14.0},
		"results": []any{object{"index": 1.0, "relevance_score": relevance(1), "document": object{"text": "a kite"}}},
		"meta":    object{"api_version": object{"version": "1"}, "billed_units": object{"search_units": 1.0}},
	}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	first := func(path string, body object) object {
		t.Helper()
		return l.do(200, "POST", path, body)["results"].([]any)[0].(object)
	}
	objects := []object{{"text": "none", "id": 1}, {"title": "kite", "text": "bird", "id": 2}}
	for _, test := range []struct {
		name     string
		path     string
		body     object
		document any
	}{
		{"Jina, with an object as query", "/v1/rerank", object{"query": object{"text": "kite"}, "documents": texts}, object{"text": "a kite"}},
		{"Jina, without documents", "/v1/rerank", object{"query": "kite", "documents": texts, "return_documents": false}, nil},
		{"Jina, at the root", "/rerank", object{"query": "kite", "documents": texts}, object{"text": "a kite"}},
		{"Cohere", "/v1/rerank", object{"query": "kite", "documents": texts, "max_chunks_per_doc": 3}, nil},
		{"Cohere, with documents", "/v1/rerank", object{"query": "kite", "documents": objects, "rank_fields": []string{"title", "text"}, "return_documents": true}, object{"title": "kite", "text": "bird", "id": 2.0}},
	} {
		if diff := cmp.Diff(test.document, first(test.path, test.body)["document"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	last := l.ranked[len(l.ranked)-1]
	if last.Parts != 10 || last.DocumentTokens != 0 || last.Documents[1] != "title: kite\ntext: bird" {
		t.Errorf("Cohere's fields became %+v", last)
	}
	if r := l.ranked[len(l.ranked)-2]; r.Parts != 3 {
		t.Errorf("max_chunks_per_doc became %+v", r)
	}
	for _, test := range []struct {
		body   any
		status int
	}{
		{object{"model": "jina-reranker-v2", "query": "q", "documents": texts}, 404},
		{object{"query": "q", "documents": []any{1}}, 400},
		{object{"query": "q", "documents": []object{{"title": "no text"}}}, 400},
		{object{"query": 1, "documents": texts}, 400},
		{object{"query": "q"}, 400},
		{object{"query": "q", "documents": objects, "rank_fields": []string{"body"}}, 400},
		{object{"query": "q", "documents": texts, "max_chunks_per_doc": 6000}, 400},
		{object{"query": "q", "documents": texts, "max_doc_length": 0}, 400},
	} {
		if e := l.do(test.status, "POST", "/v1/rerank", test.body); e["message"] == "" || e["detail"] != e["message"] {
			t.Errorf("%v: %v", test.body, e)
		}
	}
	if e := l.do(400, "POST", "/rerank", object{"query": "q", "documents": []any{}}); e["detail"] == "" || e["error_type"] != nil {
		t.Errorf("an error of Jina's at the root: %v", e)
	}
}

func TestTEI(t *testing.T) {
	l := newDepository(t)
	long := strings.Repeat("w ", 13)
	got := l.do(200, "POST", "/rerank", object{"query": "kite", "texts": []string{"none", "a kite"}})["list"]
	if diff := cmp.Diff([]any{object{"index": 1.0, "score": relevance(1)}, object{"index": 0.0, "score": relevance(-1)}}, got, near); diff != "" {
		t.Errorf("rerank (-want +got):\n%s", diff)
	}
	got = l.do(200, "POST", "/rerank", object{"query": "kite", "texts": []string{"none", "a kite"}, "raw_scores": true, "return_text": true})["list"]
	if diff := cmp.Diff([]any{object{"index": 1.0, "score": 1.0, "text": "a kite"}, object{"index": 0.0, "score": -1.0, "text": "none"}}, got); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
	l.do(200, "POST", "/rerank", object{"query": "kite", "texts": []string{long}, "truncate": true, "truncation_direction": "Left"})
	if r := l.ranked[len(l.ranked)-1]; r.Whole || !r.FromEnd || r.Parts != 1 {
		t.Errorf("asked %+v", r)
	}
	for name, test := range map[string]struct {
		body object
		want []any
	}{
		"one":            {object{"inputs": "a b"}, []any{[]any{2.0, 0.0}}},
		"many":           {object{"inputs": []string{"a", "b c"}, "prompt_name": "query"}, []any{[]any{1.0, 1.0}, []any{2.0, 1.0}}},
		"passages":       {object{"inputs": "a", "prompt_name": "passage"}, []any{[]any{1.0, 2.0}}},
		"not normalised": {object{"inputs": "a", "normalize": false}, []any{[]any{-1.0, 0.0}}},
		"cut":            {object{"inputs": long, "truncate": true}, []any{[]any{10.0, 0.0}}},
		"start cut":      {object{"inputs": long, "truncate": true, "truncation_direction": "left"}, []any{[]any{10.0, 100.0}}},
	} {
		if diff := cmp.Diff(test.want, l.do(200, "POST", "/embed", test.body)["list"]); diff != "" {
			t.Errorf("embed %s (-want +got):\n%s", name, diff)
		}
	}
	info := l.do(200, "GET", "/info", nil)
	if info["model_id"] != "bi" || info["max_client_batch_size"] != 256.0 || info["max_input_length"] != 12.0 || info["auto_truncate"] != false ||
		info["model_type"].(object)["embedding"].(object)["pooling"] != "cls" {
		t.Errorf("info %v", info)
	}
	many := make([]string, 257)
	for _, test := range []struct {
		path   string
		body   any
		status int
		kind   string
	}{
		{"/rerank", object{"query": "q", "texts": []string{long}}, 413, "Validation"},
		{"/rerank", object{"query": "q", "texts": many}, 413, "Validation"},
		{"/rerank", object{"query": "q", "texts": []string{}}, 400, "Empty"},
		{"/rerank", object{"query": "", "texts": []string{"a"}}, 400, "Empty"},
		{"/rerank", object{"query": "q", "texts": "a"}, 422, "Validation"},
		{"/rerank", object{"query": "q", "texts": []string{"a"}, "truncation_direction": "up"}, 422, "Validation"},
		{"/embed", object{"inputs": long}, 413, "Validation"},
		{"/embed", object{"inputs": many}, 413, "Validation"},
		{"/embed", object{"inputs": []string{}}, 400, "Empty"},
		{"/embed", object{"inputs": []int{1}}, 422, "Validation"},
		{"/embed", object{"inputs": "a", "prompt_name": "nothing"}, 422, "Validation"},
		{"/embed", object{"inputs": "a", "dimensions": 5}, 422, "Validation"},
		{"/embed", `[]`, 422, "Validation"},
		{"/embed", `{"inputs"`, 422, "Validation"},
	} {
		if e := l.do(test.status, "POST", test.path, test.body); e["error_type"] != test.kind || e["error"] == "" {
			t.Errorf("%s %.60v: %v", test.path, test.body, e)
		}
	}
	if e := l.as("", 401, "GET", "/info", nil); e["error"] == "" {
		t.Errorf("without a key: %v", e)
	}
}

// TestTooManyAtTheEncoders has requests wait, and refuses more than may, each family in its way.
func TestTooManyAtTheEncoders(t *testing.T) {
	l := newDepository(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	l.enter = func() { entered <- struct{}{}; <-leave }
	var done sync.WaitGroup
	done.Go(func() { l.do(200, "POST", "/v1/embeddings", object{"model": "bi", "input": "x"}) })
	<-entered // the server of tests takes one at a time
	e := l.do(429, "POST", "/v1/embeddings", object{"model": "bi", "input": "x"})
	if e["error"].(object)["type"] != "rate_limit_error" || e["retry"] == nil {
		t.Errorf("OpenAI: %v", e)
	}
	e = l.do(429, "POST", "/embed", object{"inputs": "x"})
	if e["error_type"] != "Overloaded" || e["retry"] == nil {
		t.Errorf("TEI: %v", e)
	}
	if e = l.do(429, "POST", "/v2/rerank", object{"model": "cross", "query": "q", "documents": []string{"x"}}); e["message"] == "" || e["retry"] == nil {
		t.Errorf("Cohere: %v", e)
	}
	close(leave)
	done.Wait()
}

func TestTurns(t *testing.T) {
	few := make(chan struct{}, 4)
	turns := newTurns(few)
	var held []func()
	for range bigTurns {
		lane, done, err := turns.take(t.Context(), fewRuns+1)
		if err != nil || lane != encode.BatchLane {
			t.Fatal(err, lane)
		}
		held = append(held, done)
	}
	lane, small, err := turns.take(t.Context(), fewRuns)
	if err != nil || lane != encode.InteractiveLane {
		t.Fatalf("a small request waits for big ones: %v", err)
	}
	small()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := turns.take(ctx, fewRuns+1); err == nil {
		t.Errorf("more than %d big requests are at work", bigTurns)
	}
	waiting := make(chan func())
	go func() {
		_, done, err := turns.take(t.Context(), fewRuns+1)
		if err != nil {
			t.Error(err)
		}
		waiting <- done
	}()
	held[0]()
	(<-waiting)()
	held[1]()
	if len(turns.few)+len(turns.big)+len(turns.all) != 0 {
		t.Errorf("turns are kept: %d, %d, %d", len(turns.few), len(turns.big), len(turns.all))
	}
}

func TestMemberOf(t *testing.T) {
	for pointer, want := range map[string]string{"/a": "a", "/a/0/b": "a[0].b", "?limit": "limit", "": "", "/files/12/attributes/k": "files[12].attributes.k"} {
		if got := memberOf(pointer); got != want {
			t.Errorf("%s: got %s, want %s", pointer, got, want)
		}
	}
	if fmt.Sprint(familyOf("/v1/rerank"), familyOf("/v1/x"), familyOf("/v2/x"), familyOf("/info"), familyOf("/api/v1/x"), familyOf("/livez")) != "3 1 2 4 0 0" {
		t.Error("paths and families are mixed up")
	}
}
