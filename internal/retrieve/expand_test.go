package retrieve

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// novel is one document of ten chunks, "c0 ... " to "c9 ... ", in two sections with a gap of a blank line between chunks.
func novel() *shelf {
	s := book("1: x")
	s.hits = nil
	var text []rune
	for i := range 10 {
		body := []rune("c" + string(rune('0'+i)) + " ü some words")
		section := "A"
		if i >= 6 {
			section = "B"
		}
		c := rag.Chunk{
			ID: rag.ChunkID(i + 1), Document: 1, Version: 1, Ordinal: i, Text: string(body), Tokens: 5, Headings: []string{section},
			PageStart: 1 + i/5, PageEnd: 1 + i/5, Span: rag.Span{Start: len(text), End: len(text) + len(body)},
		}
		text = append(append(text, body...), []rune("\n\n")...)
		s.around = append(s.around, c)
	}
	s.text = text
	return s
}

// found makes chunks hits, best first.
func (s *shelf) found(ordinals ...int) *shelf {
	for n, i := range ordinals {
		s.hits = append(s.hits, rag.Hit{Document: 1, ExternalID: "d1", Chunk: s.around[i]})
		s.logits[s.around[i].Text] = float32(10 - 3*n)
	}
	return s
}

func TestExpand(t *testing.T) {
	tests := []struct {
		name   string
		hits   []int
		shape  Shape
		want   []string // ordinals shown with each hit
		merged map[int]int
	}{
		{"none", []int{4}, Shape{}, []string{""}, nil},
		{"neighbours", []int{4}, Shape{Neighbours: 1}, []string{"345"}, nil},
		{"at the start", []int{0}, Shape{Neighbours: 2}, []string{"012"}, nil},
		{"at the end", []int{9}, Shape{Neighbours: 1}, []string{"89"}, nil},
		{"apart", []int{1, 8}, Shape{Neighbours: 1}, []string{"012", "789"}, nil},
		{"touching", []int{1, 4}, Shape{Neighbours: 1}, []string{"012345"}, map[int]int{5: 2}},
		{"a third joins two", []int{1, 7, 4}, Shape{Neighbours: 1}, []string{"012345678"}, map[int]int{5: 2, 8: 2}},
		{"the section", []int{2}, Shape{Section: true}, []string{"012345"}, nil},
		{"two of one section", []int{2, 4, 7}, Shape{Section: true}, []string{"012345", "6789"}, map[int]int{5: 3}},
	}
	for _, test := range tests {
		for _, kept := range []bool{true, false} {
			s := novel().found(test.hits...)
			text := string(s.text)
			if !kept {
				s.text = nil
			}
			test.shape.Explain = true
			got := s.search(t, Query{TopK: 5, Rerank: true, Shape: test.shape})
			var shown []string
			for _, h := range got.Hits {
				p := h.Chunk.Parent
				if p == nil {
					shown = append(shown, "")
					continue
				}
				var ordinals strings.Builder
				for _, id := range p.Chunks {
					ordinals.WriteByte('0' + byte(id) - 1)
				}
				shown = append(shown, ordinals.String())
				if p.Text != string([]rune(text)[p.Span.Start:p.Span.End]) {
					t.Errorf("%s, text kept %v: %q at %v", test.name, kept, p.Text, p.Span)
				}
				if p.PageStart != 1+int(p.Chunks[0]-1)/5 || p.PageEnd != 1+int(p.Chunks[len(p.Chunks)-1]-1)/5 {
					t.Errorf("%s: pages %d to %d", test.name, p.PageStart, p.PageEnd)
				}
			}
			if diff := cmp.Diff(test.want, shown); diff != "" || len(got.Degraded) > 0 {
				t.Errorf("%s: %s, degraded %v", test.name, diff, got.Degraded)
			}
			for _, v := range got.Verdicts {
				of, merged := test.merged[int(v.Hit.Chunk.ID)]
				if merged != (v.Outcome == OutcomeMerged) || v.Of != rag.ChunkID(of) {
					t.Errorf("%s: %+v", test.name, v)
				}
			}
		}
	}
	s := novel().found(4)
	s.failing = true
	if got := s.search(t, Query{TopK: 1, Shape: Shape{Neighbours: 1}}); len(got.Hits) != 1 || got.Hits[0].Chunk.Parent != nil || !slices.Contains(got.Degraded, DegradedExpand) {
		t.Errorf("a catalog that is away: %+v", got)
	}
}

// TestExpandKeepsParents shows the section that parent-child chunking kept, once.
func TestExpandKeepsParents(t *testing.T) {
	s := novel().found(1, 2)
	parent := &rag.Parent{Span: rag.Span{Start: 0, End: 50}, Text: string(s.text[:50])}
	for i := range s.hits {
		s.hits[i].Chunk.Parent = parent
	}
	got := s.search(t, Query{TopK: 5, Rerank: true, Shape: Shape{Section: true}})
	if len(got.Hits) != 1 || got.Hits[0].Chunk.Parent.Text != parent.Text || got.Hits[0].Chunk.Parent.Span != parent.Span {
		t.Errorf("%d hits, the first with %+v", len(got.Hits), got.Hits[0].Chunk.Parent)
	}
}

func TestHighlight(t *testing.T) {
	s := book("1: It snows in winter there. The red kite has a forked tail. Nobody knows why that is so.", "2: Short. Yes.")
	s.hits[0].Chunk.Span = rag.Span{Start: 100, End: 100 + len([]rune(s.hits[0].Chunk.Text))}
	got := s.search(t, Query{Text: "forked tail of the red kite", TopK: 5, Rerank: true, Shape: Shape{Highlight: 1}})
	if len(got.Highlights) != 2 || len(got.Highlights[0]) != 1 || len(got.Highlights[1]) != 0 {
		t.Fatalf("got %+v", got.Highlights)
	}
	best := got.Highlights[0][0]
	if best.Text != "The red kite has a forked tail." || best.Span != (rag.Span{Start: 126, End: 157}) || best.Score <= 0.5 {
		t.Errorf("got %+v", best)
	}
	s.failing = true
	got = s.search(t, Query{Text: "forked tail of the red kite", TopK: 5, Rerank: true, Shape: Shape{Highlight: 3}})
	if len(got.Highlights[0]) != 2 || !slices.Contains(got.Degraded, DegradedHighlight) {
		t.Errorf("out of time: %+v, degraded %v", got.Highlights, got.Degraded)
	}
}
