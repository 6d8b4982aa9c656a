package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/llm/llmtest"
)

// TestMistypedMembers: what says that a value can't be decoded names the member and the type, in JSON's words, not Go's;
// in the native API, where a schema checks first, only what that lets pass is left.
func TestMistypedMembers(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	const search, documents = "/api/v1/collections/c/search", "/api/v1/collections/c/documents"
	for _, test := range []struct{ path, body, pointer, says string }{
		{search, `{"query":"q","top_k":22.0}`, "/top_k", "top_k must be a whole number, written in digits alone, not 22.0"},
		{search, `{"query":"q","top_k":2.2e1}`, "/top_k", "top_k must be a whole number, written in digits alone, not 2.2e1"},
		{search, `{"query":"q","top_k":22.5}`, "/top_k", "expected integer"},
		{search, `{"query":"q","top_k":"x"}`, "/top_k", "expected integer"},
		{search, `{"query":"q","mmr":1e999}`, "/mmr", "mmr must be a number of 64 bits, not 1e999"},
		{search, `{"query":5,"query":"q"}`, "/query", "query must be a string, not a number"},
		{search, `{"fusion":[],"fusion":{"dense":1},"query":"q"}`, "/fusion", "fusion must be an object, not a list"},
		{askPath, `{"query":"q","max_context_tokens":3000.0}`, "/max_context_tokens", "max_context_tokens must be a whole number, written in digits alone, not 3000.0"},
		{documents, `{"documents":[{"text":"t"},{"chunks":[{"text":"a"},{"text":"b","page":1.0}]}]}`, "/documents/1/chunks/1/page", "documents[1].chunks[1].page must be a whole number, written in digits alone, not 1.0"},
		{documents, `{"documents":[{"text":"t","metadata":{"a/b":1e999}}]}`, "/documents/0/metadata/a~1b", "documents[0].metadata.a~1b must be a number of 64 bits, not 1e999"},
	} {
		status, _, body := post(t, server, test.path, "", test.body)
		var p struct {
			Detail string
			Errors []struct{ Pointer, Detail string }
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusBadRequest || len(p.Errors) != 1 {
			t.Errorf("%s: %d %s", test.body, status, body)
			continue
		}
		if p.Errors[0].Pointer != test.pointer || !strings.HasPrefix(p.Errors[0].Detail, test.says) || !strings.HasPrefix(p.Detail, test.says) || strings.Contains(body, "Go ") {
			t.Errorf("%s: %s", test.body, body)
		}
	}
	for _, test := range []struct{ path, body, param, says string }{
		{"/v1/embeddings", `{"model":"m","input":"x","dimensions":22.0}`, "dimensions", "dimensions must be a whole number, written in digits alone, not 22.0"},
		{"/v1/embeddings", `{"model":"m","input":"x","dimensions":99999999999999999999}`, "dimensions", "dimensions must be a whole number of 64 bits, not 99999999999999999999"},
		{"/v1/embeddings", `{"model":["m"]}`, "model", "model must be a string, not a list"},
		{"/v1/embeddings", `[]`, "", "the request must be an object, not a list"},
		{chatPath, `{"model":"c","messages":[{"role":"user","content":"q"}],"max_tokens":5.0}`, "max_tokens", "max_tokens must be a whole number, written in digits alone, not 5.0"},
		{"/v1/vector_stores", `{"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":"800"}}}`, "chunking_strategy.static.max_chunk_size_tokens", "chunking_strategy.static.max_chunk_size_tokens must be a whole number, not a string"},
		{"/v1/vector_stores", `{"file_ids":["f",{}]}`, "file_ids[1]", "file_ids[1] must be a string, not an object"},
	} {
		status, _, body := post(t, server, test.path, "", test.body)
		var e openai.OpenAIError
		decodeInto(t, body, &e)
		param := ""
		if e.Error.Param != nil {
			param = *e.Error.Param
		}
		if diff := cmp.Diff([]any{400, test.param, test.says}, []any{status, param, e.Error.Message}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.body, diff)
		}
	}
}

// TestPlaceOf asks for the place of every value, by where it ends and, of lists and objects, begins.
func TestPlaceOf(t *testing.T) {
	const raw = ` {"a": {"b" : [1, "x", {"c/d~":null}], "":[[],2.5]}, "e":{}, "a":true} `
	for until, want := range map[string]string{
		` {`: "", ` {"a": {`: "/a", `"b" : [`: "/a/b", `[1`: "/a/b/0", `[1, "x"`: "/a/b/1", `[1, "x", {`: "/a/b/2", `{"c/d~":null`: "/a/b/2/c~1d~0",
		`"":[`: "/a/", `"":[[`: "/a//0", `2.5`: "/a//1", `"e":{`: "/e", `"a":true`: "/a",
	} {
		end := strings.Index(raw, until) + len(until)
		if got := placeOf([]byte(raw), int64(end)); got != want {
			t.Errorf("after %q: %q, want %q", until, got, want)
		}
	}
}

// FuzzPlaceOf ends, and gives a pointer, whatever it is asked.
func FuzzPlaceOf(f *testing.F) {
	for _, raw := range []string{`{"a":{"b":[1,"x",{"c/d":null}]}}`, `[[],{},[[1.0]]]`, `"x"`, `{"a":1,"a":2} {`, `]`} {
		f.Add([]byte(raw), int64(len(raw)/2))
	}
	f.Fuzz(func(t *testing.T, raw []byte, offset int64) {
		if place := placeOf(raw, offset); place != "" && !strings.HasPrefix(place, "/") {
			t.Errorf("%q", place)
		}
	})
}
