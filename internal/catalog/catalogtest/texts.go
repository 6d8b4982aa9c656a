package catalogtest

import (
	"context"
	"testing"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// testTexts brings NUL characters and bytes that are not UTF-8 wherever a client or a parser could. Nothing may fail, and
// what is read back is the same on every database, with each such place one character long.
func testTexts(t *testing.T, b bundle) {
	const bad, good = "a\x00b\xff\xfec", "a\uFFFDb\uFFFD\uFFFDc"
	s := ingest.Staged{Blob: bad, SHA256: bad, Upload: ingest.Upload{
		ExternalID: bad, Title: bad, Filename: bad, MediaType: bad, Metadata: rag.Metadata{"k\x00": "v\x00", "list": []string{"\x00"}},
	}}
	a := b.put(t, s)
	if d := a.Document; d.ExternalID != good || d.Title != good || d.Filename != good || d.Metadata["k\x00"] != "v\x00" {
		t.Errorf("document %+v", d)
	}
	if again := b.put(t, s); !again.Unchanged {
		t.Errorf("the same upload again: %+v", again)
	}
	x := newIndex()
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		cut := ingest.Cut{Title: bad, Warnings: []rag.Warning{{Code: rag.WarnPartialText, Message: bad}}, Chunks: []rag.Chunk{{Text: bad, Headings: []string{bad}}}}
		if err := WriteChunks(ctx, b.Catalog, claim, cut); err != nil {
			return err
		}
		if err := indexAll(ctx, b.Catalog, x, claim); err != nil {
			return err
		}
		return b.Publish(ctx, claim)
	})
	b.wait(t, a.Job.ID, rag.JobSucceeded)
	b.checkTexts(t, x, good)
	if d, err := b.Document(b.ctx, b.collection.ID, bad); err != nil || d.Status != rag.StatusReadyWithWarnings || len(d.Warnings) != 1 || len([]rune(d.Warnings[0].Message)) != len([]rune(good)) {
		t.Errorf("read by the id: %v %+v", err, d)
	}
	_, err := b.Collection(b.ctx, bad, bad)
	checkProblem(t, err, rag.ErrNotFound, "collection_not_found")
	_, err = b.Authenticate(b.ctx, "rk_\x00\xff_x")
	checkProblem(t, err, rag.ErrUnauthorized, "invalid_api_key")
	if jobs, err := b.Jobs(b.ctx, bad, catalog.JobFilter{Limit: 1}); err != nil || len(jobs) != 0 {
		t.Errorf("jobs of a tenant of that name: %v %v", err, jobs)
	}
}

// testFailureText fails a job with a message that a database may refuse.
func testFailureText(t *testing.T, b bundle) {
	a := b.put(t, upload("one", "v1"))
	b.work(t, b.Catalog, func(context.Context, rag.Claim, rag.Job) error { return rag.Invalid("", "bad \x00 byte \xff") })
	if j := b.wait(t, a.Job.ID, rag.JobFailed); j.Error == nil || j.Error.Message != "bad \uFFFD byte \uFFFD" {
		t.Errorf("failure %+v", j.Error)
	}
}
