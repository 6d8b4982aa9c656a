package retrieve

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// turning is an index and a catalog that change between two calls: each search gives the next ids, each look at the
// catalog finds the next ones live. The last of each stay.
type turning struct {
	world
	found, live [][]rag.ChunkID
	changed     time.Time // of all documents
	searches    int
}

func next(lists *[][]rag.ChunkID) []rag.ChunkID {
	first := (*lists)[0]
	if len(*lists) > 1 {
		*lists = (*lists)[1:]
	}
	return first
}

func (w *turning) Search(context.Context, rag.Collection, rag.Embedding, int, *rag.Filter) ([]rag.Candidate, error) {
	w.searches++
	var found []rag.Candidate
	for i, id := range next(&w.found) {
		found = append(found, rag.Candidate{Chunk: id, Score: 1 - float32(i)/100})
	}
	return found, nil
}

func (w *turning) LiveHits(_ context.Context, _ rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error) {
	hits, live := map[rag.ChunkID]rag.Hit{}, next(&w.live)
	for _, id := range ids {
		if slices.Contains(live, id) {
			hits[id] = rag.Hit{Document: 1, Chunk: rag.Chunk{ID: id, Version: int(id-1)/3 + 1}, Changed: w.changed}
		}
	}
	return hits, nil
}

// TestSearchSeesWholeVersions has documents published between a search of the index and the look at the catalog.
func TestSearchSeesWholeVersions(t *testing.T) {
	type ids = []rag.ChunkID
	long, now := time.Now().Add(-time.Hour), time.Now()
	for _, test := range []struct {
		name        string
		found, live [][]rag.ChunkID
		changed     time.Time
		want        []int
		searches    int
	}{
		{"nothing changes", []ids{{1, 2, 3}}, []ids{{1, 2, 3}}, long, []int{1, 2, 3}, 1},
		{"a new document whose first row was there", []ids{{1}, {1, 2, 3}}, []ids{{1, 2, 3}}, now, []int{1, 2, 3}, 2},
		{"a replaced one of which only old rows were there", []ids{{1, 2, 3}, {4, 5, 6}}, []ids{{4, 5, 6}}, now, []int{4, 5, 6}, 3},
		{"one that was new a moment ago", []ids{{1, 2, 3}}, []ids{{1, 2, 3}}, now, []int{1, 2, 3}, 2},
		{"rows that are left of a deleted one", []ids{{1, 2, 7}}, []ids{{1, 2}}, long, []int{1, 2}, 2},
		{"one that changes all the while", []ids{{1}, {4}, {7}, {10}, {13}}, []ids{{1}, {4}, {7}, {10}, {13}}, now, []int{10}, maxLooks},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &turning{world: world{indexUp: true}, found: test.found, live: test.live, changed: test.changed}
			r := retriever(&w.world)
			r.Index, r.Live = w, w
			got, err := r.Search(t.Context(), Query{TopK: 10, Candidates: 10, Deadline: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, order(got.Hits)); diff != "" || w.searches != test.searches {
				t.Errorf("%s, %d searches, want %d", diff, w.searches, test.searches)
			}
		})
	}
}
