package milvus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// The suite that every server has to pass.
func TestLiteConforms(t *testing.T) {
	lite := startLite(t, t.TempDir())
	c := newClient(t, lite.Address())
	h, err := c.Ping(t.Context())
	if err != nil || !h.Lite || !h.Sparse {
		t.Fatalf("ping: %+v, %v", h, err)
	}
	conform(t, c, lite.Address())
}

func TestServerConforms(t *testing.T) {
	s := startServer(t)
	c := newClient(t, s.Address())
	h, err := c.Ping(t.Context())
	if err != nil || h.Lite || h.Sparse {
		t.Fatalf("ping: %+v, %v; a 2.3 server is no Lite and holds no sparse vectors", h, err)
	}
	conform(t, c, s.Address())
}

func conform(t *testing.T, c *Client, address string) {
	t.Run("ensure", func(t *testing.T) { testEnsure(t, c, address) })
	t.Run("scores", func(t *testing.T) { testScores(t, c) })
	t.Run("terms", func(t *testing.T) { testTerms(t, c) })
	t.Run("replace", func(t *testing.T) { testReplace(t, c) })
	t.Run("embeddings", func(t *testing.T) { testEmbeddings(t, c) })
	t.Run("delete", func(t *testing.T) { testDelete(t, c) })
	t.Run("drop", func(t *testing.T) { testDrop(t, c, address) })
	t.Run("filters", func(t *testing.T) { testFilters(t, c) })
	t.Run("generated filters", func(t *testing.T) { testGenerated(t, c) })
	t.Run("narrow", func(t *testing.T) { testNarrow(t, c) })
	t.Run("many", func(t *testing.T) { testMany(t, c) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, c) })
}

const dimension = 8

func generation(id rag.CollectionID, fields ...rag.Field) Generation {
	return Generation{Collection: id, Number: 1, Dimension: dimension, Fields: fields}
}

