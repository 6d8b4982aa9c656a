package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// searcher is a world that keeps what it was asked and gives a result.
type searcher struct {
	world
	collection rag.NewRetrieval
	queries    []retrieve.Query
	result     retrieve.Result
}

func (a *searcher) Collection(ctx context.Context, tenant, name string) (rag.Collection, error) {
	c, err := a.world.Collection(ctx, tenant, name)
	c.Retrieval = a.collection
	return c, err
}

func (a *searcher) Change(ctx context.Context, tenant, name string, asked api.CollectionPatch) (rag.Collection, error) {
	a.collection = a.collection.With(rag.NewRetrieval(*asked.Retrieval))
	if err := a.collection.Over(rag.DefaultRetrieval()).Check(); err != nil {
		return rag.Collection{}, err
	}
	return a.Collection(ctx, tenant, name)
}

func (a *searcher) Search(_ context.Context, q retrieve.Query) (retrieve.Result, error) {
	a.queries = append(a.queries, q)
	return a.result, nil
}

func (a *searcher) Caches() map[string]encode.Cache {
	return map[string]encode.Cache{"embeddings": {Hits: 3, Misses: 4, Entries: 2}}
}

func newAsked(t *testing.T, a *searcher) *Server {
	t.Helper()
	s := newServer(t, &a.world)
	deps := s.deps
	deps.Collections, deps.Retriever, deps.Caches = a, a, a
	out, err := New(deps, s.options)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const searchPath = "/api/v1/collections/c/search"

// TestSearchesThatAreRefused: what a search can't be is a 400 that points at it, never a 500.
func TestSearchesThatAreRefused(t *testing.T) {
	tests := []struct{ name, body, pointer, says string }{
		{"nothing", `{}`, "/query", "there is no question"},
		{"empty", `{"query":""}`, "/query", "there is no question"},
		{"blank", `{"query":" \n\t"}`, "/query", "blank"},
		{"NUL alone", `{"query":"\u0000"}`, "/query", "blank"},
		{"a mark of direction alone", `{"query":"\u200f"}`, "/query", "blank"},
		{"too long", `{"query":"` + strings.Repeat("x", 200_001) + `"}`, "/query", "200000"},
		{"an unknown member", `{"query":"q","topk":3}`, "/topk", "unexpected"},
		{"an unknown member below", `{"messages":[{"role":"user","content":"q","name":"x"}]}`, "/messages/0/name", "unexpected"},
		{"query and queries", `{"query":"q","queries":["r"]}`, "/queries", "contradictory"},
		{"query and messages", `{"query":"q","messages":[{"role":"user","content":"q"}]}`, "/messages", "contradictory"},
		{"a blank one of several", `{"queries":["q"," "]}`, "/queries/1", "blank"},
		{"too many queries", `{"queries":["1","2","3","4","5","6","7","8","9"]}`, "/queries", "8"},
		{"the assistant last", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, "/messages/1/role", "end with a message of the user"},
		{"a blank message last", `{"messages":[{"role":"user","content":""}]}`, "/messages/0/content", "blank"},
		{"an unknown role", `{"messages":[{"role":"tool","content":"q"}]}`, "/messages/0/role", "one of"},
		{"threshold without reranking", `{"query":"q","rerank":false,"min_relevance":0.5}`, "/min_relevance", "rerank is false"},
		{"exhaustive without reranking", `{"query":"q","rerank":false,"exhaustive":true}`, "/exhaustive", "rerank is false"},
		{"weight without reranking", `{"query":"q","rerank":false,"cross_weight":1}`, "/cross_weight", "rerank is false"},
		{"time without reranking", `{"query":"q","rerank":false,"rerank_ms":100}`, "/rerank_ms", "rerank is false"},
		{"exhaustive in a time", `{"query":"q","exhaustive":true,"rerank_ms":100}`, "/rerank_ms", "exhaustive"},
		{"two surroundings", `{"query":"q","neighbours":1,"expand":"section"}`, "/neighbours", "expand"},
		{"mmr of groups", `{"query":"q","mmr":0.5,"group_by":"document"}`, "/mmr", "group_by"},
		{"queries and hyde", `{"queries":["q","r"],"hyde":true}`, "/queries", "hyde"},
		{"lambda", `{"query":"q","mmr":1.5}`, "/mmr", "1"},
		{"weight", `{"query":"q","cross_weight":-0.1}`, "/cross_weight", "0"},
		{"duplicates", `{"query":"q","duplicates":"all"}`, "/duplicates", "one of"},
		{"a number as text", `{"query":"q","neighbours":"1"}`, "/neighbours", "integer"},
		{"a filter", `{"query":"q","filter":{"type":"like","key":"a","value":1}}`, "/filter/type", "like"},
		{"bad JSON", `{"query":`, "", ""},
	}
	for _, test := range tests {
		a := &searcher{}
		answer := ask(newAsked(t, a), "POST", searchPath, test.body, nil)
		p := problem(t, answer)
		if answer.Code != http.StatusBadRequest || len(a.queries) > 0 || !strings.Contains(p.Detail, test.says) || test.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != test.pointer) {
			t.Errorf("%s: %d, %q, %+v", test.name, answer.Code, p.Detail, p.Errors)
		}
	}
	for _, member := range []string{`"cursor":"x"`, `"paginate":true`, `"group_by":"document"`, `"highlight":1`, `"explain":true`} {
		answer := ask(newAsked(t, &searcher{}), "POST", "/api/v1/collections/c/context", `{"query":"q",`+member+`}`, nil)
		if p := problem(t, answer); answer.Code != http.StatusBadRequest || len(p.Errors) != 1 || !strings.Contains(member, strings.TrimPrefix(p.Errors[0].Pointer, "/")) {
			t.Errorf("%s of a context: %d, %+v", member, answer.Code, p)
		}
	}
}

