package catalogtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/rag/filtertest"
)

// testFilters asks filters made at random of documents made at random, and holds the database to what they mean.
func testFilters(t *testing.T, b bundle) {
	random := rand.New(rand.NewPCG(21, 21))
	documents := filtertest.Documents(random, 60)
	for i, m := range documents {
		s := upload(fmt.Sprintf("%02d", i), "v1")
		s.Upload.Metadata = m
		b.put(t, s)
	}
	for _, f := range filtertest.Filters(random, 400, 3) {
		want := []string{}
		for i, m := range documents {
			if filtertest.Means(f, m) {
				want = append(want, fmt.Sprintf("%02d", i))
			}
		}
		got := []string{}
		for after := rag.DocumentID(0); ; {
			page, err := b.Documents(b.ctx, b.collection.ID, catalog.Page{Filter: &f, After: after, Limit: 25})
			if err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			for _, d := range page {
				got = append(got, d.ExternalID)
				after = d.ID
			}
			if len(page) < 25 {
				break
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v:\n%s", f, diff)
		}
	}
}