// unit gives a unit vector; the same number gives the same vector.
func unit(n int) rag.Embedding {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	v := make(rag.Embedding, dimension)
	var sum float64
	for i := range v {
		v[i] = float32(random.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

// fill ensures the generation, writes rows and waits until they are seen.
func fill(t testing.TB, c *Client, g Generation, rows []Row) {
	t.Helper()
	must(t, c.Ensure(t.Context(), g))
	must(t, c.Upsert(t.Context(), g, rows))
	ids := make([]rag.ChunkID, len(rows))
	for i, row := range rows {
		ids[i] = row.Chunk
	}
	must(t, c.Visible(t.Context(), g, ids))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// search gives the ids that a search finds, sorted.
func search(t *testing.T, c *Client, g Generation, limit int, f *rag.Filter) []rag.ChunkID {
	t.Helper()
	found, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: limit, Filter: f})
	must(t, err)
	ids := []rag.ChunkID{}
	for _, candidate := range found {
		ids = append(ids, candidate.Chunk)
	}
	slices.Sort(ids)
	return ids
}

func testEnsure(t *testing.T, c *Client, address string) {
	g := generation(1, allFields()...)
	other := newClient(t, address) // stands for another process
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		client := []*Client{c, other}[i%2]
		wg.Go(func() { errs[i] = client.Ensure(t.Context(), g) })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	must(t, newClient(t, address).Ensure(t.Context(), g))

	wider := g
	wider.Dimension = 2 * dimension
	err := newClient(t, address).Ensure(t.Context(), wider)
	if !errors.Is(err, rag.ErrConflict) || !strings.Contains(err.Error(), "dense") {
		t.Errorf("a collection of another dimension: got %v", err)
	}
	retyped := g
	retyped.Fields = slices.Clone(g.Fields)
	retyped.Fields[0].Type = rag.FieldString
	if err := newClient(t, address).Ensure(t.Context(), retyped); !errors.Is(err, rag.ErrConflict) {
		t.Errorf("a collection of other fields: got %v", err)
	}
	next := g
	next.Number = 2 // the alias stays with the first generation
	must(t, c.Ensure(t.Context(), next))
	must(t, c.Drop(t.Context(), next))
	if n, err := c.Count(t.Context(), g); n != 0 || err != nil {
		t.Errorf("the first generation after the second is gone: %d, %v", n, err)
	}
}

func testScores(t *testing.T, c *Client) {
	g := generation(2)
	query := unit(0)
	opposite := make(rag.Embedding, dimension)
	for i, x := range query {
		opposite[i] = -x
	}
	rows := []Row{{Chunk: 1, Document: 1, Dense: query}, {Chunk: 2, Document: 1, Dense: opposite}}
	for i := 3; i <= 40; i++ {
		rows = append(rows, Row{Chunk: rag.ChunkID(i), Document: 1, Dense: unit(i)})
	}
	fill(t, c, g, rows)
	found, err := c.Search(t.Context(), g, Search{Vector: query, Limit: 100})
	must(t, err)
	if len(found) != len(rows) || found[0].Chunk != 1 || found[len(found)-1].Chunk != 2 {
		t.Fatalf("found %d of %d rows, first %+v, last %+v", len(found), len(rows), found[0], found[len(found)-1])
	}
	for i, candidate := range found {
		var cosine float64
		for j, x := range rows[candidate.Chunk-1].Dense {
			cosine += float64(x) * float64(query[j])
		}
		if math.Abs(cosine-float64(candidate.Score)) > 1e-5 {
			t.Errorf("chunk %d: score %v, cosine %v", candidate.Chunk, candidate.Score, cosine)
		}
		if i > 0 && candidate.Score > found[i-1].Score {
			t.Errorf("chunk %d is out of order", candidate.Chunk)
		}
	}
	if got, err := c.Search(t.Context(), g, Search{Vector: query, Limit: 3}); err != nil || len(got) != 3 {
		t.Errorf("limit 3: %d, %v", len(got), err)
	}
}

func testReplace(t *testing.T, c *Client) {
	g := generation(3, rag.Field{Name: "year", Type: rag.FieldInt})
	fill(t, c, g, []Row{{Chunk: 7, Document: 1, Dense: unit(0), Metadata: rag.Metadata{"old": "x", "year": int64(1), "both": int64(1)}}})
	fill(t, c, g, []Row{{Chunk: 7, Document: 2, Dense: unit(1), Metadata: rag.Metadata{"new": "y", "both": int64(2)}}})
	for filter, want := range map[string]int{
		`{"type":"exists","key":"old"}`:                                 0,
		`{"type":"exists","key":"year"}`:                                0,
		`{"type":"eq","key":"new","value":"y"}`:                         1,
		`{"type":"eq","key":"both","value":2}`:                          1,
		`{"type":"not","filters":[` + `{"type":"exists","key":"old"}]}`: 1,
	} {
		if !eventually(10*time.Second, func() bool { return len(search(t, c, g, 10, parsed(filter))) == want }) {
			t.Errorf("%s: want %d rows", filter, want)
		}
	}
	if n, err := c.Count(t.Context(), g); n != 1 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
}

func testEmbeddings(t *testing.T, c *Client) {
	g := generation(9, rag.Field{Name: "year", Type: rag.FieldInt})
	if got, err := c.Embeddings(t.Context(), g, []rag.ChunkID{1}); len(got) != 0 || err != nil {
		t.Errorf("of a collection that is not there: %v, %v", got, err)
	}
	var rows []Row
	want := map[rag.ChunkID]rag.Embedding{}
	var asked []rag.ChunkID
	for i := 1; i <= batchRows+200; i++ {
		row := Row{Chunk: rag.ChunkID(i), Document: 1, Dense: unit(i)}
		rows = append(rows, row)
		if i > 100 {
			want[row.Chunk], asked = row.Dense, append(asked, row.Chunk)
		}
	}
	must(t, c.Ensure(t.Context(), g))
	must(t, c.Upsert(t.Context(), g, rows))
	got, err := c.Embeddings(t.Context(), g, append(asked, 77777))
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("vectors, bit by bit (-want +got):\n%s", diff)
	}
	must(t, c.Delete(t.Context(), g, asked[:1]))
	if got, err := c.Embeddings(t.Context(), g, asked[:2]); len(got) != 1 || err != nil {
		t.Errorf("after a deletion: %d vectors of 1, %v", len(got), err)
	}
}

func testDelete(t *testing.T, c *Client) {
	g := generation(4)
	var rows []Row
	for i := 1; i <= 30; i++ {
		rows = append(rows, Row{Chunk: rag.ChunkID(i), Document: rag.DocumentID(i%3 + 1), Dense: unit(i)})
	}
	must(t, c.Ensure(t.Context(), g))
	must(t, c.Upsert(t.Context(), g, rows))
	must(t, c.DeleteDocument(t.Context(), g, 2)) // at once: no barrier before it
	must(t, c.Delete(t.Context(), g, []rag.ChunkID{3, 999}))
	must(t, c.Delete(t.Context(), g, nil))
	must(t, c.DeleteDocument(t.Context(), g, 77))
	if n, err := c.Count(t.Context(), g); n != 19 || err != nil {
		t.Errorf("count %d, %v; want 19", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Visible(ctx, g, []rag.ChunkID{5, 3}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a deleted row: %v", err)
	}
}

func testDrop(t *testing.T, c *Client, address string) {
	g := generation(5)
	if got := search(t, c, g, 5, nil); len(got) != 0 {
		t.Errorf("a collection that was never made: %v", got)
	}
	for _, err := range []error{
		c.Drop(t.Context(), g), c.Delete(t.Context(), g, []rag.ChunkID{1}), c.DeleteDocument(t.Context(), g, 1), c.Flush(t.Context(), g),
	} {
		must(t, err)
	}
	fill(t, c, g, []Row{{Chunk: 1, Document: 1, Dense: unit(1)}})
	must(t, newClient(t, address).Drop(t.Context(), g)) // another process drops it
	if got := search(t, c, g, 5, nil); len(got) != 0 {
		t.Errorf("a dropped collection: %v", got)
	}
	if err := c.Upsert(t.Context(), g, []Row{{Chunk: 2, Document: 1, Dense: unit(2)}}); err == nil {
		t.Error("an upsert into a dropped collection reports success")
	}
	fill(t, c, g, []Row{{Chunk: 2, Document: 1, Dense: unit(2)}})
	if diff := cmp.Diff([]rag.ChunkID{2}, search(t, c, g, 5, nil)); diff != "" {
		t.Errorf("after it was made again: %s", diff)
	}
}

// testMany goes through the vector index, in more than one batch.
func testMany(t *testing.T, c *Client) {
	g := generation(6, rag.Field{Name: "part", Type: rag.FieldInt})
	const total = 5000
	rows := make([]Row, total)
	for i := range rows {
		rows[i] = Row{
			Chunk: rag.ChunkID(i + 1), Document: rag.DocumentID(i / 10), Dense: unit(i + 1),
			Metadata: rag.Metadata{"part": int64(i % 100), "side": fmt.Sprint(i % 50)},
		}
	}
	fill(t, c, g, rows)
	must(t, c.Flush(t.Context(), g))
	if n, err := c.Count(t.Context(), g); n != total || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	for _, filter := range []string{
		`{"type":"eq","key":"part","value":7}`, `{"type":"in","key":"side","value":["7","8"]}`,
		`{"type":"and","filters":[{"type":"lt","key":"part","value":9},{"type":"ne","key":"side","value":"3"}]}`,
	} {
		f := parsed(filter)
		want := []rag.ChunkID{}
		for _, row := range rows {
			if f.Matches(row.Metadata) {
				want = append(want, row.Chunk)
			}
		}
		if diff := cmp.Diff(want, search(t, c, g, total, f)); diff != "" {
			t.Errorf("%s: %s", filter, diff)
		}
	}
}

// testConcurrent writes and searches one collection at the same time; no write may be lost.
func testConcurrent(t *testing.T, c *Client) {
	g := generation(8)
	must(t, c.Ensure(t.Context(), g))
	var wg sync.WaitGroup
	errs := make(chan error, 200)
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				id := rag.ChunkID(1 + w*1000 + i*10)
				var rows []Row
				for j := range 10 {
					rows = append(rows, Row{Chunk: id + rag.ChunkID(j), Document: rag.DocumentID(w), Dense: unit(int(id) + j)})
				}
				errs <- c.Upsert(t.Context(), g, rows)
				_, err := c.Search(t.Context(), g, Search{Vector: unit(i), Limit: 5})
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	if n, err := c.Count(t.Context(), g); n != 400 || err != nil {
		t.Errorf("count %d, %v; want 400", n, err)
	}
}
