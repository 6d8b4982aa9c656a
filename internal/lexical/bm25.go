package lexical

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// BM25's constants (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, section 3). docs/lexical.md
// says on what they were chosen.
const (
	k1 = 1.2
	b  = 0.75
	// averageLength stands for the mean number of terms of a collection's chunks. It is fixed: a mean that moved would
	// make every vector stale that was written before. It only decides how much a repetition counts.
	averageLength = 120
)

// weight is a term's part of BM25 that depends on the text alone: frequency saturated by k1, length normalised by b.
func weight(frequency, length int) float32 {
	f := float64(frequency)
	return float32(f * (k1 + 1) / (f + k1*(1-b+b*float64(length)/averageLength)))
}

// maxQueryTerms bounds a query's vector; a longer one keeps the terms that weigh most.
const maxQueryTerms = 256

// Vector gives the query side: each term's inverse document frequency, times its frequency in the query. total is how
// many chunks the collection has, frequencies how many of them have each term. A term that no chunk has is left out, so
// the vector may be empty: then nothing can be found.
func (q Query) Vector(total int, frequencies map[uint32]int) rag.TermVector {
	type weighed struct {
		term   uint32
		weight float64
	}
	var terms []weighed
	for term, n := range q.counts {
		if df := frequencies[term]; df > 0 {
			terms = append(terms, weighed{term, float64(n) * idf(max(total, df), df)})
		}
	}
	slices.SortFunc(terms, func(x, y weighed) int { return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.term, y.term)) })
	terms = terms[:min(maxQueryTerms, len(terms))]
	slices.SortFunc(terms, func(x, y weighed) int { return cmp.Compare(x.term, y.term) })
	var v rag.TermVector
	for _, t := range terms {
		v.Terms, v.Weights = append(v.Terms, t.term), append(v.Weights, float32(t.weight))
	}
	return v
}

// idf is BM25's inverse document frequency with Lucene's 1 inside the logarithm, which keeps it above 0.
func idf(total, frequency int) float64 {
	return math.Log1p((float64(total-frequency) + 0.5) / (float64(frequency) + 0.5))
}

// maxTerm is the last dimension that Milvus takes.
const maxTerm = math.MaxUint32 - 1

// dimension hashes a term: FNV-1a of 64 bits, folded to 32 as its authors advise.
func dimension(term []byte) uint32 {
	h := fnv.New64a()
	_, _ = h.Write(term) // it can't fail
	sum := h.Sum64()
	return min(uint32(sum>>32)^uint32(sum), maxTerm)
}
