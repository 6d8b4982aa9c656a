package app

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDeleteByFilter deletes what matches and nothing else, in several batches.
func TestDeleteByFilter(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "birds", "fields": []object{{"name": "island", "type": "int"}}})
	s.json(200, "POST", "/api/v1/collections/birds/documents?wait=120s", birds(0, 520))
	const path = "/api/v1/collections/birds/documents:delete"
	for name, body := range map[string]object{
		"nothing": {}, "null": {"filter": nil}, "no condition": {"filter": object{}}, "a wrong operator": {"filter": object{"type": "like", "key": "island", "value": 1}},
		"of no parts": {"filter": object{"type": "and", "filters": []object{}}},
	} {
		if problem := s.json(400, "POST", path, body); problem["code"] == nil {
			t.Errorf("%s: %v", name, problem)
		}
	}
	filter := json.RawMessage(`{"type":"in","key":"island","value":[3,4]}`)
	remove := func(dryRun bool) object {
		job := s.json(200, "POST", path+"?wait=60s", object{"filter": filter, "dry_run": dryRun})
		if job["state"] != "succeeded" || job["done"] != job["total"] {
			t.Fatalf("dry run %v: %v", dryRun, job)
		}
		return job["deletion"].(object)
	}
	if diff := cmp.Diff(object{"matched": 80.0, "deleted": 0.0, "dry_run": true}, remove(true)); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(object{"matched": 80.0, "deleted": 80.0}, remove(false)); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	if n := len(s.hits("birds", object{"query": "birds", "rerank": false, "filter": filter})); n != 0 {
		t.Errorf("%d hits of what was deleted", n)
	}
	if docs := s.json(200, "GET", "/api/v1/collections/birds", nil)["documents"].(object); docs["total"] != 440.0 {
		t.Errorf("left: %v", docs)
	}
	s.json(200, "PUT", "/api/v1/collections/birds/documents/bird-3?wait=60s", object{"text": "It is back on island 3.", "metadata": object{"island": 3}})
	if diff := cmp.Diff(object{"matched": 1.0, "deleted": 1.0}, remove(false)); diff != "" {
		t.Errorf("deleted again (-want +got):\n%s", diff)
	}
	for s.rows(s.collection("birds")) != 440 { // the jobs of their own go on for a while
		if t.Context().Err() != nil {
			t.Fatal("rows stay in Milvus")
		}
	}
	if diff := cmp.Diff(counts(440, 0, 0, 0, 0), s.found("birds", "reconcile")); diff != "" {
		t.Errorf("reconciled (-want +got):\n%s", diff)
	}
}
