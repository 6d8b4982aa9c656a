package retrieve

import (
	"time"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// publishTime is the longest that the publication of a version may take from the time written to its commit, with
	// what clocks of several hosts differ. A document that changed since so long before a search may have done so during it.
	publishTime = 5 * time.Second
	// maxLooks bounds how often a search is repeated because documents changed while it ran.
	maxLooks = 4
)

// liveness is what one look at the catalog said of candidates: the versions that were live, and which were of none.
type liveness struct {
	versions map[rag.DocumentID]int
	dead     map[rag.ChunkID]bool
}

// look notes what the catalog says now.
func look(now map[rag.ChunkID]rag.Hit, candidates []rag.ChunkID) liveness {
	seen := liveness{map[rag.DocumentID]int{}, map[rag.ChunkID]bool{}}
	for _, id := range candidates {
		if hit, live := now[id]; live {
			seen.versions[hit.Document] = hit.Chunk.Version
		} else {
			seen.dead[id] = true
		}
	}
	return seen
}

// settled reports whether a search that began at a time saw every document as it was then and is now. One that is
// published meanwhile may have been found by some of its rows, or by the old version's only, which the catalog does not
// vouch for any more; such a search is to be repeated. What the look before it (the zero value before the first) said
// too did not change in between, and the index has all rows of a version before that is live.
func (before liveness) settled(began time.Time, now map[rag.ChunkID]rag.Hit, candidates []rag.ChunkID) bool {
	for _, id := range candidates {
		hit, live := now[id]
		version, known := before.versions[hit.Document]
		switch {
		case !live && !before.dead[id], live && known && version != hit.Chunk.Version,
			live && !known && hit.Changed.After(began.Add(-publishTime)):
			return false
		}
	}
	return true
}
