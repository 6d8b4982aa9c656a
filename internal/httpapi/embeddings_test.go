package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModels(t *testing.T) {
	l := newDepository(t)
	l.do(200, "POST", "/v1/vector_stores", object{"name": "birds"})
	list := l.do(200, "GET", "/v1/models", nil)
	if diff := cmp.Diff([]string{"birds", "bi", "cross"}, each(list, "id")); diff != "" || list["object"] != "list" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"redkite:collection", "redkite:bi-encoder", "redkite:cross-encoder"}, each(list, "owned_by")); diff != "" {
		t.Error(diff)
	}
	if m := l.do(200, "GET", "/v1/models/birds", nil); m["object"] != "model" || m["created"].(float64) < 1e9 {
		t.Errorf("got %v", m)
	}
}

func TestEmbeddings(t *testing.T) {
	l := newDepository(t)
	const path = "/v1/embeddings"
	got := l.do(200, "POST", path, object{"model": "bi", "input": []string{"a", "b c"}, "user": "u", "unknown": true})
	want := object{
		"object": "list", "model": "bi", "usage": object{"prompt_tokens": 7.0, "total_tokens": 7.0}, "data": []any{
			object{"object": "embedding", "index": 0.0, "embedding": []any{1.0, 2.0}}, object{"object": "embedding", "index": 1.0, "embedding": []any{2.0, 2.0}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	vector := func(body object) []any {
		body["model"] = "bi"
		return l.do(200, "POST", path, body)["data"].([]any)[0].(object)["embedding"].([]any)
	}
	for input, role := range map[string]float64{"query": 1, "search_query": 1, "passage": 2, "document": 2, "search_document": 2} {
		if got := vector(object{"input": "a", "input_type": input, "encoding_format": "float", "dimensions": 2}); got[1] != role {
			t.Errorf("%s: %v", input, got)
		}
	}
	packed := l.do(200, "POST", path, object{"model": "bi", "input": "a b c", "encoding_format": "base64"})["data"].([]any)[0].(object)["embedding"].(string)
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil || len(raw) != 8 || math.Float32frombits(binary.LittleEndian.Uint32(raw)) != 3 {
		t.Errorf("base64 %q: %v", packed, err)
	}
	many := make([]string, 2049)
	for i := range many {
		many[i] = "x"
	}
	if answer := l.do(200, "POST", path, object{"model": "bi", "input": many[:2048]}); len(answer["data"].([]any)) != 2048 {
		t.Error("2,048 texts are not taken")
	}
	for _, test := range []struct {
		body        any
		status      int
		param, code any
	}{
		{object{"input": "x"}, 400, "model", nil},
		{object{"model": "gpt", "input": "x"}, 404, "model", "model_not_found"},
		{object{"model": "cross", "input": "x"}, 404, "model", "model_not_found"},
		{object{"model": "bi"}, 400, "input", nil},
		{object{"model": "bi", "input": ""}, 400, "input", nil},
		{object{"model": "bi", "input": []string{}}, 400, "input", nil},
		{object{"model": "bi", "input": []string{"a", ""}}, 400, "input", nil},
		{object{"model": "bi", "input": many}, 400, "input", nil},
		{object{"model": "bi", "input": []int{1, 2}}, 400, "input", "token_ids_unsupported"},
		{object{"model": "bi", "input": [][]int{{1, 2}}}, 400, "input", "token_ids_unsupported"},
		{object{"model": "bi", "input": object{}}, 400, "input", nil},
		{object{"model": "bi", "input": strings.Repeat("w ", 11)}, 400, "input", "context_length_exceeded"},
		{object{"model": "bi", "input": "x", "encoding_format": "hex"}, 400, "encoding_format", nil},
		{object{"model": "bi", "input": "x", "dimensions": 3}, 400, "dimensions", nil},
		{object{"model": "bi", "input": "x", "input_type": "clustering"}, 400, "input_type", nil},
		{object{"model": 7, "input": "x"}, 400, "model", nil},
		{`no JSON`, 400, nil, nil},
	} {
		e := l.do(test.status, "POST", path, test.body)["error"].(object)
		if e["param"] != test.param || e["code"] != test.code || e["message"] == "" {
			t.Errorf("%.80v: %v", test.body, e)
		}
	}
}
