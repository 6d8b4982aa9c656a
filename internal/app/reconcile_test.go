package app

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/milvus"
	"github.com/redkite/redkite/internal/rag"
)

// birds are short documents of one chunk each, made of the numbers from first on.
func birds(first, n int) object {
	var docs []object
	for i := first; i < first+n; i++ {
		docs = append(docs, object{"id": fmt.Sprintf("bird-%d", i), "text": fmt.Sprintf("Bird number %d was ringed on island %d.", i, i%13), "metadata": object{"island": i % 13}})
	}
	return uploads(docs...)
}

// found runs a reconciliation or a rebuild to its end.
func (s *server) found(collection, verb string) object {
	s.t.Helper()
	job := s.json(202, "POST", "/api/v1/collections/"+collection+":"+verb, nil)
	job = s.job(job["id"], "?wait=120s")
	if job["state"] != "succeeded" {
		s.t.Fatalf("%s: %v", verb, job)
	}
	return job["found"].(object)
}

// texts are the hits' texts and dense scores.
func (s *server) texts(collection, query string) []string {
	var out []string
	for _, h := range s.hits(collection, object{"query": query, "rerank": false, "top_k": 50}) {
		out = append(out, fmt.Sprintf("%.5f %s", h["scores"].(object)["dense"], h["text"]))
	}
	return out
}

