package catalogtest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// testLiveChunks sees the live version while the next one is made: its chunks in pages, its title, and no chunk of the
// version that is being made.
func testLiveChunks(t *testing.T, b bundle) {
	x := newIndex()
	first := upload("one", "v1")
	first.Upload.Title = ""
	a := b.put(t, first)
	firstClaim := make(chan error, 1)
	stop := b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		none, err := b.LiveChunks(ctx, claim, 0, 10)
		if len(none) != 0 {
			err = errors.Join(err, errors.New("a document's first version found live chunks"))
		}
		firstClaim <- err
		return ingester(b.Catalog, x, 5)(ctx, claim, job)
	})
	if j := b.wait(t, a.Job.ID, rag.JobSucceeded); j.Reused != 0 {
		t.Errorf("a first version reused %d chunks", j.Reused)
	}
	stop()
	if err := <-firstClaim; err != nil {
		t.Fatal(err)
	}

	second := b.put(t, upload("one", "v2"))
	var texts []string
	var title string
	var failed error
	stop = b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		texts = nil
		task, err := b.Task(ctx, claim)
		title = task.LiveTitle
		failed = errors.Join(err, WriteChunks(ctx, b.Catalog, claim, cut("v2", 3)))
		for from := 0; from < 5; from += 2 {
			page, err := b.LiveChunks(ctx, claim, from, 2)
			failed = errors.Join(failed, err)
			for _, ch := range page {
				texts = append(texts, ch.Text)
			}
		}
		return ingester(b.Catalog, x, 3)(ctx, claim, job)
	})
	j := b.wait(t, second.Job.ID, rag.JobSucceeded)
	stop()
	if failed != nil {
		t.Fatal(failed)
	}
	var want []string
	for _, ch := range cut("blob/one/v1", 5).Chunks {
		want = append(want, ch.Text)
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("live chunks while version 2 is made (-want +got):\n%s", diff)
	}
	if title != "found in blob/one/v1" {
		t.Errorf("live title %q", title)
	}
	if j.Reused != 2 || j.Done != 3 {
		t.Errorf("reused %d of %d, want 2 of 3", j.Reused, j.Done)
	}
}
