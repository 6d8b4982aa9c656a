package retrieve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// library is a world with a lexical side: terms finds the candidates of a query.
type library struct {
	world
	dense     func(ctx context.Context, limit int) ([]rag.Candidate, error)
	terms     func(ctx context.Context, limit int) ([]rag.Candidate, error)
	languages error
	asked     int // calls of the lexical side
}

func (l *library) Search(ctx context.Context, c rag.Collection, v rag.Embedding, limit int, f *rag.Filter) ([]rag.Candidate, error) {
	if l.dense != nil {
		return l.dense(ctx, limit)
	}
	return l.world.Search(ctx, c, v, limit, f)
}

func (l *library) SearchTerms(ctx context.Context, _ rag.Collection, v rag.TermVector, limit int, _ *rag.Filter) ([]rag.Candidate, error) {
	if len(v.Terms) == 0 {
		return nil, errors.New("no terms came through")
	}
	return l.terms(ctx, limit)
}

func (l *library) Languages(context.Context, rag.CollectionID) ([]rag.LanguageChunks, error) {
	l.asked++
	return []rag.LanguageChunks{{Language: "en", Chunks: 100}}, l.languages
}

func (l *library) Frequencies(_ context.Context, _ rag.CollectionID, terms []uint32) (map[uint32]int, error) {
	f := map[uint32]int{}
	for _, term := range terms {
		f[term] = 3
	}
	return f, nil
}

func (l *library) retriever(t *testing.T) *Retriever {
	t.Helper()
	r := retriever(&l.world)
	analyzer, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	r.Index, r.TermIndex, r.Vocabulary, r.Lexical = l, l, l, analyzer
	return r
}

// found gives candidates by id, each with a score a step below the one before.
func found(ids ...rag.ChunkID) func(context.Context, int) ([]rag.Candidate, error) {
	return func(_ context.Context, limit int) ([]rag.Candidate, error) {
		var out []rag.Candidate
		for i, id := range ids {
			out = append(out, rag.Candidate{Chunk: id, Score: 1 - float32(i)/10})
		}
		return out[:min(limit, len(out))], nil
	}
}

func fails(err error) func(context.Context, int) ([]rag.Candidate, error) {
	return func(context.Context, int) ([]rag.Candidate, error) { return nil, err }
}