func (s *server) collection(name string) rag.Collection {
	s.t.Helper()
	c, err := s.app.catalog.Collection(s.t.Context(), rag.DefaultTenant, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) rows(c rag.Collection) int {
	s.t.Helper()
	n, err := s.app.flusher.milvus.Count(s.t.Context(), milvus.Of(c))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func counts(checked, missing, stale, orphaned, repaired float64) object {
	return object{"checked": checked, "missing": missing, "stale": stale, "orphaned": orphaned, "repaired": repaired}
}

// TestReconcileRepairs damages Milvus behind redkite's back, in every way it can be.
func TestReconcileRepairs(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "birds"})
	s.json(200, "POST", "/api/v1/collections/birds/documents?wait=60s", birds(0, 60))
	s.json(200, "PUT", "/api/v1/collections/birds/documents/bird-7?wait=60s", object{"text": "Bird number 7 has moved."})
	before := s.texts("birds", "birds of island 5")
	c := s.collection("birds")
	if diff := cmp.Diff(counts(60, 0, 0, 0, 0), s.found("birds", "reconcile")); diff != "" {
		t.Fatalf("untouched (-want +got):\n%s", diff)
	}

	hits, err := s.app.catalog.LiveHits(t.Context(), c.ID, ids(1, 61))
	if err != nil || len(hits) != 59 { // the first 60 ids, without that of the replaced chunk
		t.Fatalf("%d live of the first chunks, %v", len(hits), err)
	}
	var live []rag.ChunkID
	var replaced rag.ChunkID
	for _, id := range ids(1, 61) {
		if _, ok := hits[id]; ok {
			live = append(live, id)
		} else {
			replaced = id
		}
	}
	g := milvus.Of(c)
	unit := make(rag.Embedding, c.Dimension)
	unit[3] = 1
	if err := s.app.flusher.milvus.Delete(t.Context(), g, live[30:37]); err != nil {
		t.Fatal(err)
	}
	if err := s.app.flusher.milvus.Upsert(t.Context(), g, []milvus.Row{
		{Chunk: replaced, Document: 99, Dense: unit},   // garbage between live chunks
		{Chunk: 70000, Document: 99, Dense: unit},      // beyond all ids
		{Chunk: -5, Document: 99, Dense: unit},         // before them
		{Chunk: live[20], Document: 4711, Dense: unit}, // a live chunk, as another document's
	}); err != nil {
		t.Fatal(err)
	}
	want := counts(60, 7, 1, 3, 0)
	want["dry_run"] = true
	if diff := cmp.Diff(want, s.found("birds", "reconcile?dry_run=true")); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	if n := s.rows(c); n != 60-7+3 {
		t.Errorf("%d rows after a dry run", n)
	}
	if diff := cmp.Diff(counts(60, 7, 1, 3, 11), s.found("birds", "reconcile")); diff != "" {
		t.Errorf("repaired (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(counts(60, 0, 0, 0, 0), s.found("birds", "reconcile")); diff != "" {
		t.Errorf("once more (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, s.texts("birds", "birds of island 5")); diff != "" {
		t.Errorf("what is found (-before +after):\n%s", diff)
	}
	s.json(404, "POST", "/api/v1/collections/none:reconcile", nil)
}

func ids(from, to rag.ChunkID) (out []rag.ChunkID) {
	for id := from; id < to; id++ {
		out = append(out, id)
	}
	return out
}

// TestCleanUpAfterCancel sees what a canceled ingest left go by itself. Retried afterwards, the document is whole.
func TestCleanUpAfterCancel(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "log"})
	id := first(s.json(202, "PUT", "/api/v1/collections/log/documents/long", object{"text": sentences(600, -1), "media_type": "text/markdown"}))["job_id"]
	c := s.collection("log")
	for event := range s.follow(t, id) {
		if event.name == "progress" && event.data["done"].(float64) > 0 && event.data["state"] == "running" {
			if n := s.rows(c); n == 0 {
				t.Error("nothing was indexed yet")
			}
			s.json(202, "POST", fmt.Sprintf("/api/v1/jobs/%v:cancel", id), nil)
		}
	}
	jobs := s.json(200, "GET", "/api/v1/jobs?kind=clean_up&collection=log&document=long", nil)["jobs"].([]any)
	if len(jobs) != 1 {
		t.Fatalf("jobs that clean up: %v", jobs)
	}
	if j := s.job(jobs[0].(object)["id"], "?wait=60s"); j["state"] != "succeeded" {
		t.Fatalf("cleaned up: %v", j)
	}
	if n := s.rows(c); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if diff := cmp.Diff(counts(0, 0, 0, 0, 0), s.found("log", "reconcile")); diff != "" {
		t.Errorf("reconciled (-want +got):\n%s", diff)
	}
	s.json(202, "POST", fmt.Sprintf("/api/v1/jobs/%v:retry", id), nil)
	if j := s.job(id, "?wait=120s"); j["state"] != "succeeded" || j["done"] != j["total"] {
		t.Errorf("retried: %v", j)
	}
	if found := s.found("log", "reconcile"); found["missing"] != 0.0 || found["orphaned"] != 0.0 || s.rows(c) != int(found["checked"].(float64)) {
		t.Errorf("at the end: %v, %d rows", found, s.rows(c))
	}
}

// degraded checks that search and /readyz say so while a collection is rebuilt.
func (s *server) degraded(collection string, job any) {
	s.t.Helper()
	answer := s.json(200, "POST", "/api/v1/collections/"+collection+"/search", object{"query": "bird", "rerank": false})
	response, err := http.Get(s.base + "/readyz?verbose")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	ready, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.job(job, "")["state"] == "succeeded" {
		s.t.Log("the rebuild was over too soon")
		return
	}
	if diff := cmp.Diff([]any{"rebuilding"}, answer["degraded"]); diff != "" || !strings.Contains(string(ready), "degraded: 1 rebuilding") || response.StatusCode != 200 {
		s.t.Errorf("while rebuilding (-want +got):\n%s%d %s", diff, response.StatusCode, ready)
	}
	if c := s.json(200, "GET", "/api/v1/collections/"+collection, nil); c["rebuilding"] != true {
		s.t.Errorf("the collection: %v", c)
	}
}

