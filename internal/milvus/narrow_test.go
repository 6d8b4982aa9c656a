package milvus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// A filter that leaves a few of many rows, near the query or far from it: a search gives them all.
func testNarrow(t *testing.T, c *Client) {
	w := newNarrow(t, c)
	w.ask(t, c)
}

// What a server loads after it was killed it indexes by clusters, of which a search looks at those near the query.
func TestNarrowAfterRestart(t *testing.T) {
	s := startServer(t)
	w := newNarrow(t, newClient(t, s.Address()))
	s.Kill()
	s.Launch()
	if !s.Await() {
		t.Fatal("the server does not come back")
	}
	c := newClient(t, s.Address())
	awaitRows(t, c, w.g)
	w.ask(t, c)
}

const (
	narrowTotal = 6000
	narrowEach  = 4 // rows a document
)

// narrow is a collection of narrowTotal rows.
type narrow struct {
	g      Generation
	random *rand.Rand
	base   rag.Embedding
}

func newNarrow(t *testing.T, c *Client) *narrow {
	t.Helper()
	const wide = 384
	w := &narrow{
		g:      Generation{Collection: 77, Number: 1, Dimension: wide, Fields: []rag.Field{{Name: "doc", Type: rag.FieldInt}}},
		random: rand.New(rand.NewPCG(3, 3)), base: make(rag.Embedding, wide),
	}
	for i := range w.base {
		w.base[i] = w.random.Float32() - 0.5
	}
	must(t, c.Ensure(t.Context(), w.g))
	for first := 0; first < narrowTotal; first += 1000 {
		rows := make([]Row, 1000)
		for i := range rows {
			n := first + i
			rows[i] = Row{Chunk: rag.ChunkID(n + 1), Document: rag.DocumentID(n/narrowEach + 1), Dense: w.vector(), Metadata: rag.Metadata{"doc": int64(n / narrowEach)}}
		}
		must(t, c.Upsert(t.Context(), w.g, rows))
	}
	must(t, c.Visible(t.Context(), w.g, []rag.ChunkID{narrowTotal}))
	return w
}

// vector is one not far from the others.
func (w *narrow) vector() rag.Embedding {
	v := make(rag.Embedding, len(w.base))
	for i := range v {
		v[i] = w.base[i] + 0.6*(w.random.Float32()-0.5)
	}
	return v
}

// ask searches within single documents.
func (w *narrow) ask(t *testing.T, c *Client) {
	t.Helper()
	missed := 0
	for range 100 {
		filter := parsed(fmt.Sprintf(`{"type":"eq","key":"doc","value":%d}`, w.random.IntN(narrowTotal/narrowEach)))
		found, err := c.Search(t.Context(), w.g, Search{Vector: w.vector(), Limit: 10, Filter: filter})
		must(t, err)
		if len(found) != narrowEach {
			missed++
		}
	}
	if missed > 0 {
		t.Errorf("%d of 100 narrow searches do not give all rows", missed)
	}
}

func TestRanked(t *testing.T) {
	s := Search{Vector: rag.Embedding{1, 0}, Limit: 3}
	found := []rag.Candidate{{Chunk: 4, Score: 0.9}, {Chunk: 9, Score: 0.1}}
	if got := missed([]rag.ChunkID{9, 2, 4, 7}, found); !slices.Equal(got, []rag.ChunkID{2, 7}) {
		t.Errorf("missed %v", got)
	}
	got := ranked(found, map[rag.ChunkID]rag.Embedding{2: {3, 0}, 7: {3, 4}, 8: {0, 0}}, s)
	want := []rag.Candidate{{Chunk: 2, Score: 1}, {Chunk: 4, Score: 0.9}, {Chunk: 7, Score: 0.6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
