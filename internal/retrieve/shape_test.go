package retrieve

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// shelf is a fake catalog and index of given hits, found in their order; what it embeds is the sum of its words' vectors.
type shelf struct {
	hits    []rag.Hit
	logits  map[string]float32 // by passage
	dead    map[rag.ChunkID]bool
	vectors map[rag.ChunkID]rag.Embedding
	around  []rag.Chunk
	text    []rune
	failing bool
	orders  map[string][]int
	refused string // a query that the index fails at

	mu    sync.Mutex
	asked []string // questions that the cross-encoder was asked with
}

func (s *shelf) EmbedQuery(_ context.Context, text string) (rag.Embedding, error) {
	return embedWords(text), nil
}

func (s *shelf) EmbedSentences(_ context.Context, texts []string) ([]rag.Embedding, error) {
	out := make([]rag.Embedding, len(texts))
	for i, text := range texts {
		if s.failing && i == len(texts)-1 {
			return out, context.DeadlineExceeded
		}
		out[i] = embedWords(text)
	}
	return out, nil
}

func embedWords(text string) rag.Embedding {
	v := make(rag.Embedding, 64)
	for _, word := range wordsOf(text) {
		var sum int
		for _, c := range word {
			sum = sum*31 + int(c)
		}
		v[uint(sum)%64]++
	}
	var norm float64
	for _, x := range v {
		norm += float64(x * x)
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(max(norm, 1)))
	}
	return v
}

func (s *shelf) Search(_ context.Context, _ rag.Collection, v rag.Embedding, limit int, _ *rag.Filter) ([]rag.Candidate, error) {
	if s.refused != "" && slices.Equal(v, embedWords(s.refused)) {
		return nil, rag.Unavailable("milvus", errors.New("away"))
	}
	order := make([]int, len(s.hits))
	for i := range order {
		order[i] = i
	}
	for text, own := range s.orders {
		if slices.Equal(v, embedWords(text)) {
			order = own
		}
	}
	var out []rag.Candidate
	for n, i := range order[:min(limit, len(order))] {
		out = append(out, rag.Candidate{Chunk: s.hits[i].Chunk.ID, Score: 0.9 - float32(n)/100})
	}
	return out, nil
}

func (s *shelf) LiveHits(_ context.Context, _ rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error) {
	out := map[rag.ChunkID]rag.Hit{}
	for _, h := range s.hits {
		if slices.Contains(ids, h.Chunk.ID) && !s.dead[h.Chunk.ID] {
			out[h.Chunk.ID] = h
		}
	}
	return out, nil
}

func (s *shelf) Score(_ context.Context, p encode.Pairs) (encode.Scores, error) {
	s.mu.Lock()
	s.asked = append(s.asked, p.Query)
	s.mu.Unlock()
	out := encode.Scores{Logits: make([]float32, len(p.Passages)), Scored: make([]bool, len(p.Passages)), Count: len(p.Passages)}
	for i, text := range p.Passages {
		out.Logits[i], out.Scored[i] = s.logits[text], true
	}
	return out, nil
}

func (s *shelf) Embeddings(context.Context, rag.Collection, []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error) {
	if s.failing {
		return nil, errors.New("away")
	}
	return s.vectors, nil
}

