package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// TestVectorStoreFromFileToSearch goes the way of files.create, vector_stores.create and create_and_poll.
func TestVectorStoreFromFileToSearch(t *testing.T) {
	l := newDepository(t)
	l.gate = make(chan struct{})
	kite, owl := l.file("kite.txt", "the kite has a forked tail"), l.file("dir/owl.txt", "the owl hoots")
	if kite != "file-1" || owl != "file-2" {
		t.Errorf("ids %s, %s", kite, owl)
	}
	got := l.do(200, "GET", "/v1/files/"+owl, nil)
	delete(got, "created_at")
	if diff := cmp.Diff(object{"id": owl, "object": "file", "bytes": 13.0, "filename": "owl.txt", "purpose": "assistants", "status": "processed", "expires_at": nil}, got); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	store := l.do(200, "POST", "/v1/vector_stores", object{"name": "Birds & co", "metadata": object{"a": "b"}, "file_ids": []string{kite}, "unknown": 1})
	if store["id"] != "vs_1" || store["name"] != "Birds & co" || store["collection"] != "Birds---co" || store["status"] != "in_progress" || store["metadata"].(object)["a"] != "b" {
		t.Errorf("store %v", store)
	}
	base := "/v1/vector_stores/vs_1"
	file := l.do(200, "POST", base+"/files", object{"file_id": owl, "attributes": object{"year": 2026, "lang": "en", "x": 1.5, "y": true}})
	if file["id"] != owl || file["vector_store_id"] != "vs_1" || file["status"] != "in_progress" || file["poll"] != "200" || file["last_error"] != nil {
		t.Errorf("attached %v", file)
	}
	close(l.gate)
	file = l.until(base+"/files/"+owl, status("completed"))
	delete(file, "created_at")
	want := object{
		"id": owl, "object": "vector_store.file", "vector_store_id": "vs_1", "status": "completed", "last_error": nil, "usage_bytes": 13.0, "filename": "owl.txt",
		"attributes":        object{"year": 2026.0, "lang": "en", "x": 1.5, "y": true},
		"chunking_strategy": object{"type": "static", "static": object{"max_chunk_size_tokens": 256.0, "chunk_overlap_tokens": 32.0}},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	store = l.until(base, status("completed"))
	if diff := cmp.Diff(object{"in_progress": 0.0, "completed": 2.0, "failed": 0.0, "cancelled": 0.0, "total": 2.0}, store["file_counts"]); diff != "" || store["usage_bytes"] != 39.0 {
		t.Errorf("store %v: %s", store, diff)
	}
	found := l.do(200, "POST", base+"/search", object{"query": "forked tail", "max_num_results": 5})
	first := found["data"].([]any)[0].(object)
	content := first["content"].([]any)[0].(object)
	if first["file_id"] != kite || first["filename"] != "kite.txt" || first["score"] != 0.75 || content["type"] != "text" || content["text"] != "the kite has a forked tail" ||
		found["object"] != "vector_store.search_results.page" || found["search_query"].([]any)[0] != "forked tail" || found["has_more"] != false || found["next_page"] != nil {
		t.Errorf("search %v", found)
	}
	text := l.do(200, "GET", base+"/files/"+owl+"/content", nil)
	if text["object"] != "vector_store.file_content.page" || each(text, "text")[0] != "the owl hoots" {
		t.Errorf("content %v", text)
	}
	if answer := ask(l.server, "GET", "/v1/files/"+kite+"/content", "", nil); answer.Body.String() != "the kite has a forked tail" || answer.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("bytes %d %q", answer.Code, answer.Body)
	}
}

