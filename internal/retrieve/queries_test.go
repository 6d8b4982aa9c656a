package retrieve

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestSeveralQueries(t *testing.T) {
	s := book("1: a", "2: b", "3: c", "4: d")
	s.orders = map[string][]int{"first": {0, 1, 2, 3}, "second": {3, 1, 2, 0}}
	got := s.search(t, Query{Queries: []string{"first", "second", "first"}, TopK: 4})
	// Places: b 2 and 2, a 1 and 4, d 4 and 1, c 3 and 3; two equal sums keep the order in which they were found.
	if diff := cmp.Diff([]int{2, 1, 4, 3}, order(got.Hits)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"second"}, got.Queries); diff != "" {
		t.Error(diff)
	}
	if *got.Hits[2].Scores.Dense < 0.89 || got.Hits[2].DenseRank != 1 {
		t.Errorf("a hit of the second query has the first one's scores: %+v", got.Hits[2])
	}
	got = s.search(t, Query{Queries: []string{"first", "second"}, TopK: 4, Rerank: true, Sure: 2, Shape: Shape{Explain: true}})
	for _, v := range got.Verdicts {
		if want := map[rag.ChunkID]string{1: "first", 2: "first", 3: "first", 4: "second"}[v.Hit.Chunk.ID]; v.Read != want {
			t.Errorf("chunk %d was read with %q, want %q", v.Hit.Chunk.ID, v.Read, want)
		}
	}
	slices.Sort(s.asked)
	if diff := cmp.Diff([]string{"first", "second"}, s.asked); diff != "" {
		t.Errorf("each candidate is read with the question that found it best: %s", diff)
	}
}

// TestOneOfSeveralQueriesFails leaves what the others found; all failing is an error.
func TestOneOfSeveralQueriesFails(t *testing.T) {
	s := book("1: a", "2: b")
	s.refused = "second"
	got := s.search(t, Query{Queries: []string{"first", "second"}, TopK: 4})
	if len(got.Hits) != 2 || !slices.Contains(got.Degraded, DegradedQueryFailed) {
		t.Errorf("%d hits, degraded %v", len(got.Hits), got.Degraded)
	}
	_, err := s.retriever().Search(t.Context(), Query{Queries: []string{"second"}, TopK: 1, Candidates: 1, Deadline: time.Minute})
	if !errors.Is(err, rag.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// writer is a fake LLM.
type writer struct {
	texts []string
	err   error
	asked []Rewriting
}

func (w *writer) Rewrite(_ context.Context, r Rewriting) ([]string, error) {
	w.asked = append(w.asked, r)
	return w.texts, w.err
}

func TestConversations(t *testing.T) {
	user := func(text string) Turn { return Turn{RoleUser, text} }
	assistant := func(text string) Turn { return Turn{RoleAssistant, text} }
	tests := []struct {
		name     string
		turns    []Turn
		llm      *writer
		want     string
		degraded bool
	}{
		{"one turn", []Turn{user("tail?")}, nil, "tail?", false},
		{"stands alone", []Turn{user("What do red kites eat?"), assistant("Carrion."), user("Where do emperor penguins breed in winter?")}, nil, "Where do emperor penguins breed in winter?", false},
		{"refers back", []Turn{user("What do red kites eat?"), assistant("Carrion."), user("And where do they breed?")}, nil, "And where do they breed?\nWhat do red kites eat?", false},
		{"refers back twice", []Turn{user("Tell me about the red kite of Europe"), user("What does it eat in winter?"), user("Where does it breed?")}, nil, "Where does it breed?\nWhat does it eat in winter?\nTell me about the red kite of Europe", false},
		{"rewritten", []Turn{user("What do red kites eat?"), user("And where do they breed?")}, &writer{texts: []string{" Where do red kites breed? "}}, "Where do red kites breed?", false},
		{"not rewritten without need", []Turn{user("What do red kites eat?"), user("Where do emperor penguins breed in winter?")}, &writer{texts: []string{"wrong"}}, "Where do emperor penguins breed in winter?", false},
		{"the LLM fails", []Turn{user("What do red kites eat?"), user("And where do they breed?")}, &writer{err: errors.New("away")}, "And where do they breed?\nWhat do red kites eat?", true},
		{"the LLM writes nothing", []Turn{user("What do red kites eat?"), user("And where do they breed?")}, &writer{texts: []string{" "}}, "And where do they breed?\nWhat do red kites eat?", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := book("1: a").retriever()
			if test.llm != nil {
				r.Rewriter = test.llm
			}
			got, err := r.Search(t.Context(), Query{Turns: test.turns, TopK: 1, Candidates: 1, Deadline: time.Minute})
			if err != nil || got.QueryUsed != test.want || slices.Contains(got.Degraded, DegradedRewrite) != test.degraded {
				t.Errorf("%v: searched %q, degraded %v", err, got.QueryUsed, got.Degraded)
			}
		})
	}
}

func TestNeedsContext(t *testing.T) {
	for turn, want := range map[string]bool{
		"why?": true, "and in winter?": true, "what about penguins in the north?": true, "how about the other one then?": true, "Which of them breeds first in spring?": true,
		"What does this mean for farmers?": true, "Tell me more about that": true, "How much does it cost to feed one?": true, "": true, "🪁": true,
		"Which bird has a forked tail?": false, "Is it possible to rotate an API key?": false, "Is there a limit on upload size?": false,
		"How do I rotate an API key?": false, "What is the bird that has a forked tail?": false, "Why are Python strings immutable by design?": false,
	} {
		if got := NeedsContext(turn); got != want {
			t.Errorf("%q: %v", turn, got)
		}
	}
}

func TestWrittenQueries(t *testing.T) {
	s := book("1: a", "2: b")
	for _, test := range []struct {
		query   Query
		pointer string
	}{{Query{Hypothesis: true}, "/hyde"}, {Query{Variants: 2}, "/multi_query"}} {
		test.query.Text, test.query.TopK, test.query.Candidates, test.query.Deadline = "q", 1, 2, time.Minute
		_, err := s.retriever().Search(t.Context(), test.query)
		var p *rag.Problem
		if !errors.As(err, &p) || !errors.Is(err, rag.ErrInvalid) || p.Pointer != test.pointer {
			t.Errorf("without an LLM: %v", err)
		}
		r := s.retriever()
		llm := &writer{texts: []string{"one", "two", "three"}}
		r.Rewriter = llm
		got, err := r.Search(t.Context(), test.query)
		if want := max(1, test.query.Variants); err != nil || len(got.Queries) != want || len(llm.asked) != 1 {
			t.Errorf("%v: searched %v too, asked %d times", err, got.Queries, len(llm.asked))
		}
		r.Rewriter = &writer{err: errors.New("away")}
		got, err = r.Search(t.Context(), test.query)
		if err != nil || len(got.Hits) != 1 || !slices.Contains(got.Degraded, DegradedRewrite) {
			t.Errorf("an LLM that fails: %v, %+v", err, got)
		}
	}
}