func (s *shelf) ChunksAt(_ context.Context, _ rag.CollectionID, places []Place) ([]rag.Chunk, error) {
	if s.failing {
		return nil, errors.New("away")
	}
	var out []rag.Chunk
	for _, c := range s.around {
		if slices.ContainsFunc(places, func(p Place) bool { return p.Document == c.Document && c.Ordinal >= p.From && c.Ordinal <= p.To }) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (s *shelf) Slices(_ context.Context, _ rag.CollectionID, _ string, _ int, spans []rag.Span) ([]string, error) {
	if s.text == nil {
		return nil, nil
	}
	out := make([]string, len(spans))
	for i, span := range spans {
		out[i] = string(s.text[span.Start:span.End])
	}
	return out, nil
}

func (s *shelf) retriever() *Retriever {
	r := retriever(&world{})
	r.Embedder = func(context.Context, string) (Embedder, error) { return s, nil }
	r.Index, r.Live, r.Scorer, r.Vectors, r.Around, r.Texts = s, s, s, s, s, s
	return r
}

// book makes hits of texts, each a chunk of the document that its entry names.
func book(entries ...string) *shelf {
	s := &shelf{logits: map[string]float32{}, dead: map[rag.ChunkID]bool{}, vectors: map[rag.ChunkID]rag.Embedding{}}
	for i, entry := range entries {
		var document int
		var text string
		if n, err := fmt.Sscanf(entry, "%d:", &document); n != 1 || err != nil {
			panic(entry)
		}
		_, text, _ = strings.Cut(entry, ": ")
		id := rag.ChunkID(i + 1)
		s.hits = append(s.hits, rag.Hit{
			Document: rag.DocumentID(document), ExternalID: fmt.Sprintf("d%d", document),
			Chunk: rag.Chunk{ID: id, Document: rag.DocumentID(document), Version: 1, Ordinal: i, Text: text, Span: rag.Span{End: len([]rune(text))}},
		})
		s.logits[text] = float32(len(entries) - 2*i)
		s.vectors[id] = embedWords(text)
	}
	return s
}

func (s *shelf) search(t *testing.T, q Query) Result {
	t.Helper()
	if q.Text == "" && q.Queries == nil && q.Turns == nil {
		q.Text = "a question"
	}
	q.Deadline = time.Minute
	q.TopK, q.Candidates = max(1, q.TopK), max(20, q.Candidates)
	res, err := s.retriever().Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestShapeDrops(t *testing.T) {
	long := "the red kite soars over the open farmland all day and eats carrion that it finds beside the road in the early morning hours"
	changed := strings.Replace(long, "morning", "evening", 1)
	likely := 0.6
	tests := []struct {
		name     string
		entries  []string
		shape    Shape
		rerank   bool
		want     []int
		outcomes map[int]Outcome
		of       map[int]int
	}{
		{"nothing", []string{"1: a b c", "1: a b c"}, Shape{}, true, []int{1, 2}, nil, nil},
		{"the same words", []string{"1: A kite, soaring.", "2: a kite soaring", "3: other"}, Shape{Duplicates: rag.DuplicatesExact}, true, []int{1, 3}, map[int]Outcome{2: OutcomeDuplicate}, map[int]int{2: 1}},
		{"nearly the same words are not the same", []string{"1: " + long, "2: " + changed}, Shape{Duplicates: rag.DuplicatesExact}, true, []int{1, 2}, nil, nil},
		{"nearly the same words", []string{"1: " + long, "2: " + changed, "3: x y z"}, Shape{Duplicates: rag.DuplicatesNear}, true, []int{1, 3}, map[int]Outcome{2: OutcomeDuplicate}, map[int]int{2: 1}},
		{"a cap", []string{"1: a", "1: b", "2: c", "1: d"}, Shape{MaxPerDocument: 2}, true, []int{1, 2, 3}, map[int]Outcome{4: OutcomeCapped}, nil},
		{"a threshold", []string{"1: a", "2: b", "3: c", "4: d"}, Shape{MinRelevance: likely}, true, []int{1, 2}, map[int]Outcome{3: OutcomeBelow, 4: OutcomeBelow}, nil},
		{"documents together", []string{"1: a", "2: b", "1: c", "3: d", "2: e"}, Shape{ByDocument: true}, true, []int{1, 3, 2, 5, 4}, nil, nil},
		{"places", []string{"1: a", "2: b", "3: c", "4: d", "5: e", "6: f"}, Shape{}, false, []int{1, 2, 3, 4, 5}, map[int]Outcome{6: OutcomeBeyond}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.shape.Explain = true
			got := book(test.entries...).search(t, Query{TopK: 5, Rerank: test.rerank, Shape: test.shape})
			if diff := cmp.Diff(test.want, order(got.Hits)); diff != "" {
				t.Error(diff)
			}
			if len(got.Verdicts) != len(test.entries) || len(got.Degraded) > 0 {
				t.Errorf("%d verdicts for %d candidates, degraded %v", len(got.Verdicts), len(test.entries), got.Degraded)
			}
			for i, v := range got.Verdicts {
				id := int(v.Hit.Chunk.ID)
				want, dropped := test.outcomes[id]
				if !dropped {
					want = OutcomeReturned
				}
				if v.Rank != i+1 || v.Outcome != want || v.Of != rag.ChunkID(test.of[id]) || (v.Unread == UnreadOff) == test.rerank {
					t.Errorf("got %+v, want %s of %d", v, want, test.of[id])
				}
			}
		})
	}
}

func TestGroupsCountDocuments(t *testing.T) {
	got := book("1: a", "2: b", "1: c", "3: d", "2: e").search(t, Query{TopK: 2, Rerank: true, Shape: Shape{ByDocument: true}})
	if diff := cmp.Diff([]int{1, 3, 2, 5}, order(got.Hits)); diff != "" {
		t.Error(diff)
	}
}

func TestThresholdWithoutReranking(t *testing.T) {
	got := book("1: a", "2: b").search(t, Query{TopK: 5, Shape: Shape{MinRelevance: 0.9}})
	if len(got.Hits) != 2 || !slices.Contains(got.Degraded, DegradedMinRelevance) {
		t.Errorf("%d hits, degraded %v", len(got.Hits), got.Degraded)
	}
}

// TestRelevanceKeepsTheOrder holds for every blending: relevance falls with the hits, and lies between 0 and 1.
func TestRelevanceKeepsTheOrder(t *testing.T) {
	s := book("1: a", "2: b", "3: c", "4: d", "5: e", "6: f", "7: g")
	for i, h := range s.hits {
		s.logits[h.Chunk.Text] = float32((i*5)%7) - 3
	}
	for _, how := range []Blending{{}, {Weight: 1, Normalisation: rag.NormaliseZScore}, {Weight: 0, Normalisation: rag.NormaliseZScore}, {Weight: 0.7, Normalisation: rag.NormaliseMinMax}} {
		got := s.search(t, Query{TopK: 7, Rerank: true, Blending: how})
		for i, h := range got.Hits {
			r := *h.Scores.Relevance
			if r <= 0 || r >= 1 || i > 0 && r > *got.Hits[i-1].Scores.Relevance {
				t.Errorf("%+v: relevance %v of hit %d after %v", how, r, i+1, *got.Hits[max(0, i-1)].Scores.Relevance)
			}
		}
		if how.Normalisation != "" && how.Weight == 0 {
			if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6, 7}, order(got.Hits)); diff != "" {
				t.Errorf("weight 0 is not the first stage's order: %s", diff)
			}
		}
		if how.Weight == 1 && *got.Hits[0].Scores.RerankLogit != 3 {
			t.Errorf("weight 1 is not the cross-encoder's order: %v first", *got.Hits[0].Scores.RerankLogit)
		}
	}
}

