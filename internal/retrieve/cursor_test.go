package retrieve

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// TestPagesAreStable ingests and deletes between pages: no hit comes twice, and none that was there and is live is skipped.
func TestPagesAreStable(t *testing.T) {
	for _, byDocument := range []bool{false, true} {
		var entries []string
		for i := range 12 {
			entries = append(entries, fmt.Sprintf("%d: text %d", i%5+1, i))
		}
		s := book(entries...)
		q := Query{TopK: 2, Rerank: true, Fingerprint: "f", Shape: Shape{Paged: true, ByDocument: byDocument}}
		all := order(s.search(t, Query{TopK: 20, Rerank: true, Shape: Shape{ByDocument: byDocument}}).Hits)
		page := s.search(t, q)
		got := order(page.Hits)
		for n := 0; page.Next != ""; n++ {
			fresh := book(fmt.Sprintf("9: newer %d", n)).hits[0] // better than all that is there
			fresh.Chunk.ID = rag.ChunkID(100 + n)
			s.hits = append([]rag.Hit{fresh}, s.hits...)
			s.logits[fresh.Chunk.Text] = 99
			gone := rag.ChunkID(all[len(all)-1-n%3]) // among the last
			if !slices.Contains(got, int(gone)) {
				s.dead[gone] = true
			}
			q.Cursor = page.Next
			page = s.search(t, q)
			for _, h := range page.Hits {
				if h.Scores.Relevance == nil || h.Scores.Dense == nil || h.RankedBy != rag.RankedByBlend {
					t.Errorf("a hit of a later page lost its scores: %+v", h)
				}
			}
			if n > 20 {
				t.Fatal("the pages do not end")
			}
			got = append(got, order(page.Hits)...)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(id int) bool { return s.dead[rag.ChunkID(id)] })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by document %v: %s", byDocument, diff)
		}
	}
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	s := book("1: a", "2: b", "3: c")
	q := Query{Text: "q", TopK: 1, Candidates: 3, Rerank: true, Fingerprint: "f", Shape: Shape{Paged: true}, Deadline: 1e9}
	page, err := s.retriever().Search(t.Context(), q)
	if err != nil || page.Next == "" {
		t.Fatalf("%v, cursor %q", err, page.Next)
	}
	other := q
	other.Fingerprint = "g"
	for _, test := range []struct {
		name   string
		query  Query
		cursor string
	}{
		{"another search", other, page.Next}, {"cut", q, page.Next[:len(page.Next)-3]}, {"no cursor", q, "!!"},
		{"changed", q, "A" + page.Next[1:]}, {"short", q, "AAAA"}, {"NUL", q, "\x00"},
	} {
		test.query.Cursor = test.cursor
		_, err := s.retriever().Search(t.Context(), test.query)
		var p *rag.Problem
		if !errors.As(err, &p) || !errors.Is(err, rag.ErrInvalid) || p.Pointer != "/cursor" {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestCursorsKeepToTheFilter: a cursor that names a chunk outside of the request's filter does not bring it.
func TestCursorsKeepToTheFilter(t *testing.T) {
	s := book("1: a", "2: b", "3: c")
	s.hits[1].Metadata, s.hits[2].Metadata = rag.Metadata{"of": "me"}, rag.Metadata{"of": "you"}
	forged := writeCursor(cursor{Request: "f", RankedBy: rag.RankedByDense, Rest: restOf(s.hits)})
	got, err := s.retriever().Search(t.Context(), Query{Text: "q", TopK: 3, Candidates: 3, Deadline: 1e9, Fingerprint: "f", Cursor: forged,
		Filter: &rag.Filter{Type: rag.OpEq, Key: "of", Value: "me"}})
	if diff := cmp.Diff([]int{2}, order(got.Hits)); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func FuzzReadCursor(f *testing.F) {
	f.Add(writeCursor(cursor{Request: "f", Rest: []held{{Chunk: 1}}}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readCursor(text, "f")
		if err == nil && (len(c.Rest) == 0 || len(c.Rest) > mostHeld) {
			t.Errorf("%d hits in a cursor", len(c.Rest))
		}
	})
}

// TestCursorsAreShort keeps the size that docs/shaping.md tells.
func TestCursorsAreShort(t *testing.T) {
	hits := make([]rag.Hit, 190)
	for i := range hits {
		dense, logit, blend, relevance := 0.8-float64(i)/997, 4-float64(i)/31.7, 2-float64(i)/83.1, 1/(1+float64(i)*1.37)
		hits[i] = rag.Hit{Chunk: rag.Chunk{ID: rag.ChunkID(1_000_000 + 7919*i%100_003)}, DenseRank: i*89%190 + 1, RankedBy: rag.RankedByBlend,
			Scores: rag.Scores{Dense: &dense, RerankLogit: &logit, Blend: &blend, Relevance: &relevance}}
	}
	if size := len(writeCursor(cursor{Request: "0123456789abcdef01234567", Rest: restOf(hits)})); size > 60*len(hits) {
		t.Errorf("a cursor of %d hits has %d bytes", len(hits), size)
	}
}
