package retrieve

import (
	"cmp"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// rrfK is reciprocal rank fusion's constant (Cormack, Clarke and Buettcher, SIGIR 2009).
const rrfK = 60

// DefaultMode is the mode of a request and a collection that name none (docs/retrieval.md). Where a collection holds no
// term vectors, that is no fault of such a request: it is searched by the others, and nothing is said to be degraded.
const DefaultMode = rag.ModeHybrid

// DefaultFusion is the fusion of a request that names none, chosen on development sets (docs/retrieval.md).
func DefaultFusion() rag.Fusion {
	return rag.Fusion{Method: rag.FusionScore, Dense: 0.7, Lexical: 0.3}
}

// ordered gives the live candidates of the sides as hits, best first: by the score of the one that there is, or fused from
// both. It is the same order whatever order equal scores came in: ties go by the better rank, then by the chunk's id.
func ordered(sides []*side, alive map[rag.ChunkID]rag.Hit, f rag.Fusion) []rag.Hit {
	hits := map[rag.ChunkID]rag.Hit{}
	for _, s := range sides {
		for i, c := range s.found {
			h, ok := hits[c.Chunk]
			if !ok {
				h = alive[c.Chunk]
			}
			score := float64(c.Score)
			if s.mode == rag.ModeDense {
				h.Scores.Dense, h.DenseRank, h.RankedBy = &score, i+1, rag.RankedByDense
			} else {
				h.Scores.Lexical, h.LexicalRank, h.RankedBy = &score, i+1, rag.RankedByLexical
			}
			hits[c.Chunk] = h
		}
	}
	if len(sides) == 2 {
		fuse(hits, f)
	}
	all := make([]rag.Hit, 0, len(hits))
	for _, h := range hits {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b rag.Hit) int {
		return cmp.Or(cmp.Compare(firstScore(b), firstScore(a)), cmp.Compare(bestRank(a), bestRank(b)), cmp.Compare(a.Chunk.ID, b.Chunk.ID))
	})
	return all
}

// fuse gives each hit its fused score.
func fuse(hits map[rag.ChunkID]rag.Hit, f rag.Fusion) {
	score := reciprocalRanks
	if f.Method == rag.FusionScore {
		score = normalised(hits)
	}
	for id, h := range hits {
		fused := score(h, f)
		h.Scores.Fused, h.RankedBy = &fused, rag.RankedByFused
		hits[id] = h
	}
}

// reciprocalRanks adds the weighted reciprocals of a hit's ranks; a side that did not find it adds nothing.
func reciprocalRanks(h rag.Hit, f rag.Fusion) float64 {
	sum := 0.0
	if h.DenseRank > 0 {
		sum += f.Dense / float64(rrfK+h.DenseRank)
	}
	if h.LexicalRank > 0 {
		sum += f.Lexical / float64(rrfK+h.LexicalRank)
	}
	return sum
}

// normalised adds the weighted scores, each side's laid from 0, its lowest, to 1, its highest; a side that did not find
// a hit adds nothing.
func normalised(hits map[rag.ChunkID]rag.Hit) func(h rag.Hit, f rag.Fusion) float64 {
	var dense, lexical bounds
	for _, h := range hits {
		dense.take(h.Scores.Dense)
		lexical.take(h.Scores.Lexical)
	}
	return func(h rag.Hit, f rag.Fusion) float64 {
		return f.Dense*dense.place(h.Scores.Dense) + f.Lexical*lexical.place(h.Scores.Lexical)
	}
}

// bounds are the lowest and the highest of some scores.
type bounds struct {
	low, high float64
	any       bool
}

func (b *bounds) take(score *float64) {
	switch {
	case score == nil:
	case !b.any:
		b.low, b.high, b.any = *score, *score, true
	default:
		b.low, b.high = min(b.low, *score), max(b.high, *score)
	}
}

// place is where a score lies between the bounds, 0 to 1; where all are equal each is 1, and one that is missing is 0.
func (b *bounds) place(score *float64) float64 {
	switch {
	case score == nil:
		return 0
	case b.high == b.low:
		return 1
	}
	return (*score - b.low) / (b.high - b.low)
}

// firstScore is the score by which the first stage placed a hit.
func firstScore(h rag.Hit) float64 {
	switch {
	case h.Scores.Fused != nil:
		return *h.Scores.Fused
	case h.Scores.Dense != nil:
		return *h.Scores.Dense
	case h.Scores.Lexical != nil:
		return *h.Scores.Lexical
	}
	return 0
}

func bestRank(h rag.Hit) int {
	if h.DenseRank == 0 || h.LexicalRank > 0 && h.LexicalRank < h.DenseRank {
		return h.LexicalRank
	}
	return h.DenseRank
}

// rankedBy says what ordered the hits of a first stage.
func rankedBy(m rag.Mode, hits []rag.Hit) string {
	switch {
	case len(hits) > 0:
		return hits[0].RankedBy
	case m == rag.ModeDense:
		return rag.RankedByDense
	case m == rag.ModeLexical:
		return rag.RankedByLexical
	}
	return rag.RankedByFused
}
