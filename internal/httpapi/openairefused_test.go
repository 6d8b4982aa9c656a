package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestOpenAIErrors(t *testing.T) {
	l := newDepository(t)
	id := l.file("a.txt", "text")
	l.do(200, "POST", "/v1/vector_stores", object{"name": "s"})
	pairs, ids := object{}, make([]string, 2001)
	for i := range 17 {
		pairs[fmt.Sprint("k", i)] = i
	}
	for i := range ids {
		ids[i] = fmt.Sprint("file-", i+1)
	}
	static := func(size, overlap int) object {
		return object{"file_id": id, "chunking_strategy": object{"type": "static", "static": object{"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}}
	}
	const files, batches, stores, search = "/v1/vector_stores/vs_1/files", "/v1/vector_stores/vs_1/file_batches", "/v1/vector_stores", "/v1/vector_stores/vs_1/search"
	for _, test := range []struct {
		method, path string
		body         any
		status       int
		kind         string
		param, code  any
	}{
		{"POST", files, `{"file_id":`, 400, "invalid_request_error", nil, nil},
		{"POST", files, `{"file_id":7}`, 400, "invalid_request_error", "file_id", nil},
		{"POST", files, object{"file_id": "nothing"}, 404, "not_found_error", "file_id", "file_not_found"},
		{"POST", files, object{"file_id": "file-99"}, 404, "not_found_error", "file_id", "file_not_found"},
		{"POST", files, object{"file_id": id, "attributes": object{"a": []int{1}}}, 400, "invalid_request_error", "attributes.a", nil},
		{"POST", files, object{"file_id": id, "attributes": "x"}, 400, "invalid_request_error", "attributes", nil},
		{"POST", files, object{"file_id": id, "attributes": pairs}, 400, "invalid_request_error", "attributes", nil},
		{"POST", files, object{"file_id": id, "attributes": object{strings.Repeat("k", 65): 1}}, 400, "invalid_request_error", "attributes", nil},
		{"POST", files, object{"file_id": id, "attributes": object{"a": strings.Repeat("v", 513)}}, 400, "invalid_request_error", "attributes.a", nil},
		{"POST", files, object{"file_id": id, "attributes": object{"year": "old"}}, 400, "invalid_request_error", "attributes.year", nil},
		{"POST", files, static(99, 0), 400, "invalid_request_error", "chunking_strategy.static.max_chunk_size_tokens", nil},
		{"POST", files, static(4097, 0), 400, "invalid_request_error", "chunking_strategy.static.max_chunk_size_tokens", nil},
		{"POST", files, static(200, 101), 400, "invalid_request_error", "chunking_strategy.static.chunk_overlap_tokens", nil},
		{"POST", files, object{"file_id": id, "chunking_strategy": object{"type": "semantic"}}, 400, "invalid_request_error", "chunking_strategy.type", nil},
		{"POST", batches, object{"file_ids": ids}, 400, "invalid_request_error", "file_ids", "too_many_files"},
		{"POST", batches, object{}, 400, "invalid_request_error", "file_ids", nil},
		{"POST", batches, object{"file_ids": []string{id}, "files": []object{{"file_id": id}}}, 400, "invalid_request_error", "file_ids", nil},
		{"POST", batches, object{"file_ids": []string{id, "file-99"}}, 404, "not_found_error", "file_ids[1]", "file_not_found"},
		{"POST", batches, object{"files": []object{{"file_id": id}, {"file_id": id}}}, 400, "invalid_request_error", "files[1].file_id", nil},
		{"POST", batches, object{"files": []object{{"file_id": id, "attributes": object{"a": nil}}}}, 400, "invalid_request_error", "files[0].attributes.a", nil},
		{"POST", stores, object{"name": "x", "expires_after": object{"anchor": "last_active_at", "days": 7}}, 400, "invalid_request_error", "expires_after", "expiry_unsupported"},
		{"POST", stores, object{"name": "x", "metadata": object{"a": 1}}, 400, "invalid_request_error", "metadata.a", nil},
		{"POST", stores, object{"name": "x", "file_ids": []string{"file-99"}}, 404, "not_found_error", "file_ids[0]", "file_not_found"},
		{"POST", stores, object{"name": "x", "file_ids": ids[:501]}, 400, "invalid_request_error", "file_ids", nil},
		{"POST", files + "/" + id, object{}, 404, "not_found_error", nil, "file_not_found"},
		{"GET", stores + "/vs_99", nil, 404, "not_found_error", nil, "vector_store_not_found"},
		{"GET", stores + "?limit=101", nil, 400, "invalid_request_error", "limit", nil},
		{"GET", stores + "?order=up", nil, 400, "invalid_request_error", "order", nil},
		{"GET", stores + "?after=vs_x", nil, 400, "invalid_request_error", "after", nil},
		{"GET", files + "?filter=done", nil, 400, "invalid_request_error", "filter", nil},
		{"GET", files + "?after=file-99", nil, 400, "invalid_request_error", "after", nil},
		{"GET", files + "/file-99", nil, 404, "not_found_error", nil, "file_not_found"},
		{"POST", search, object{"query": ""}, 400, "invalid_request_error", "query", nil},
		{"POST", search, object{}, 400, "invalid_request_error", "query", nil},
		{"POST", search, object{"query": "q", "max_num_results": 51}, 400, "invalid_request_error", "max_num_results", nil},
		{"POST", search, object{"query": "q", "max_num_results": "ten"}, 400, "invalid_request_error", "max_num_results", nil},
		{"POST", search, object{"query": "q", "filters": object{"type": "like"}}, 400, "invalid_request_error", "filters.type", nil},
		{"POST", search, object{"query": "q", "ranking_options": object{"score_threshold": 2}}, 400, "invalid_request_error", "ranking_options.score_threshold", nil},
		{"GET", "/v1/models/nothing", nil, 404, "not_found_error", "model", "model_not_found"},
		{"GET", "/v1/nothing", nil, 404, "not_found_error", nil, "no_route"},
		{"PUT", "/v1/models", nil, 405, "invalid_request_error", nil, "method_not_allowed"},
	} {
		answer := l.do(test.status, test.method, test.path, test.body)
		e, ok := answer["error"].(object)
		if !ok || e["type"] != test.kind || e["param"] != test.param || e["code"] != test.code || e["message"] == "" {
			t.Errorf("%s %s %.120v: got %v", test.method, test.path, test.body, answer)
		}
	}
	if stores := each(l.do(200, "GET", stores, nil), "id"); len(stores) != 1 {
		t.Errorf("a request that was refused has made one of %v", stores)
	}
	e := l.as("", 401, "GET", "/v1/models", nil)["error"].(object)
	if e["type"] != "authentication_error" || e["code"] != "invalid_api_key" {
		t.Errorf("without a key: %v", e)
	}
}

func TestFileUploadsThatAreRefused(t *testing.T) {
	l := newDepository(t)
	for name, test := range map[string]struct {
		parts  []part
		status int
		param  string
	}{
		"file first":   {[]part{{"file", "a.txt", "x"}, {"purpose", "", "user_data"}}, 200, ""},
		"no file name": {[]part{{"purpose", "", "user_data"}, {"file", "", "x"}}, 200, ""},
		"no file":      {[]part{{"purpose", "", "assistants"}}, 400, "file"},
		"no purpose":   {[]part{{"file", "a.txt", "x"}}, 400, "purpose"},
		"no such one":  {[]part{{"file", "a.txt", "x"}, {"purpose", "", "fun"}}, 400, "purpose"},
		"empty":        {[]part{{"purpose", "", "assistants"}, {"file", "a.txt", ""}}, 400, ""},
		"two":          {[]part{{"file", "a.txt", "x"}, {"file", "b.txt", "x"}, {"purpose", "", "assistants"}}, 400, "file"},
		"too large":    {[]part{{"purpose", "", "assistants"}, {"file", "a.txt", strings.Repeat("x", 1<<20+1)}}, 413, ""},
		"expiry":       {[]part{{"purpose", "", "assistants"}, {"expires_after[anchor]", "", "created_at"}, {"file", "a.txt", "x"}}, 400, "expires_after"},
		"other fields": {[]part{{"purpose", "", "assistants"}, {"extra", "", "1"}, {"file", "a.txt", "x"}}, 200, ""},
	} {
		body, mediaType := formOf(t, test.parts...)
		answer := ask(l.server, "POST", "/v1/files", body, func(r *http.Request) { r.Header.Set("Content-Type", mediaType) })
		if answer.Code != test.status || test.param != "" && !strings.Contains(answer.Body.String(), fmt.Sprintf(`"param":%q`, test.param)) {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	if files := each(l.do(200, "GET", "/v1/files?order=asc", nil), "filename"); len(files) != 3 {
		t.Errorf("files %v", files)
	}
	if files := each(l.do(200, "GET", "/v1/files?purpose=assistants&limit=1", nil), "id"); len(files) != 1 {
		t.Errorf("files %v", files)
	}
}
