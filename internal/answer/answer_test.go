package answer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// words counts blank-separated words as tokens.
type words struct{}

func (words) Offsets(text string) ([][2]int, error) {
	var out [][2]int
	start := -1
	for i, r := range text + " " {
		blank := r == ' ' || r == '\n'
		if !blank && start < 0 {
			start = i
		}
		if blank && start >= 0 {
			out = append(out, [2]int{start, i})
			start = -1
		}
	}
	return out, nil
}

func hit(doc rag.DocumentID, chunk rag.ChunkID, start int, text string) rag.Hit {
	return rag.Hit{
		Document: doc, ExternalID: fmt.Sprintf("d%d", doc), Title: fmt.Sprintf("Title %d", doc),
		Chunk: rag.Chunk{ID: chunk, Text: text, Span: rag.Span{Start: start, End: start + len([]rune(text))}},
	}
}

func TestPackNumbersInTheOrderOfHits(t *testing.T) {
	paged := hit(2, 20, 0, "Kites hover.")
	paged.Chunk.PageStart, paged.Chunk.PageEnd, paged.Chunk.Headings = 3, 4, []string{"Flight", "Hovering"}
	got, err := Pack([]rag.Hit{hit(1, 10, 0, "Red kites glide."), paged}, 100, words{})
	if err != nil {
		t.Fatal(err)
	}
	want := "[1] Title 1\nRed kites glide.\n\n[2] Title 2, pages 3-4 (Flight > Hovering)\nKites hover."
	if diff := cmp.Diff(want, got.Text); diff != "" {
		t.Error(diff)
	}
	if got.Truncated || got.Tokens != 16 || len(got.Passages) != 2 {
		t.Errorf("truncated %v, tokens %d, passages %d", got.Truncated, got.Tokens, len(got.Passages))
	}
}

func TestPackJoinsNeighbours(t *testing.T) {
	// The document's text is "one two three four five six"; chunks overlap by "three", and the third follows the second.
	hits := []rag.Hit{
		hit(1, 12, 8, "three four "), hit(2, 99, 0, "elsewhere"), hit(1, 11, 0, "one two three"), hit(1, 13, 19, "five six"),
	}
	got, err := Pack(hits, 100, words{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Passages) != 2 {
		t.Fatalf("got %d passages: %q", len(got.Passages), got.Text)
	}
	first := got.Passages[0]
	if first.Text != "one two three four five six" || first.Span != (rag.Span{Start: 0, End: 27}) || first.Number != 1 {
		t.Errorf("got %+v", first)
	}
	if diff := cmp.Diff([]rag.ChunkID{11, 12, 13}, first.Chunks); diff != "" {
		t.Error(diff)
	}
}

func TestPackKeepsTheBudget(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 400))
	for _, budget := range []int{1, 10, 30, 31, 60, 399, 403, 404, 1000} {
		got, err := Pack([]rag.Hit{hit(1, 1, 0, long), hit(2, 2, 0, long)}, budget, words{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Tokens > budget {
			t.Errorf("budget %d: %d tokens", budget, got.Tokens)
		}
		if whole := budget >= 806; got.Truncated == whole {
			t.Errorf("budget %d: truncated is %v", budget, got.Truncated)
		}
		for _, p := range got.Passages {
			if p.Truncated != strings.HasSuffix(p.Text, cutMark) {
				t.Errorf("budget %d: truncated %v, text ends %q", budget, p.Truncated, p.Text[max(0, len(p.Text)-12):])
			}
			if kept := strings.TrimSuffix(p.Text, cutMark); p.Span.End-p.Span.Start != len(kept) {
				t.Errorf("budget %d: span %v does not fit %d characters", budget, p.Span, len(kept))
			}
		}
	}
}

func TestPackNothing(t *testing.T) {
	got, err := Pack(nil, 100, words{})
	if err != nil || got.Text != "" || got.Tokens != 0 || got.Truncated {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPackShowsParentsOnce(t *testing.T) {
	parent := &rag.Parent{Span: rag.Span{Start: 0, End: 27}, Text: "one two three four five six"}
	first, second := hit(1, 11, 4, "two three"), hit(1, 12, 14, "four five")
	first.Chunk.Parent, second.Chunk.Parent = parent, parent
	got, err := Pack([]rag.Hit{first, hit(2, 99, 0, "elsewhere"), second}, 100, words{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Passages) != 2 || got.Truncated {
		t.Fatalf("got %d passages, truncated %v: %q", len(got.Passages), got.Truncated, got.Text)
	}
	p := got.Passages[0]
	if p.Text != parent.Text || p.Span != parent.Span || !cmp.Equal(p.Chunks, []rag.ChunkID{11, 12}) {
		t.Errorf("got %+v", p)
	}
}

func TestPackShowsTheHeaderOfATable(t *testing.T) {
	rows, more := hit(1, 11, 30, "3 | z\n4 | w"), hit(1, 12, 42, "5 | v")
	rows.Chunk.Header, more.Chunk.Header = "k | v", "k | v"
	got, err := Pack([]rag.Hit{more, rows}, 100, words{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "[1] Title 1\nk | v\n3 | z\n4 | w\n5 | v"; got.Text != want {
		t.Errorf("got %q, want %q", got.Text, want)
	}
	if p := got.Passages[0]; p.Header != "k | v" || len([]rune(p.Text)) != p.Span.End-p.Span.Start {
		t.Errorf("%d characters at %v, header %q", len([]rune(p.Text)), p.Span, p.Header)
	}
}