func TestVectorStoreSearch(t *testing.T) {
	l := newDepository(t)
	l.do(200, "POST", "/v1/vector_stores", object{"name": "birds"})
	for i, text := range []string{"a kite", "an owl", "a kite and an owl"} {
		id := l.file(fmt.Sprint(i), text)
		l.do(200, "POST", "/v1/vector_stores/birds/files", object{"file_id": id, "attributes": object{"year": 2020 + i}})
		l.until("/v1/vector_stores/birds/files/"+id, status("completed"))
	}
	search := func(body object) []string {
		return each(l.do(200, "POST", "/v1/vector_stores/vs_1/search", body), "filename")
	}
	for _, test := range []struct {
		name string
		body object
		want []string
	}{
		{"one", object{"query": "kite"}, []string{"0", "2", "1"}},
		{"a list of one", object{"query": []string{"owl"}, "rewrite_query": true}, []string{"1", "2", "0"}},
		{"of two, each passage once", object{"query": []string{"owl", "kite"}, "max_num_results": 2}, []string{"1", "2"}},
		{"few", object{"query": "kite", "max_num_results": 1}, []string{"0"}},
		{"filter", object{"query": "kite", "filters": object{"type": "gte", "key": "year", "value": 2021.0}}, []string{"2", "1"}},
		{"compound filter", object{"query": "kite", "filters": object{"type": "or", "filters": []object{{"type": "eq", "key": "year", "value": 2020}, {"type": "in", "key": "year", "value": []int{2021}}}}}, []string{"0", "1"}},
		{"threshold", object{"query": "kite", "ranking_options": object{"score_threshold": 0.5, "ranker": "auto"}}, []string{"0", "2"}},
		{"no ranker", object{"query": "kite", "ranking_options": object{"ranker": "none"}}, []string{"0", "2", "1"}},
	} {
		if diff := cmp.Diff(test.want, search(test.body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if reranked := l.asked[len(l.asked)-1].Rerank; reranked == (test.name == "no ranker") {
			t.Errorf("%s: reranked is %v", test.name, reranked)
		}
	}
}

func TestFileStatuses(t *testing.T) {
	l := newDepository(t)
	l.do(200, "POST", "/v1/vector_stores", object{"name": "s"})
	good, damaged, strange := l.file("good", "text"), l.file("damaged", "damaged"), l.file("strange", "\x00bits")
	batch := l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches", object{"file_ids": []string{good, damaged, strange, good}, "attributes": object{"k": "v"}})
	if batch["object"] != "vector_store.files_batch" || batch["id"] != "vsfb_1" || batch["vector_store_id"] != "vs_1" {
		t.Errorf("batch %v", batch)
	}
	batch = l.until("/v1/vector_stores/vs_1/file_batches/vsfb_1", func(o object) bool { return o["file_counts"].(object)["in_progress"] == 0.0 })
	if diff := cmp.Diff(object{"in_progress": 0.0, "completed": 1.0, "failed": 2.0, "cancelled": 0.0, "total": 3.0}, batch["file_counts"]); diff != "" || batch["status"] != "completed" {
		t.Errorf("batch %v: %s", batch, diff)
	}
	for id, code := range map[string]string{damaged: "invalid_file", strange: "unsupported_file"} {
		file := l.do(200, "GET", "/v1/vector_stores/vs_1/files/"+id, nil)
		if file["status"] != "failed" || file["last_error"].(object)["code"] != code || file["last_error"].(object)["message"] == "" || file["attributes"].(object)["k"] != "v" {
			t.Errorf("%s: %v", id, file)
		}
	}
	for _, path := range []string{"files", "file_batches/vsfb_1/files"} {
		path = "/v1/vector_stores/vs_1/" + path
		for query, want := range map[string][]string{
			"?filter=failed":                        {strange, damaged},
			"?filter=completed&order=asc":           {good},
			"?filter=in_progress":                   {},
			"?limit=1":                              {strange},
			"?limit=1&after=" + strange:             {damaged},
			"?limit=1&before=" + good:               {damaged},
			"?limit=1&order=asc&after=" + good:      {damaged},
			"?limit=1&order=asc&before=" + strange:  {damaged},
			"?limit=2&order=asc":                    {good, damaged},
			"?after=" + strange + "&before=" + good: {damaged},
			"?limit=100&order=desc&after=" + good:   {},
		} {
			page := l.do(200, "GET", path+query, nil)
			if diff := cmp.Diff(want, each(page, "id")); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", path, query, diff)
			}
			if more := strings.HasPrefix(query, "?limit=1&") || strings.HasPrefix(query, "?limit=2") || query == "?limit=1"; page["has_more"] != more || len(want) > 0 && page["last_id"] != want[len(want)-1] {
				t.Errorf("%s%s: has_more %v, last_id %v", path, query, page["has_more"], page["last_id"])
			}
		}
	}
}

func TestFileBatch(t *testing.T) {
	l := newDepository(t)
	l.gate = make(chan struct{})
	l.do(200, "POST", "/v1/vector_stores", object{"name": "s"})
	var ids []string
	for i := range 30 {
		ids = append(ids, l.file(fmt.Sprint(i), fmt.Sprint("text ", i)))
	}
	one := l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches", object{"files": []object{
		{"file_id": ids[0], "attributes": object{"n": 0}, "chunking_strategy": object{"type": "static", "static": object{"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}},
		{"file_id": ids[1]},
	}})
	many := l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches", object{"file_ids": ids[2:]})
	if one["poll"] != "200" || many["poll"] != "1000" || many["status"] != "in_progress" {
		t.Errorf("polls %v, %v, status %v", one["poll"], many["poll"], many["status"])
	}
	file := l.do(200, "GET", "/v1/vector_stores/vs_1/files/"+ids[0], nil)
	if diff := cmp.Diff(object{"type": "static", "static": object{"max_chunk_size_tokens": 478.0, "chunk_overlap_tokens": 239.0}}, file["chunking_strategy"]); diff != "" {
		t.Errorf("what the bi-encoder reads (-want +got):\n%s", diff)
	}
	canceled := l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches/vsfb_2/cancel", nil)
	if canceled["status"] != "cancelled" || canceled["file_counts"].(object)["cancelled"] != 28.0 {
		t.Errorf("canceled %v", canceled)
	}
	again := l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches/vsfb_2/cancel", nil)
	if again["status"] != "cancelled" {
		t.Errorf("canceled again %v", again)
	}
	close(l.gate)
	l.until("/v1/vector_stores/vs_1/file_batches/vsfb_1", status("completed"))
	if over := l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches/vsfb_1/cancel", nil); over["status"] != "completed" {
		t.Errorf("a batch that is over was canceled: %v", over)
	}
	if page := l.do(200, "GET", "/v1/vector_stores/vs_1/files?filter=cancelled&limit=100", nil); len(page["data"].([]any)) != 28 {
		t.Errorf("%d files are canceled", len(page["data"].([]any)))
	}
	l.do(200, "POST", "/v1/vector_stores", object{"name": "t"})
	e := l.do(404, "GET", "/v1/vector_stores/vs_2/file_batches/vsfb_1", nil)["error"].(object)
	if e["code"] != "file_batch_not_found" {
		t.Errorf("a batch in another store: %v", e)
	}
}

