package milvus

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// The figures of docs/milvus.md: 100,000 rows of 384 dimensions, 100 candidates a search.
//
//	go test -run '^$' -bench . -benchtime 10x ./internal/milvus
func BenchmarkLite(b *testing.B) {
	benchmark(b, newClient(b, startLite(b, b.TempDir()).Address()))
}

func BenchmarkServer(b *testing.B) {
	benchmark(b, newClient(b, startServer(b).Address()))
}

func benchmark(b *testing.B, c *Client) {
	const total, batch, wide = 100000, 1000, 384
	g := Generation{Collection: 1, Number: 1, Dimension: wide, Fields: allFields()}
	random := rand.New(rand.NewPCG(1, 1))
	vector := func() rag.Embedding {
		v := make(rag.Embedding, wide)
		for i := range v {
			v[i] = random.Float32() - 0.5
		}
		return v
	}
	must(b, c.Ensure(b.Context(), g))
	for first := 0; first < total; first += batch {
		rows := make([]Row, batch)
		for i := range rows {
			n := first + i
			list := []string{fmt.Sprint("t", n%30), "all"}
			rows[i] = Row{Chunk: rag.ChunkID(n + 1), Document: rag.DocumentID(n / 10), Dense: vector(), Metadata: rag.Metadata{
				"year": int64(1950 + n%75), "lang.x-y_z": fmt.Sprint("l", n%20), "tags": list,
				"free": int64(n % 75), "word": fmt.Sprint("w", n%20), "labels": list,
			}, Sparse: someTerms(random, 80, 1)}
		}
		must(b, c.Upsert(b.Context(), g, rows))
	}
	must(b, c.Flush(b.Context(), g))
	for _, filter := range []string{
		``, `{"type":"gte","key":"year","value":2015}`, `{"type":"eq","key":"lang.x-y_z","value":"l3"}`,
		`{"type":"contains_any","key":"tags","value":["t3","t4"]}`, `{"type":"gte","key":"free","value":65}`,
		`{"type":"in","key":"word","value":["w3","w4","w5"]}`, `{"type":"contains_any","key":"labels","value":["t3","t4"]}`,
		`{"type":"contains_any","key":"nowhere","value":["t3","t4"]}`,
	} {
		b.Run(filter, func(b *testing.B) {
			for b.Loop() {
				_, err := c.Search(b.Context(), g, Search{Vector: vector(), Limit: 100, Filter: parsed(filter)})
				must(b, err)
			}
		})
		b.Run("terms "+filter, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.SearchTerms(b.Context(), g, someTerms(random, 6, 100), 100, parsed(filter)); errors.Is(err, rag.ErrDenseOnly) {
					b.Skip(err)
				} else {
					must(b, err)
				}
			}
		})
	}
}

// someTerms draws n terms of the ranks from first to 50,000 as words are drawn: the one of rank r about as often as 1/r.
func someTerms(random *rand.Rand, n int, first float64) rag.TermVector {
	var v rag.TermVector
	for len(v.Terms) < n {
		term := uint32(first * math.Exp(random.Float64()*math.Log(50000/first)))
		if !slices.Contains(v.Terms, term) {
			v.Terms, v.Weights = append(v.Terms, term), append(v.Weights, 1+random.Float32())
		}
	}
	slices.Sort(v.Terms)
	return v
}