// TestSearchesOfOddTexts: any text that can be seen is searched as it is.
func TestSearchesOfOddTexts(t *testing.T) {
	for _, text := range []string{"🪁", "👩‍👩‍👧 families", "איפה החתול?", "\u202eabc", "a\x00b", "鳶", strings.Repeat("long ", 20_000), "' OR 1=1 --", `"\`} {
		body, err := json.Marshal(api.Search{Query: text})
		if err != nil {
			t.Fatal(err)
		}
		a := &searcher{}
		if answer := ask(newAsked(t, a), "POST", searchPath, string(body), nil); answer.Code != http.StatusOK || len(a.queries) != 1 || a.queries[0].Text != text {
			t.Errorf("%.20q: %d %.200s", text, answer.Code, answer.Body)
		}
	}
}

// TestRetrievalOfCollections: a request's word goes before the collection's, and that before the defaults.
func TestRetrievalOfCollections(t *testing.T) {
	a := &searcher{}
	s := newAsked(t, a)
	search := func(body string) retrieve.Query {
		t.Helper()
		if answer := ask(s, "POST", searchPath, body, nil); answer.Code != http.StatusOK {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		return a.queries[len(a.queries)-1]
	}
	q := search(`{"query":"q"}`)
	if q.Candidates != 50 || q.Blending != (retrieve.Blending{Weight: 0.5, Normalisation: rag.NormaliseZScore}) || q.RerankTime != 0 || q.Shape.Duplicates != rag.DuplicatesKeep {
		t.Errorf("defaults: %+v", q)
	}
	answer := ask(s, "PATCH", "/api/v1/collections/c", `{"retrieval":{"candidates":20,"cross_weight":0.7,"rerank_ms":120,"duplicates":"near","min_relevance":0.2}}`, nil)
	var c api.Collection
	if err := json.Unmarshal(answer.Body.Bytes(), &c); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	want := rag.Retrieval{Candidates: 20, RerankMS: 120, CrossWeight: 0.7, Normalisation: rag.NormaliseZScore, MinRelevance: 0.2, Duplicates: rag.DuplicatesNear}
	if diff := cmp.Diff(want, c.Retrieval); diff != "" {
		t.Error(diff)
	}
	q = search(`{"query":"q"}`)
	if q.Candidates != 20 || q.Blending.Weight != 0.7 || q.RerankTime != 120*time.Millisecond || q.Shape.Duplicates != rag.DuplicatesNear || q.Shape.MinRelevance != 0.2 {
		t.Errorf("the collection's: %+v", q)
	}
	q = search(`{"query":"q","candidates":30,"cross_weight":0.1,"min_relevance":0,"duplicates":"keep","rerank_ms":50,"deadline_ms":1000}`)
	if q.Candidates != 30 || q.Blending.Weight != 0.1 || q.RerankTime != 50*time.Millisecond || q.Shape.Duplicates != rag.DuplicatesKeep || q.Shape.MinRelevance != 0 {
		t.Errorf("the request's: %+v", q)
	}
	if q = search(`{"query":"q","deadline_ms":1000}`); q.RerankTime != 0 {
		t.Errorf("a deadline leaves reranking %v", q.RerankTime)
	}
	for _, test := range []struct{ body, pointer string }{
		{`{"retrieval":{"candidates":0}}`, "/retrieval/candidates"}, {`{"retrieval":{"depth":3}}`, "/retrieval/depth"}, {`{}`, ""},
	} {
		answer := ask(s, "PATCH", "/api/v1/collections/c", test.body, nil)
		if p := problem(t, answer); answer.Code != http.StatusBadRequest || test.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != test.pointer) {
			t.Errorf("%s: %d %+v", test.body, answer.Code, p)
		}
	}
}

// TestFingerprintsOfSearches: pages of a search share one, other searches have others.
func TestFingerprintsOfSearches(t *testing.T) {
	a := &searcher{}
	s := newAsked(t, a)
	prints := map[string][]string{}
	for _, body := range []string{`{"query":"q","paginate":true}`, `{"query":"q","cursor":"x","top_k":3}`, `{"query":"r"}`, `{"query":"q","mmr":0.5}`, `{"query":"q","filter":{"type":"eq","key":"a","value":1}}`} {
		ask(s, "POST", searchPath, body, nil)
		print := a.queries[len(a.queries)-1].Fingerprint
		prints[print] = append(prints[print], body)
	}
	if len(prints) != 4 || len(a.queries) != 5 || a.queries[0].Fingerprint != a.queries[1].Fingerprint {
		t.Errorf("got %v", prints)
	}
}

func TestSearchShowsWhatShapedIt(t *testing.T) {
	hit := func(id rag.ChunkID, document string) rag.Hit {
		return rag.Hit{ExternalID: document, Title: "T " + document, Chunk: rag.Chunk{ID: id, Parent: &rag.Parent{Text: "around", PageStart: 2, PageEnd: 3, Chunks: []rag.ChunkID{id, id + 1}}}}
	}
	a := &searcher{result: retrieve.Result{
		Hits: []rag.Hit{hit(1, "a"), hit(3, "a"), hit(5, "b")}, RankedBy: rag.RankedByBlend, Next: "next", QueryUsed: "used", Queries: []string{"more"}, Calibrated: true,
		Highlights: [][]retrieve.Highlight{{{Text: "best", Score: 0.5, Span: rag.Span{Start: 1, End: 5}}}, nil, nil},
		Verdicts:   []retrieve.Verdict{{Hit: hit(7, "c"), Rank: 4, Outcome: retrieve.OutcomeDuplicate, Of: 1, Detail: "the same words"}},
	}}
	s := newAsked(t, a)
	var got api.SearchResult
	if err := json.Unmarshal(ask(s, "POST", searchPath, `{"query":"q"}`, nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Hits) != 3 || got.Groups != nil || got.NextCursor != "next" || got.QueryUsed != "used" || !got.RelevanceCalibrated || len(got.FurtherQueries) != 1 {
		t.Errorf("got %+v", got)
	}
	if h := got.Hits[0]; len(h.Highlights) != 1 || h.Highlights[0].Text != "best" || h.Parent.PageEnd != 3 || len(h.Parent.ChunkIDs) != 2 {
		t.Errorf("got %+v", h)
	}
	if len(got.Explain) != 1 || got.Explain[0].Outcome != "duplicate" || got.Explain[0].Of != 1 || got.Explain[0].DocumentID != "c" {
		t.Errorf("got %+v", got.Explain)
	}
	got = api.SearchResult{}
	if err := json.Unmarshal(ask(s, "POST", searchPath, `{"query":"q","group_by":"document"}`, nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Hits) != 0 || len(got.Groups) != 2 || len(got.Groups[0].Hits) != 2 || got.Groups[1].DocumentID != "b" || len(got.Groups[0].Hits[0].Highlights) != 1 {
		t.Errorf("got %+v", got.Groups)
	}
	metrics := ask(s, "GET", "/metrics", "", nil).Body.String()
	for _, line := range []string{`redkite_cache_hits_total{cache="embeddings"} 3`, `redkite_cache_misses_total{cache="embeddings"} 4`, `redkite_cache_entries{cache="embeddings"} 2`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}