// late answers when its time is over.
func late(ctx context.Context, _ int) ([]rag.Candidate, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestModes(t *testing.T) {
	down := rag.Unavailable("milvus", errors.New("connection refused"))
	old := &rag.Problem{Kind: rag.ErrDenseOnly, Code: "lexical_needs_rebuild"}
	dense, terms := found(1, 2, 3), found(3, 9, 1)
	tests := []struct {
		name         string
		mode         rag.Mode
		dense, terms func(context.Context, int) ([]rag.Candidate, error)
		fusion       rag.Fusion
		want         []int
		rankedBy     string
		degraded     []string
	}{
		{"dense", rag.ModeDense, dense, fails(errors.New("not to be asked")), DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, nil},
		{"lexical", rag.ModeLexical, fails(errors.New("not to be asked")), terms, DefaultFusion(), []int{3, 9, 1}, rag.RankedByLexical, nil},
		// 1/61 + 1/63, 1/62, 1/63 + 1/61, 1/62: ties go by the best rank, then by id.
		{"by rank", rag.ModeHybrid, dense, terms, rag.Fusion{Method: rag.FusionRRF, Dense: 1, Lexical: 1}, []int{1, 3, 2, 9}, rag.RankedByFused, nil},
		{"by rank, one weighs more", rag.ModeHybrid, dense, terms, rag.Fusion{Method: rag.FusionRRF, Dense: 0.1, Lexical: 1}, []int{3, 1, 9, 2}, rag.RankedByFused, nil},
		// 1 and 0, 0.5, 0 and 1, 0.5.
		{"by score", rag.ModeHybrid, dense, terms, rag.Fusion{Method: rag.FusionScore, Dense: 0.8, Lexical: 0.2}, []int{1, 2, 3, 9}, rag.RankedByFused, nil},
		{"by score alike", rag.ModeHybrid, dense, terms, rag.Fusion{Method: rag.FusionScore, Dense: 1, Lexical: 1}, []int{1, 3, 2, 9}, rag.RankedByFused, nil},
		{"terms fail", rag.ModeHybrid, dense, fails(down), DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, []string{DegradedLexicalFailed}},
		{"vectors fail", rag.ModeHybrid, fails(down), terms, DefaultFusion(), []int{3, 9, 1}, rag.RankedByLexical, []string{DegradedDenseFailed}},
		{"terms are late", rag.ModeHybrid, dense, late, DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, []string{DegradedLexicalDeadline}},
		{"vectors are late", rag.ModeHybrid, late, terms, DefaultFusion(), []int{3, 9, 1}, rag.RankedByLexical, []string{DegradedDenseDeadline}},
		{"nobody chose", "", dense, terms, DefaultFusion(), []int{1, 2, 3, 9}, rag.RankedByFused, nil},
		{"nobody chose, and no terms are kept", "", dense, fails(old), DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, nil},
		{"nobody chose, and terms fail", "", dense, fails(down), DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, []string{DegradedLexicalFailed}},
		{"no terms are kept", rag.ModeHybrid, dense, fails(old), DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, []string{"lexical_needs_rebuild"}},
		{"no terms are kept, and were asked for alone", rag.ModeLexical, dense, fails(old), DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, []string{"lexical_needs_rebuild"}},
		{"terms are late, and were asked for alone", rag.ModeLexical, dense, late, DefaultFusion(), []int{1, 2, 3}, rag.RankedByDense, []string{DegradedLexicalDeadline}},
		{"terms find nothing", rag.ModeHybrid, dense, found(), DefaultFusion(), []int{1, 2, 3}, rag.RankedByFused, nil},
		{"nothing is found", rag.ModeHybrid, found(), found(), DefaultFusion(), []int{}, rag.RankedByFused, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := &library{dense: test.dense, terms: test.terms}
			r := l.retriever(t)
			synctest.Test(t, func(t *testing.T) { // late sides wait for a clock that does not
				got, err := r.Search(t.Context(), Query{Text: "kites", Mode: test.mode, Fusion: test.fusion, TopK: 4, Candidates: 5, Deadline: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, order(got.Hits)); diff != "" || got.RankedBy != test.rankedBy || !cmp.Equal(test.degraded, got.Degraded) {
					t.Errorf("%s\n%s, degraded %v", diff, got.RankedBy, got.Degraded)
				}
				if test.mode == rag.ModeDense && (l.asked > 0 || got.Timings.Lexical > 0) {
					t.Error("dense search does lexical work")
				}
			})
		})
	}
}

func TestModesThatCanGiveNothing(t *testing.T) {
	down, invalid := rag.Unavailable("milvus", errors.New("connection refused")), rag.Invalid("/filter/key", "no such field")
	for _, test := range []struct {
		name         string
		mode         rag.Mode
		dense, terms func(context.Context, int) ([]rag.Candidate, error)
		want         error
	}{
		{"both fail", rag.ModeHybrid, fails(down), fails(down), rag.ErrUnavailable},
		{"both are late", rag.ModeHybrid, late, late, context.DeadlineExceeded},
		{"terms alone, and dense in their place", rag.ModeLexical, fails(down), fails(down), rag.ErrUnavailable},
		{"the request is at fault", rag.ModeHybrid, found(1), fails(invalid), rag.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := (&library{dense: test.dense, terms: test.terms}).retriever(t)
			synctest.Test(t, func(t *testing.T) {
				_, err := r.Search(t.Context(), Query{Text: "kites", Mode: test.mode, Fusion: DefaultFusion(), TopK: 4, Candidates: 5, Deadline: time.Minute})
				if !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestHitsShowBothSides(t *testing.T) {
	l := &library{dense: found(1, 2, 3), terms: found(3, 9)}
	l.score = likesThird
	got, err := l.retriever(t).Search(t.Context(), Query{Text: "kites", Mode: rag.ModeHybrid, Fusion: DefaultFusion(), TopK: 4, Candidates: 5, Rerank: true, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		Dense, Lexical, Fused bool
		DenseRank, LexRank    int
	}
	places := map[rag.ChunkID]place{}
	for _, h := range got.Hits {
		places[h.Chunk.ID] = place{h.Scores.Dense != nil, h.Scores.Lexical != nil, h.Scores.Fused != nil, h.DenseRank, h.LexicalRank}
		if h.Scores.Blend == nil || h.RankedBy != rag.RankedByBlend {
			t.Errorf("chunk %d was not blended: %+v", h.Chunk.ID, h.Scores)
		}
	}
	want := map[rag.ChunkID]place{1: {true, false, true, 1, 0}, 2: {true, false, true, 2, 0}, 3: {true, true, true, 3, 1}, 9: {false, true, true, 0, 2}}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Error(diff)
	}
	if got.Hits[0].Chunk.ID != 3 {
		t.Errorf("the cross-encoder's favourite, third of the fused, is not first: %v", order(got.Hits))
	}
}

func TestHybridNeverReturnsTheDead(t *testing.T) {
	l := &library{terms: func(_ context.Context, limit int) ([]rag.Candidate, error) {
		var out []rag.Candidate
		for i := 1; i <= min(limit, 60); i++ {
			out = append(out, rag.Candidate{Chunk: rag.ChunkID(1000 + i), Score: 9})
		}
		return out, nil
	}}
	l.n, l.indexUp, l.dead = 100, true, map[rag.ChunkID]bool{}
	for i := range rag.ChunkID(40) {
		l.dead[1001+i], l.dead[i+1] = true, true
	}
	got, err := l.retriever(t).Search(t.Context(), Query{Text: "kites", Mode: rag.ModeHybrid, Fusion: rag.Fusion{Method: rag.FusionRRF, Dense: 1, Lexical: 1}, TopK: 6, Candidates: 6, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{41, 1041, 42, 1042, 43, 1043}, order(got.Hits)); diff != "" {
		t.Errorf("each side's live ones in turn, equal scores by id: %s", diff)
	}
}

func TestRerankingStopsWithLexicalHits(t *testing.T) {
	l := &library{dense: found(1, 2, 3, 4), terms: found(9, 8, 7, 6)}
	l.score = func(ctx context.Context, passages []string) (encode.Scores, error) {
		s, err := likesThird(ctx, passages)
		s.Enough = true
		return s, err
	}
	got, err := l.retriever(t).Search(t.Context(), Query{Text: "kites", Mode: rag.ModeHybrid, Fusion: DefaultFusion(), TopK: 2, Candidates: 8, Rerank: true, Tolerance: 0.5, Deadline: time.Minute})
	if err != nil || got.Ended != EndedEnough || len(got.Hits) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}
