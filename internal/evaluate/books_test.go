package evaluate

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strings"

	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/rag"
)

func TestBindKnowsWhereEachDocumentStands(t *testing.T) {
	d := Dataset{Corpus: []Text{
		{ID: "a", Title: "A *bold* title", Text: "One  two.\n# not a heading <b>x</b> &amp; 1. [l](u) `c`"},
		{ID: "b", Title: "", Text: "- no list\n\n| no | table |"},
		{ID: "c", Title: "C", Text: "κίτε 鳶"},
	}}
	l, err := Bind(t.Context(), d, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Books) != 2 || l.Books[1].ID != "book-2" {
		t.Fatalf("books %+v", l.Books)
	}
	want := map[string]string{
		"a": "A *bold* title\n\nOne two. # not a heading <b>x</b> &amp; 1. [l](u) `c`",
		"b": "Untitled\n\n- no list | no | table |",
		"c": "C\n\nκίτε 鳶",
	}
	for id, text := range want {
		at := l.places[id]
		for _, book := range l.Books {
			if book.ID != at.book {
				continue
			}
			p, err := parse.New(parse.Options{}).Parse(t.Context(), rag.Original{ReadSeeker: strings.NewReader(book.Text), Size: int64(len(book.Text)), MediaType: parse.TypeMarkdown})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, string([]rune(p.Text)[at.span.Start:at.span.End])); diff != "" {
				t.Errorf("%s:\n%s", id, diff)
			}
		}
	}
}

func TestLibraryCountsHits(t *testing.T) {
	l := Library{
		places: map[string]place{"a": {"b1", rag.Span{Start: 10, End: 110}}, "b": {"b1", rag.Span{Start: 112, End: 212}}, "c": {"b2", rag.Span{Start: 10, End: 60}}},
		order:  map[string][]string{"b1": {"a", "b"}, "b2": {"c"}},
	}
	found := func(book string, start, end int) Found {
		return Found{Book: book, Chunk: rag.Span{Start: start, End: end}, Shown: rag.Span{Start: start, End: end}}
	}
	hits := []Found{found("b1", 60, 160), found("b1", 80, 180), found("b2", 0, 20), found("b1", 20, 60), found("b1", 0, 11)}
	if diff := cmp.Diff([]string{"none 0", "b", "none 2", "a", "none 4"}, l.Ranking(hits)); diff != "" {
		t.Error(diff) // half is not more than half
	}
	for _, test := range []struct {
		relevant []string
		want     float64
	}{{[]string{"a"}, 0.91}, {[]string{"b"}, 0.68}, {[]string{"c"}, 0.2}, {[]string{"a", "c"}, 101.0 / 150}, {[]string{"elsewhere"}, 0}} {
		relevant := map[string]int{}
		for _, id := range test.relevant {
			relevant[id] = 1
		}
		if got := l.Recall(hits, relevant); fmt.Sprintf("%.4f", got) != fmt.Sprintf("%.4f", test.want) {
			t.Errorf("%v: recall %v, want %v", test.relevant, got, test.want)
		}
	}
	if got := l.Shown(hits); got != 11+160+20 {
		t.Errorf("%d characters shown", got)
	}
}

func TestPart(t *testing.T) {
	d := Dataset{
		Corpus:   []Text{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}},
		Queries:  []Text{{ID: "1"}, {ID: "2"}},
		Relevant: map[string]map[string]int{"1": {"d": 1}, "2": {"c": 1}},
	}
	got := d.Part(3, 1)
	if diff := cmp.Diff([]Text{{ID: "a"}, {ID: "b"}, {ID: "d"}}, got.Corpus); diff != "" || len(got.Queries) != 1 {
		t.Errorf("%d queries\n%s", len(got.Queries), diff)
	}
}
