package milvus

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"github.com/redkite/redkite/internal/rag"
)

// terms gives a term vector over few dimensions, so that texts share some, and over the largest that there are.
func terms(n int) rag.TermVector {
	random := rand.New(rand.NewPCG(uint64(n), 2))
	weights := map[uint32]float32{}
	for range 6 {
		weights[uint32(random.IntN(30))*143_165_576] = 1 + random.Float32()
	}
	weights[math.MaxUint32-1] = 0.5
	var v rag.TermVector
	for term := range weights {
		v.Terms = append(v.Terms, term)
	}
	slices.Sort(v.Terms)
	for _, term := range v.Terms {
		v.Weights = append(v.Weights, weights[term])
	}
	return v
}

func product(a, b rag.TermVector) float64 {
	sum := 0.0
	for i, term := range a.Terms {
		if j, ok := slices.BinarySearch(b.Terms, term); ok {
			sum += float64(a.Weights[i]) * float64(b.Weights[j])
		}
	}
	return sum
}

// testTerms writes rows with term vectors, and searches them where the server can hold them.
func testTerms(t *testing.T, c *Client) {
	g := generation(12, rag.Field{Name: "year", Type: rag.FieldInt})
	if got, err := c.SearchTerms(t.Context(), g, terms(1), 5, nil); len(got) != 0 || err != nil && !errors.Is(err, rag.ErrDenseOnly) {
		t.Errorf("a collection that is not there: %v, %v", got, err)
	}
	var rows []Row
	for i := 1; i <= batchRows+100; i++ {
		rows = append(rows, Row{Chunk: rag.ChunkID(i), Document: 1, Dense: unit(i), Sparse: terms(i), Metadata: rag.Metadata{"year": int64(i % 10)}})
	}
	rows[6].Sparse = rag.TermVector{} // a text without words
	h, err := c.Ping(t.Context())
	must(t, err)
	before := rag.LexicalUnsupported
	if h.Sparse {
		before = rag.LexicalReady // it will be
	}
	checkLexical(t, c, g, before)
	fill(t, c, g, rows)
	if !h.Sparse {
		checkLexical(t, c, g, rag.LexicalUnsupported)
		_, err := c.SearchTerms(t.Context(), g, terms(1), 5, nil)
		checkDenseOnly(t, err, "lexical_unsupported")
		if n := len(search(t, c, g, 5, nil)); n != 5 {
			t.Errorf("the dense side finds %d of 5", n)
		}
		return
	}
	checkLexical(t, c, g, rag.LexicalReady)
	must(t, c.Flush(t.Context(), g))
	for _, filter := range []string{"", `{"type":"gte","key":"year","value":7}`} {
		var f *rag.Filter
		if filter != "" {
			f = parsed(filter)
		}
		query := terms(5000)
		query.Terms, query.Weights = query.Terms[:3], query.Weights[:3]
		checkTerms(t, c, g, rows, query, f)
	}
	rows[0].Sparse = terms(7777) // a row is replaced whole
	fill(t, c, g, rows[:1])
	checkTerms(t, c, g, rows, rag.TermVector{Terms: terms(7777).Terms[:2], Weights: []float32{1, 2}}, nil)
	if got, err := c.SearchTerms(t.Context(), g, rag.TermVector{Terms: []uint32{4242}, Weights: []float32{1}}, 5, nil); len(got) != 0 || err != nil {
		t.Errorf("a term that nothing has: %v, %v", got, err)
	}
	must(t, c.Delete(t.Context(), g, []rag.ChunkID{1}))
	if !eventually(10*time.Second, func() bool {
		got, err := c.SearchTerms(t.Context(), g, terms(7777), 2000, nil)
		return err == nil && !slices.ContainsFunc(got, func(f rag.Candidate) bool { return f.Chunk == 1 })
	}) {
		t.Error("a deleted row is found")
	}
	testWithoutSparse(t, c)
}

// checkTerms compares a search with the products themselves.
func checkTerms(t *testing.T, c *Client, g Generation, rows []Row, query rag.TermVector, f *rag.Filter) {
	t.Helper()
	var want []rag.Candidate
	for _, row := range rows {
		if p := product(row.Sparse, query); p > 0 && (f == nil || f.Matches(row.Metadata)) {
			want = append(want, rag.Candidate{Chunk: row.Chunk, Score: float32(p)})
		}
	}
	got, err := c.SearchTerms(t.Context(), g, query, len(rows), f)
	must(t, err)
	if !slices.IsSortedFunc(got, func(a, b rag.Candidate) int { return cmp.Compare(b.Score, a.Score) }) {
		t.Error("hits are out of order")
	}
	byID := func(a, b rag.Candidate) int { return cmp.Compare(a.Chunk, b.Chunk) }
	slices.SortFunc(got, byID)
	near := gocmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 })
	if diff := gocmp.Diff(want, got, near); diff != "" {
		t.Errorf("products (-want +got):\n%s", diff)
	}
	if few, err := c.SearchTerms(t.Context(), g, query, 3, f); err != nil || len(few) != 3 {
		t.Errorf("limit 3: %d, %v", len(few), err)
	}
}

func checkLexical(t *testing.T, c *Client, g Generation, want rag.Lexical) {
	t.Helper()
	if got, err := c.Lexical(t.Context(), g); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func checkDenseOnly(t *testing.T, err error, code string) {
	t.Helper()
	var p *rag.Problem
	if !errors.Is(err, rag.ErrDenseOnly) || !errors.As(err, &p) || p.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// testWithoutSparse has a collection as an earlier redkite made it: it serves dense search, and a rebuild gives it terms.
func testWithoutSparse(t *testing.T, c *Client) {
	g := generation(13)
	err := c.call(t.Context(), "make an old collection", func(native *client.GrpcClient, s server) error {
		old := g.schema(s)
		old.Fields = slices.DeleteFunc(old.Fields, func(f *entity.Field) bool { return f.Name == columnSparse })
		return native.CreateCollection(t.Context(), old, 1)
	})
	must(t, err)
	row := Row{Chunk: 1, Document: 1, Dense: unit(1), Sparse: terms(1)}
	fill(t, c, g, []Row{row})
	_, err = c.SearchTerms(t.Context(), g, terms(1), 5, nil)
	checkDenseOnly(t, err, "lexical_needs_rebuild")
	checkLexical(t, c, g, rag.LexicalNeedsRebuild)
	if diff := gocmp.Diff([]rag.ChunkID{1}, search(t, c, g, 5, nil)); diff != "" {
		t.Error(diff)
	}
	must(t, c.Drop(t.Context(), g))
	fill(t, c, g, []Row{row})
	if got, err := c.SearchTerms(t.Context(), g, terms(1), 5, nil); err != nil || len(got) != 1 {
		t.Errorf("after a rebuild: %v, %v", got, err)
	}
	checkLexical(t, c, g, rag.LexicalReady)
}
