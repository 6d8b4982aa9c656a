package catalogtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
)

// testDeleteMatching deletes by metadata in batches: what a dry run counts, what is there afterwards, and that a document
// replaced since the request stays.
func testDeleteMatching(t *testing.T, b bundle) {
	for i := range 7 {
		u := upload(fmt.Sprintf("d%d", i), "v1")
		u.Upload.Metadata = rag.Metadata{"even": i%2 == 0}
		b.put(t, u)
	}
	job, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", rag.JobDeleteDocuments, `{"filter":1}`)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", rag.JobDeleteDocuments, `{"filter":1}`); err != nil || again.ID == job.ID {
		t.Errorf("a second request got job %d, %v", again.ID, err)
	}
	u := upload("d2", "v2")
	u.Upload.Metadata = rag.Metadata{"even": true}
	b.put(t, u)
	even := func(m rag.Metadata) bool { return m["even"] == true }
	var got [][3]int
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, j rag.Job) error {
		if j.ID != job.ID {
			return nil
		}
		if n, err := b.CountDocuments(ctx, claim); n != 7 || err != nil {
			t.Errorf("counted %d, %v", n, err)
		}
		for _, dryRun := range []bool{true, false} {
			for after, more := rag.DocumentID(0), true; more; more = after != 0 {
				last, seen, matched, err := b.DeleteMatching(ctx, claim, after, 4, even, dryRun)
				if err != nil {
					return err
				}
				got = append(got, [3]int{seen, matched, map[bool]int{false: 1, true: 0}[last == 0]})
				after = last
			}
		}
		return nil
	})
	b.wait(t, job.ID, rag.JobSucceeded)
	if diff := cmp.Diff([][3]int{{4, 2, 1}, {2, 1, 0}, {4, 2, 1}, {2, 1, 0}}, got); diff != "" {
		t.Errorf("seen, matched, more (-want +got):\n%s", diff)
	}
	page, err := b.Documents(b.ctx, b.collection.ID, catalog.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, d := range page {
		left = append(left, d.ExternalID)
	}
	if diff := cmp.Diff([]string{"d1", "d2", "d3", "d5"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