// TestDeletions are seen by the next request.
func TestDeletions(t *testing.T) {
	l := newDepository(t)
	id := l.file("a.txt", "a kite")
	for _, name := range []string{"one", "two"} {
		l.do(200, "POST", "/v1/vector_stores", object{"name": name, "file_ids": []string{id}})
		l.until("/v1/vector_stores/"+name, status("completed"))
	}
	hits := func(store string) int {
		return len(l.do(200, "POST", "/v1/vector_stores/"+store+"/search", object{"query": "kite"})["data"].([]any))
	}
	if hits("one") != 1 || hits("two") != 1 {
		t.Fatal("not found to begin with")
	}
	got := l.do(200, "DELETE", "/v1/vector_stores/one/files/"+id, nil)
	if diff := cmp.Diff(object{"id": id, "object": "vector_store.file.deleted", "deleted": true}, got); diff != "" || hits("one") != 0 || hits("two") != 1 {
		t.Errorf("%d and %d hits: %s", hits("one"), hits("two"), diff)
	}
	l.do(404, "DELETE", "/v1/vector_stores/one/files/"+id, nil)
	l.do(200, "GET", "/v1/files/"+id, nil)
	got = l.do(200, "DELETE", "/v1/files/"+id, nil)
	if diff := cmp.Diff(object{"id": id, "object": "file", "deleted": true}, got); diff != "" || hits("two") != 0 {
		t.Errorf("%d hits: %s", hits("two"), diff)
	}
	l.do(404, "GET", "/v1/files/"+id, nil)
	l.do(404, "GET", "/v1/vector_stores/two/files/"+id, nil)
	got = l.do(200, "DELETE", "/v1/vector_stores/vs_2", nil)
	if diff := cmp.Diff(object{"id": "vs_2", "object": "vector_store.deleted", "deleted": true}, got); diff != "" {
		t.Error(diff)
	}
	l.do(404, "GET", "/v1/vector_stores/vs_2", nil)
	if left := each(l.do(200, "GET", "/v1/vector_stores", nil), "id"); len(left) != 1 || left[0] != "vs_1" {
		t.Errorf("left %v", left)
	}
	alone := l.file("b.txt", "alone")
	f, err := l.File(t.Context(), rag.DefaultTenant, 2)
	if err != nil || f.ID.String() != alone {
		t.Fatalf("%v %+v", err, f)
	}
	l.do(200, "DELETE", "/v1/files/"+alone, nil)
	if _, _, err := l.blobs.Open(t.Context(), f.Blob); err == nil {
		t.Error("the original of a file that was attached nowhere is still there")
	}
}