func TestCalibrate(t *testing.T) {
	one := hits(0.8)
	one = blend(one, []float32{2}, []bool{true}, Blending{}.settled())
	calibrate(one, &rag.Calibration{Intercept: -1, Slope: 0.5}) // one hit: its logit is its level
	if want := 0.5; math.Abs(*one[0].Scores.Relevance-want) > 1e-9 {
		t.Errorf("got %v, want %v", *one[0].Scores.Relevance, want)
	}
}

func TestDiversify(t *testing.T) {
	lambda := func(l float64) *float64 { return &l }
	s := book("1: red kite tail", "2: red kite tail fork", "3: penguin ice cold", "4: red kite tail wing")
	for _, test := range []struct {
		lambda float64
		want   []int
	}{{1, []int{1, 2, 3, 4}}, {0.5, []int{1, 3, 2, 4}}} {
		got := s.search(t, Query{TopK: 4, Rerank: true, Shape: Shape{Diversity: lambda(test.lambda)}})
		if diff := cmp.Diff(test.want, order(got.Hits)); diff != "" || len(got.Degraded) > 0 {
			t.Errorf("lambda %v: %s, degraded %v", test.lambda, diff, got.Degraded)
		}
	}
	s.failing = true
	got := s.search(t, Query{TopK: 4, Rerank: true, Shape: Shape{Diversity: lambda(0.5)}})
	if diff := cmp.Diff([]int{1, 2, 3, 4}, order(got.Hits)); diff != "" || !slices.Contains(got.Degraded, DegradedDiversity) {
		t.Errorf("without embeddings: %s, degraded %v", diff, got.Degraded)
	}
}

func TestWordsAndShingles(t *testing.T) {
	if diff := cmp.Diff([]string{"red", "kite", "鳶", "は", "🪁", "x1"}, wordsOf("Red-KITE 鳶は 🪁 (x1)\x00")); diff != "" {
		t.Error(diff)
	}
	seed := maphash.MakeSeed()
	a, b := shinglesOf(wordsOf("a b c d"), seed), shinglesOf(wordsOf("a b c d e"), seed)
	if got := jaccard(a, a); got != 1 {
		t.Errorf("a text is %v like itself", got)
	}
	if got := jaccard(a, b); got != 0 && math.Abs(got-2.0/3) > 1e-9 {
		t.Errorf("got %v", got)
	}
}
