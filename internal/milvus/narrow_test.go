package milvus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// testNarrow has a filter leave a few of many rows, near the query or far from it: a search gives them all. What servers
// index of fresh rows looks at the part of them that is near the query, whatever the filter.
func testNarrow(t *testing.T, c *Client) {
	const total, each, wide = 8000, 4, 64
	g := Generation{Collection: 77, Number: 1, Dimension: wide, Fields: []rag.Field{{Name: "doc", Type: rag.FieldInt}}}
	random := rand.New(rand.NewPCG(3, 3))
	vector := func() rag.Embedding {
		v := make(rag.Embedding, wide)
		for i := range v {
			v[i] = random.Float32() - 0.5
		}
		return v
	}
	must(t, c.Ensure(t.Context(), g))
	for first := 0; first < total; first += 1000 {
		rows := make([]Row, 1000)
		for i := range rows {
			n := first + i
			rows[i] = Row{Chunk: rag.ChunkID(n + 1), Document: rag.DocumentID(n/each + 1), Dense: vector(), Metadata: rag.Metadata{"doc": int64(n / each)}}
		}
		must(t, c.Upsert(t.Context(), g, rows))
	}
	last := []rag.ChunkID{total}
	must(t, c.Visible(t.Context(), g, last))
	missed := 0
	for range 100 {
		doc := random.IntN(total / each)
		found, err := c.Search(t.Context(), g, Search{Vector: vector(), Limit: 10, Filter: parsed(fmt.Sprintf(`{"type":"eq","key":"doc","value":%d}`, doc))})
		must(t, err)
		if len(found) != each {
			missed++
			t.Logf("document %d: %d of %d rows", doc, len(found), each)
		}
	}
	if missed > 0 {
		t.Errorf("%d of 100 narrow searches do not give all rows", missed)
	}
}

func TestRanked(t *testing.T) {
	s := Search{Vector: rag.Embedding{1, 0}, Limit: 3}
	found := []rag.Candidate{{Chunk: 4, Score: 0.9}, {Chunk: 9, Score: 0.1}}
	if got := missed([]int64{9, 2, 4, 7}, found); !slices.Equal(got, []rag.ChunkID{2, 7}) {
		t.Errorf("missed %v", got)
	}
	got := ranked(found, map[rag.ChunkID]rag.Embedding{2: {3, 0}, 7: {3, 4}, 8: {0, 0}}, s)
	want := []rag.Candidate{{Chunk: 2, Score: 1}, {Chunk: 4, Score: 0.9}, {Chunk: 7, Score: 0.6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
