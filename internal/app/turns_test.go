package app

import (
	"testing"
)

// TestSmallDocumentsPassLongOnes has one worker, busy with a long document: a small one that comes later is searchable
// before that.
func TestSmallDocumentsPassLongOnes(t *testing.T) {
	set := settings(t, t.TempDir())
	set.IngestWorkers = 1
	s := start(t, set)
	s.json(201, "POST", "/api/v1/collections", object{"name": "log"})
	long := first(s.json(202, "PUT", "/api/v1/collections/log/documents/long", object{"text": sentences(1500, -1), "media_type": "text/markdown"}))["job_id"]
	for event := range s.follow(t, long) {
		if event.data["done"].(float64) > 0 {
			break
		}
	}
	s.json(200, "PUT", "/api/v1/collections/log/documents/small?wait=60s", object{"text": "A kite came by."})
	if j := s.job(long, ""); j["state"] == "succeeded" || j["done"].(float64) < 256 {
		t.Errorf("when the small one is searchable the long one is %v", j)
	}
	if j := s.job(long, "?wait=120s"); j["state"] != "succeeded" || j["attempts"] != 1.0 || j["done"] != j["total"] || j["bad_attempts"] != nil {
		t.Errorf("the long one at its end: %v", j)
	}
}