func TestAttributesAndLabels(t *testing.T) {
	l := newDepository(t)
	id := l.file("a.txt", "text")
	l.do(200, "POST", "/v1/vector_stores", object{"file_ids": []string{id}})
	l.until("/v1/vector_stores/vs_1", status("completed"))
	file := l.do(200, "POST", "/v1/vector_stores/vs_1/files/"+id, object{"attributes": object{"a": "b"}})
	if diff := cmp.Diff(object{"a": "b"}, file["attributes"]); diff != "" || file["status"] != "completed" {
		t.Errorf("changed %v", file)
	}
	if e := l.do(400, "POST", "/v1/vector_stores/vs_1/files/"+id, object{})["error"].(object); e["param"] != "attributes" {
		t.Errorf("attributes left out: %v", e)
	}
	file = l.do(200, "POST", "/v1/vector_stores/vs_1/files/"+id, object{"attributes": nil})
	if len(file["attributes"].(object)) != 0 {
		t.Errorf("emptied %v", file)
	}
	store := l.do(200, "POST", "/v1/vector_stores/vs_1", object{"name": "New name", "metadata": object{"k": "v"}, "expires_after": nil})
	if store["name"] != "New name" || store["collection"] != "store" || store["metadata"].(object)["k"] != "v" {
		t.Errorf("store %v", store)
	}
	store = l.do(200, "POST", "/v1/vector_stores/vs_1", object{"metadata": object{}})
	if store["name"] != "New name" || len(store["metadata"].(object)) != 0 {
		t.Errorf("store %v", store)
	}
	if second := l.do(200, "POST", "/v1/vector_stores", object{}); second["collection"] == "store" || !strings.HasPrefix(second["collection"].(string), "store-") {
		t.Errorf("a second store without a name: %v", second)
	}
	l.do(200, "POST", "/v1/vector_stores", object{"name": "vs_1"})
	if same := l.do(200, "GET", "/v1/vector_stores/vs_1", nil); same["name"] != "New name" {
		t.Errorf("vs_1 is %v", same)
	}
}

// TestTenantsAreApart has another tenant ask for everything.
func TestTenantsAreApart(t *testing.T) {
	l := newDepository(t)
	id := l.file("a.txt", "text")
	l.do(200, "POST", "/v1/vector_stores", object{"name": "s"})
	l.do(200, "POST", "/v1/vector_stores/vs_1/file_batches", object{"file_ids": []string{id}})
	l.as("other", 200, "POST", "/v1/vector_stores", object{"name": "theirs"})
	for _, test := range []struct {
		method, path string
		body         object
	}{
		{"GET", "/v1/files/" + id, nil}, {"GET", "/v1/files/" + id + "/content", nil}, {"DELETE", "/v1/files/" + id, nil},
		{"GET", "/v1/vector_stores/vs_1", nil}, {"GET", "/v1/vector_stores/s", nil}, {"POST", "/v1/vector_stores/vs_1", object{"name": "x"}}, {"DELETE", "/v1/vector_stores/vs_1", nil},
		{"POST", "/v1/vector_stores/vs_1/search", object{"query": "q"}}, {"GET", "/v1/vector_stores/vs_1/files", nil}, {"GET", "/v1/vector_stores/vs_1/files/" + id, nil},
		{"POST", "/v1/vector_stores/vs_1/files/" + id, object{"attributes": object{}}}, {"DELETE", "/v1/vector_stores/vs_1/files/" + id, nil}, {"GET", "/v1/vector_stores/vs_1/files/" + id + "/content", nil},
		{"GET", "/v1/vector_stores/vs_1/file_batches/vsfb_1", nil}, {"POST", "/v1/vector_stores/vs_1/file_batches/vsfb_1/cancel", nil}, {"GET", "/v1/vector_stores/vs_1/file_batches/vsfb_1/files", nil},
		{"GET", "/v1/vector_stores/vs_2/file_batches/vsfb_1", nil}, {"POST", "/v1/vector_stores/vs_2/files", object{"file_id": id}},
		{"POST", "/v1/vector_stores/vs_2/file_batches", object{"file_ids": []string{id}}}, {"POST", "/v1/vector_stores", object{"file_ids": []string{id}}},
		{"GET", "/v1/models/s", nil},
	} {
		e := l.as("other", 404, test.method, test.path, test.body)["error"].(object)
		if e["type"] != "not_found_error" || e["message"] == "" {
			t.Errorf("%s %s: %v", test.method, test.path, e)
		}
	}
	if seen := each(l.as("other", 200, "GET", "/v1/files", nil), "id"); len(seen) != 0 {
		t.Errorf("another tenant lists %v", seen)
	}
	if seen := each(l.as("other", 200, "GET", "/v1/vector_stores", nil), "id"); len(seen) != 1 || seen[0] != "vs_2" {
		t.Errorf("another tenant lists %v", seen)
	}
	l.do(200, "GET", "/v1/files/"+id, nil)
}
