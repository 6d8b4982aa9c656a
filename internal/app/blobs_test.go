package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/blob"
	"github.com/redkite/redkite/internal/blob/blobtest"
	"github.com/redkite/redkite/internal/config"
)

// TestOriginalsInABucket takes a document from upload to deletion with a real S3 server.
func TestOriginalsInABucket(t *testing.T) {
	bucket := blobtest.NewServer(t, "../..")
	data := t.TempDir()
	set := settings(t, data)
	set.BlobURL = bucket.URL("originals/of/kites")
	s := start(t, set)
	s.do(200, "GET", "/readyz", "", nil)
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	s.upload(200, "c", map[string][]byte{"kite.md": []byte("# Red kite\n\nThe red kite has a forked tail."), "wren.pdf": pdf(t, "Wrens are small.")})
	if got := names(s.hits("c", object{"query": "forked tail"})); len(got) == 0 || len(got) > 2 {
		t.Errorf("got %v", got)
	}
	stored := bucket.Objects() // of each document the original and its text
	if len(stored) != 4 || !strings.HasPrefix(stored[0], "originals/of/kites/") {
		t.Errorf("the bucket holds %v", stored)
	}
	if _, err := os.Stat(filepath.Join(data, "blobs")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a folder of blobs too: %v", err)
	}
	if left := blobtest.Files(t, filepath.Join(data, "cache", "originals")); len(left) != 0 {
		t.Errorf("left in the spool folder: %v", left)
	}
	if problem := s.upload(413, "c", map[string][]byte{"large.txt": []byte(strings.Repeat("large ", 1<<18))}); problem["code"] != "file_too_large" {
		t.Errorf("got %v", problem)
	}
	if got := s.hits("c", object{"query": "small wrens"})[0]["page_start"]; got != 1.0 {
		t.Errorf("the PDF's page is %v", got)
	}
	documents := s.json(200, "GET", "/api/v1/collections/c/documents", nil)["documents"].([]any)
	for i, path := range []string{"/documents/" + documents[0].(object)["document_id"].(string), ""} {
		s.do(202, "DELETE", "/api/v1/collections/c"+path, "", nil)
		if job := s.json(200, "GET", fmt.Sprintf("/api/v1/jobs/%d?wait=60s", 3+i), nil); job["state"] != "succeeded" {
			t.Errorf("the removal: %v", job)
		}
		if left := bucket.Objects(); len(left) != 2-2*i {
			t.Errorf("left in the bucket: %v", left)
		}
	}
}

// TestJobsWaitForTheBucket stops the S3 server between upload and ingestion: uploads are refused with 503, the job waits,
// and once the server is back all goes on by itself.
func TestJobsWaitForTheBucket(t *testing.T) {
	bucket := blobtest.NewServer(t, "../..")
	data := t.TempDir()
	set := settings(t, data)
	set.BlobURL = bucket.URL("")
	only := set
	only.Role = "api"
	s := start(t, only)
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	s.json(202, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "kite", "text": "The red kite has a forked tail."}))
	s.stop()
	bucket.Stop()

	s = start(t, set) // it starts although the bucket is away
	s.do(503, "GET", "/readyz", "", nil)
	if problem := s.json(503, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "wren", "text": "Wrens are small."})); problem["code"] != "storage_unavailable" {
		t.Errorf("an upload without a bucket: %v", problem)
	}
	job := s.json(200, "GET", "/api/v1/jobs/1?wait=5s", nil)
	if job["state"] != "retrying" && job["state"] != "running" {
		t.Errorf("the job that waits: %v", job)
	}
	bucket.Start()
	if job := s.json(200, "GET", "/api/v1/jobs/1?wait=60s", nil); job["state"] != "succeeded" {
		t.Fatalf("the job did not come through: %v", job)
	}
	if got := names(s.hits("c", object{"query": "forked tail"})); len(got) != 1 || got[0] != "kite" {
		t.Errorf("got %v", got)
	}
	s.do(200, "GET", "/readyz", "", nil)
}

// TestBucketSetUpWrongly: the server does not start, the doctor says why, and no secret is shown.
func TestBucketSetUpWrongly(t *testing.T) {
	bucket := blobtest.NewServer(t, "../..")
	set := config.Settings{Data: t.TempDir(), BlobURL: bucket.URL("")}
	log := slog.New(slog.DiscardHandler)
	if detail, err := checkBlobs(t.Context(), set); err != nil {
		t.Errorf("a bucket that works: %q, %v", detail, err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
	for _, test := range []struct{ url, says string }{
		{set.BlobURL, "AWS_SECRET_ACCESS_KEY"},
		{"s3://kite:a-wrong-secret@b?region=x", "AWS_SECRET_ACCESS_KEY"},
	} {
		set.BlobURL = test.url
		_, startErr := openBlobs(t.Context(), set, log)
		_, doctorErr := checkBlobs(t.Context(), set)
		for _, err := range []error{startErr, doctorErr} {
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "a-wrong-secret") {
				t.Errorf("got %v", err)
			}
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", blobtest.Secret)
	set.BlobURL = strings.Replace(bucket.URL(""), blobtest.Bucket, "elsewhere", 1)
	if _, err := openBlobs(t.Context(), set, log); !errors.Is(err, blob.ErrSetup) || !strings.Contains(err.Error(), "elsewhere does not exist; create it") {
		t.Errorf("a missing bucket: got %v", err)
	}
}
