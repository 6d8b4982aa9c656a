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

func (words) Count(text string) (int, error) { return len(strings.Fields(text)), nil }
func (words) Name() string                   { return "words" }

// pack packs as POST .../context does where nothing else is asked.
func pack(t *testing.T, hits []rag.Hit, maxTokens int, order Order) Context {
	t.Helper()
	library, err := DefaultTemplates()
	if err != nil {
		t.Fatal(err)
	}
	templates, err := library.For("", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Pack(hits, Packing{MaxTokens: maxTokens, Counter: words{}, Order: order, Show: templates.Passage(Fence{})})
	if err != nil {
		t.Fatal(err)
	}
	if c.CountedBy != "words" {
		t.Errorf("counted by %q", c.CountedBy)
	}
	return c
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
	got := pack(t, []rag.Hit{hit(1, 10, 0, "Red kites glide."), paged}, 100, BestFirst)
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
	got := pack(t, hits, 100, BestFirst)
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
		got := pack(t, []rag.Hit{hit(1, 1, 0, long), hit(2, 2, 0, long)}, budget, BestFirst)
		if got.Tokens > budget {
			t.Errorf("budget %d: %d tokens", budget, got.Tokens)
		}
		if whole := budget >= 806; got.Truncated == whole {
			t.Errorf("budget %d: truncated is %v", budget, got.Truncated)
		}
		for _, p := range got.Passages {
			if p.Truncated != strings.HasSuffix(p.Text, " "+cutMark) {
				t.Errorf("budget %d: truncated %v, text ends %q", budget, p.Truncated, p.Text[max(0, len(p.Text)-12):])
			}
			if kept := strings.TrimSuffix(p.Text, " "+cutMark); p.Span.End-p.Span.Start != len(kept) {
				t.Errorf("budget %d: span %v does not fit %d characters", budget, p.Span, len(kept))
			}
		}
	}
}

func TestPackNothing(t *testing.T) {
	got := pack(t, nil, 100, BestFirst)
	if got.Text != "" || got.Tokens != 0 || got.Truncated {
		t.Errorf("got %+v", got)
	}
}

func TestPackShowsParentsOnce(t *testing.T) {
	parent := &rag.Parent{Span: rag.Span{Start: 0, End: 27}, Text: "one two three four five six"}
	first, second := hit(1, 11, 4, "two three"), hit(1, 12, 14, "four five")
	first.Chunk.Parent, second.Chunk.Parent = parent, parent
	got := pack(t, []rag.Hit{first, hit(2, 99, 0, "elsewhere"), second}, 100, BestFirst)
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
	got := pack(t, []rag.Hit{more, rows}, 100, BestFirst)
	if want := "[1] Title 1\nk | v\n3 | z\n4 | w\n5 | v"; got.Text != want {
		t.Errorf("got %q, want %q", got.Text, want)
	}
	if p := got.Passages[0]; p.Header != "k | v" || len([]rune(p.Text)) != p.Span.End-p.Span.Start {
		t.Errorf("%d characters at %v, header %q", len([]rune(p.Text)), p.Span, p.Header)
	}
}

func TestPackKeepsDocumentOrder(t *testing.T) {
	hits := []rag.Hit{hit(1, 12, 500, "Later."), hit(2, 20, 0, "Other."), hit(1, 11, 0, "Earlier.")}
	for order, want := range map[Order]string{
		BestFirst: "[1] Title 1\nEarlier.\n\n[2] Title 1\nLater.\n\n[3] Title 2\nOther.",
		BestLast:  "[1] Title 2\nOther.\n\n[2] Title 1\nEarlier.\n\n[3] Title 1\nLater.",
	} {
		if got := pack(t, hits, 100, order); got.Text != want {
			t.Errorf("%s: got %q", order, got.Text)
		}
	}
}

func TestPackCutsWhereASentenceEnds(t *testing.T) {
	text := strings.Repeat("Dr. Kite glides over the farmland near 3.5 km. ", 30)
	got := pack(t, []rag.Hit{hit(1, 1, 0, strings.TrimSpace(text))}, 60, BestFirst)
	if len(got.Passages) != 1 || !got.Truncated || !strings.HasSuffix(got.Text, "near 3.5 km. [...]") {
		t.Errorf("got %q", got.Text)
	}
	long := hit(1, 1, 0, strings.TrimSpace(strings.Repeat("kite ", 300)))
	if got = pack(t, []rag.Hit{long}, 60, BestFirst); !strings.HasSuffix(got.Text, "kite kite [...]") || got.Tokens > 60 || got.Tokens < 55 {
		t.Errorf("%d tokens: %q", got.Tokens, got.Text)
	}
}

func TestWhatBeginsOrEndsInsideASentenceIsMarked(t *testing.T) {
	tests := []struct {
		name string
		at   int
		text string
		want string
	}{
		{"whole", 10, "Kites glide. They soar.", "Kites glide. They soar."},
		{"begins inside", 10, "and then it glides over the fields.", "[...] and then it glides over the fields."},
		{"the document begins so", 0, "iPhones are phones.", "iPhones are phones."},
		{"ends inside", 0, "Kites glide. They soar over the open fields and the old", "Kites glide. They soar over the open fields and the old [...]"},
		{"a list", 0, "Birds:\n- red kite\n- black kite", "Birds:\n- red kite\n- black kite"},
		{"a table", 0, "a | b | c | d | e | f | g | h | i", "a | b | c | d | e | f | g | h | i"},
		{"a heading", 0, "The tail of the kite", "The tail of the kite"},
	}
	for _, test := range tests {
		if got := Shown(rag.Passage{Text: test.text, Span: rag.Span{Start: test.at}}); got != test.want {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
}

func TestRelevant(t *testing.T) {
	hits := []rag.Hit{hit(1, 1, 0, "a"), hit(2, 2, 0, "b"), hit(3, 3, 0, "c")}
	if kept, known := Relevant(hits, 0.5); known || len(kept) != 3 {
		t.Errorf("nothing reranked: %d kept, known %v", len(kept), known)
	}
	high, low := 0.9, 0.1
	hits[0].Scores.Relevance, hits[1].Scores.Relevance = &high, &low
	if kept, known := Relevant(hits, 0.5); !known || len(kept) != 1 || kept[0].Document != 1 {
		t.Errorf("got %+v, known %v", kept, known)
	}
	if kept, known := Relevant(hits, 0.95); !known || len(kept) != 0 {
		t.Errorf("got %+v, known %v", kept, known)
	}
}