// TestRebuild loses the collection in Milvus, and makes it anew from the catalog, with a restart in the middle and an
// upload that waits for it.
func TestRebuild(t *testing.T) {
	data := t.TempDir()
	s := start(t, settings(t, data))
	s.json(201, "POST", "/api/v1/collections", object{"name": "birds"})
	s.json(200, "POST", "/api/v1/collections/birds/documents?wait=120s", birds(0, 600))
	before := s.texts("birds", "birds of island 5")
	c := s.collection("birds")
	if err := s.app.flusher.milvus.Drop(t.Context(), milvus.Of(c)); err != nil {
		t.Fatal(err)
	}
	if got := s.texts("birds", "birds of island 5"); len(got) != 0 {
		t.Fatalf("found in a collection that is lost: %v", got)
	}
	job := s.json(202, "POST", "/api/v1/collections/birds:rebuild", nil)
	late := first(s.json(202, "POST", "/api/v1/collections/birds/documents", uploads(object{"id": "late", "text": strings.Repeat("A late bird. ", 3)})))
	for range 400 { // a few batches far, if it can be caught there
		if n := s.rows(c); n > 40 {
			break
		}
	}
	s.degraded("birds", job["id"])
	s.stop()
	s = start(t, settings(t, data))
	s.degraded("birds", job["id"])
	done := s.job(job["id"], "?wait=120s")
	if done["state"] != "succeeded" || done["found"].(object)["checked"].(float64) < 600 {
		t.Fatalf("rebuilt: %v", done)
	}
	if diff := cmp.Diff(before, s.texts("birds", "birds of island 5")); diff != "" {
		t.Errorf("what is found (-before +after):\n%s", diff)
	}
	if answer := s.json(200, "POST", "/api/v1/collections/birds/search", object{"query": "bird"}); len(answer["degraded"].([]any)) != 0 {
		t.Errorf("after the rebuild search is degraded: %v", answer["degraded"])
	}
	if j := s.job(late["job_id"], "?wait=60s"); j["state"] != "succeeded" {
		t.Errorf("the upload beside it: %v", j)
	}
	if diff := cmp.Diff(counts(601, 0, 0, 0, 0), s.found("birds", "reconcile")); diff != "" || s.rows(c) != 601 {
		t.Errorf("afterwards, %d rows (-want +got):\n%s", s.rows(c), diff)
	}
}

// TestReconcileOriginals leaves originals behind in the folder, as a crash does, and has them removed; one that is young,
// those of documents and what is not redkite's stay.
func TestReconcileOriginals(t *testing.T) {
	data := t.TempDir()
	s := start(t, settings(t, data))
	s.json(201, "POST", "/api/v1/collections", object{"name": "birds"})
	s.json(200, "POST", "/api/v1/collections/birds/documents?wait=60s", birds(0, 5))
	longAgo := time.Now().Add(-48 * time.Hour)
	age := func(path string) {
		if err := os.Chtimes(path, longAgo, longAgo); err != nil {
			t.Fatal(err)
		}
	}
	needed, err := filepath.Glob(filepath.Join(data, "blobs", "??", "*"))
	if err != nil || len(needed) != 10 { // of each document the original and its text
		t.Fatalf("originals: %v, %v", needed, err)
	}
	for _, path := range needed {
		age(path)
	}
	leave := func(name string, old bool) string {
		path := filepath.Join(data, "blobs", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte("left"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if old {
			age(path)
		}
		return path
	}
	gone := []string{leave("ab/ab345678901234567890123456789012", true), leave("partial/cd_cd345678901234567890123456789012", true)}
	stay := append(needed, leave("ef/ef345678901234567890123456789012", false), leave("ab/notes.txt", true))
	if found := s.found("birds", "reconcile?originals=true&dry_run=true"); found["originals"] != 2.0 || found["originals_removed"] != nil {
		t.Errorf("dry run: %v", found)
	}
	if found := s.found("birds", "reconcile"); found["originals"] != nil {
		t.Errorf("originals were not asked for: %v", found)
	}
	if found := s.found("birds", "reconcile?originals=true"); found["originals"] != 2.0 || found["originals_removed"] != 2.0 {
		t.Errorf("found %v", found)
	}
	for _, path := range gone {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
	for _, path := range stay {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}
