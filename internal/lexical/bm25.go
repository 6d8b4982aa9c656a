package lexical

import (
	"hash/fnv"
	"math"
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

// maxTerm is the last dimension that Milvus takes.
const maxTerm = math.MaxUint32 - 1

// dimension hashes a term: FNV-1a of 64 bits, folded to 32 as its authors advise.
func dimension(term []byte) uint32 {
	h := fnv.New64a()
	_, _ = h.Write(term) // it can't fail
	sum := h.Sum64()
	return min(uint32(sum>>32)^uint32(sum), maxTerm)
}
