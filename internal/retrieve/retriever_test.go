package retrieve

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// world is a fake of everything a Retriever needs: chunks 1 to n in dense order, some of them dead.
type world struct {
	n       int
	dead    map[rag.ChunkID]bool
	limits  []int // what the index was asked for
	score   func(ctx context.Context, passages []string) (encode.Scores, error)
	indexUp bool
}

func (w *world) EmbedQuery(context.Context, string) (rag.Embedding, error) {
	return rag.Embedding{1}, nil
}

func (w *world) Search(_ context.Context, _ rag.Collection, _ rag.Embedding, limit int, _ *rag.Filter) ([]rag.Candidate, error) {
	if !w.indexUp {
		return nil, rag.Unavailable("milvus", errors.New("connection refused"))
	}
	w.limits = append(w.limits, limit)
	var found []rag.Candidate
	for i := 1; i <= min(limit, w.n); i++ {
		found = append(found, rag.Candidate{Chunk: rag.ChunkID(i), Score: 1 - float32(i)/1000})
	}
	return found, nil
}

func (w *world) LiveHits(_ context.Context, _ rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error) {
	live := map[rag.ChunkID]rag.Hit{}
	for _, id := range ids {
		if !w.dead[id] {
			live[id] = rag.Hit{Chunk: rag.Chunk{ID: id, Text: "passage"}}
		}
	}
	return live, nil
}

func (w *world) Score(ctx context.Context, p encode.Pairs) (encode.Scores, error) {
	return w.score(ctx, p.Passages)
}

func retriever(w *world) *Retriever {
	return &Retriever{
		Embedder: func(context.Context, string) (Embedder, error) { return w, nil },
		Index:    w, Live: w, Scorer: w, Vocabulary: noTerms{}, Log: slog.New(slog.DiscardHandler),
	}
}

// noTerms is a collection without term vectors, which the default mode searches by its others.
type noTerms struct{}

func (noTerms) Languages(context.Context, rag.CollectionID) ([]rag.LanguageChunks, error) {
	return nil, &rag.Problem{Kind: rag.ErrDenseOnly, Code: "lexical_unsupported"}
}

func (noTerms) Frequencies(context.Context, rag.CollectionID, []uint32) (map[uint32]int, error) {
	return nil, errors.New("asked for terms that there are not")
}

// likesThird prefers the third passage.
func likesThird(_ context.Context, passages []string) (encode.Scores, error) {
	s := encode.Scores{Logits: make([]float32, len(passages)), Scored: make([]bool, len(passages)), Count: len(passages)}
	for i := range passages {
		s.Logits[i], s.Scored[i] = -5, true
		if i == 2 {
			s.Logits[i] = 6
		}
	}
	return s, nil
}

func TestSearchReranks(t *testing.T) {
	w := &world{n: 20, indexUp: true, score: likesThird}
	got, err := retriever(w).Search(context.Background(), Query{TopK: 2, Candidates: 5, Rerank: true, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Hits) != 2 || got.Hits[0].Chunk.ID != 3 || got.Candidates != 5 || got.Reranked != 5 || got.RankedBy != rag.RankedByBlend {
		t.Errorf("got %v, %+v", order(got.Hits), got)
	}
	got, err = retriever(w).Search(context.Background(), Query{TopK: 2, Candidates: 5, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 2}, order(got.Hits)); diff != "" || got.RankedBy != rag.RankedByDense || got.Reranked != 0 {
		t.Errorf("without reranking: %s %+v", diff, got)
	}
	if len(got.Degraded) != 0 {
		t.Errorf("degraded: %v", got.Degraded)
	}
	got, err = retriever(w).Search(context.Background(), Query{Collection: rag.Collection{Rebuilding: true}, TopK: 2, Candidates: 5, Deadline: time.Minute})
	if diff := cmp.Diff([]string{DegradedRebuilding}, got.Degraded); err != nil || diff != "" || len(got.Hits) != 2 {
		t.Errorf("while rebuilding: %v, %s", err, diff)
	}
}

func TestSearchNeverReturnsTheDead(t *testing.T) {
	w := &world{n: 100, indexUp: true, dead: map[rag.ChunkID]bool{}}
	for i := 1; i <= 30; i++ {
		w.dead[rag.ChunkID(i)] = true
	}
	got, err := retriever(w).Search(context.Background(), Query{TopK: 10, Candidates: 10, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{31, 32, 33, 34, 35, 36, 37, 38, 39, 40}, order(got.Hits)); diff != "" {
		t.Error(diff)
	}
	if got.Hits[0].DenseRank != 1 {
		t.Errorf("dense rank counts dead chunks: %d", got.Hits[0].DenseRank)
	}
	w.n = 30 // nothing but dead chunks: the search must end
	if got, err = retriever(w).Search(context.Background(), Query{TopK: 10, Candidates: 10, Rerank: true, Deadline: time.Minute}); err != nil || len(got.Hits) != 0 {
		t.Errorf("got %v, %v", order(got.Hits), err)
	}
}

func TestSearchDegrades(t *testing.T) {
	partial := func(context.Context, []string) (encode.Scores, error) {
		return encode.Scores{
			Logits: []float32{-9, 2, 9, 0, 0}, Scored: []bool{true, true, true, false, false}, Count: 3,
		}, context.DeadlineExceeded
	}
	tests := []struct {
		name     string
		topK     int
		score    func(context.Context, []string) (encode.Scores, error)
		want     []int
		rankedBy string
		degraded []string
	}{
		{"deadline after more than the hits asked for", 2, partial, []int{2, 1}, rag.RankedByBlend, nil},
		{"deadline", 4, partial, []int{2, 1, 3, 4}, rag.RankedByBlend, []string{DegradedRerankDeadline}},
		{"deadline before the first", 4, func(context.Context, []string) (encode.Scores, error) {
			return encode.Scores{}, context.DeadlineExceeded
		}, []int{1, 2, 3, 4}, rag.RankedByDense, []string{DegradedRerankDeadline}},
		{"failure", 4, func(context.Context, []string) (encode.Scores, error) {
			return encode.Scores{}, errors.New("bad graph")
		}, []int{1, 2, 3, 4}, rag.RankedByDense, []string{DegradedRerankFailed}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &world{n: 20, indexUp: true, score: test.score}
			got, err := retriever(w).Search(context.Background(), Query{TopK: test.topK, Candidates: 5, Rerank: true, Deadline: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if got.RankedBy != test.rankedBy || !cmp.Equal(got.Degraded, test.degraded) {
				t.Errorf("got %+v", got)
			}
			if diff := cmp.Diff(test.want, order(got.Hits)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSearchSaysThatMilvusIsDown(t *testing.T) {
	_, err := retriever(&world{}).Search(context.Background(), Query{TopK: 3, Candidates: 5, Deadline: time.Minute})
	if !errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
