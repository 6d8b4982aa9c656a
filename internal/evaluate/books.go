package evaluate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/rag"
)

// Library is a labelled set whose documents are bound into books, each under its title as a heading: what is relevant to
// a query is then a stretch of a book.
type Library struct {
	Books    []Text // Markdown
	Queries  []Text
	Relevant map[string]map[string]int // query id -> document id -> grade
	places   map[string]place          // of each document
	order    map[string][]string       // documents of a book, in order
}

// place is where a document stands.
type place struct {
	book string
	span rag.Span // of its title and text, in the book's normalised text
}

// Found is a hit in a book.
type Found struct {
	Book  string
	Chunk rag.Span // what was searched
	Shown rag.Span // what is read for it: the chunk, or its parent
}

// Part keeps so many documents and queries: the queries that come first, what is relevant to them, and the first others.
func (d Dataset) Part(documents, queries int) Dataset {
	d.Queries = d.Queries[:min(queries, len(d.Queries))]
	kept := map[string]bool{}
	for _, q := range d.Queries {
		for id := range d.Relevant[q.ID] {
			kept[id] = true
		}
	}
	for _, t := range d.Corpus {
		if len(kept) >= documents {
			break
		}
		kept[t.ID] = true
	}
	d.Corpus = slices.DeleteFunc(slices.Clone(d.Corpus), func(t Text) bool { return !kept[t.ID] })
	return d
}

// Bind makes books of size documents each, in the corpus's order, and reads them with the parser that ingestion uses to
// know where each document stands.
func Bind(ctx context.Context, d Dataset, size int) (Library, error) {
	l := Library{Queries: d.Queries, Relevant: d.Relevant, places: map[string]place{}, order: map[string][]string{}}
	parsers := parse.New(parse.Options{})
	for texts := range slices.Chunk(d.Corpus, size) {
		n := len(l.Books) + 1
		book := Text{ID: fmt.Sprintf("book-%d", n), Title: fmt.Sprintf("Book %d", n)}
		var text strings.Builder
		fmt.Fprintf(&text, "# %s\n", book.Title)
		for _, t := range texts {
			fmt.Fprintf(&text, "\n## %s\n\n%s\n", literal(t.Title, "Untitled"), literal(t.Text, "No text."))
		}
		book.Text = text.String()
		parsed, err := parsers.Parse(ctx, rag.Original{ReadSeeker: strings.NewReader(book.Text), Size: int64(len(book.Text)), MediaType: parse.TypeMarkdown})
		if err != nil {
			return Library{}, fmt.Errorf("read %s: %w", book.ID, err)
		}
		if err := l.locate(book.ID, texts, parsed.Blocks); err != nil {
			return Library{}, err
		}
		l.Books = append(l.Books, book)
	}
	return l, nil
}

// locate finds the documents of a book: each from its heading to the next one's.
func (l Library) locate(book string, texts []Text, blocks []rag.Block) error {
	var spans []rag.Span
	for _, b := range blocks {
		switch {
		case b.Kind == rag.BlockHeading && len(b.Headings) == 2:
			spans = append(spans, b.Span)
		case len(spans) > 0:
			spans[len(spans)-1].End = b.Span.End
		}
	}
	if len(spans) != len(texts) {
		return fmt.Errorf("%s has %d sections, and %d documents were bound into it", book, len(spans), len(texts))
	}
	for i, t := range texts {
		l.places[t.ID] = place{book, spans[i]}
		l.order[book] = append(l.order[book], t.ID)
	}
	return nil
}

// literal writes a text as one paragraph of Markdown that says just that.
func literal(text, empty string) string {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return empty
	}
	var out strings.Builder
	for _, r := range text {
		if r > ' ' && r < 0x7f && !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// Ranking gives the documents that hits stand for, best first: a hit counts for the one that has more than half of its
// chunk. One that counts for none takes a place all the same.
func (l Library) Ranking(hits []Found) []string {
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = fmt.Sprintf("none %d", i)
		for _, id := range l.order[h.Book] {
			if 2*overlap(l.places[id].span, h.Chunk) > h.Chunk.End-h.Chunk.Start {
				ids[i] = id
			}
		}
	}
	return Distinct(ids)
}

// Recall is the share of the relevant documents' characters that hits show.
func (l Library) Recall(hits []Found, relevant map[string]int) float64 {
	covered, all := 0, 0
	for id := range relevant {
		at, ok := l.places[id]
		if !ok {
			continue
		}
		all += at.span.End - at.span.Start
		covered += characters(hits, at.book, at.span)
	}
	if all == 0 {
		return 0
	}
	return float64(covered) / float64(all)
}

// Shown counts the characters that hits show, each once.
func (l Library) Shown(hits []Found) int {
	books := map[string]bool{}
	for _, h := range hits {
		books[h.Book] = true
	}
	n := 0
	for book := range maps.Keys(books) {
		n += characters(hits, book, rag.Span{End: 1 << 40})
	}
	return n
}

// characters counts what hits show of a stretch of a book.
func characters(hits []Found, book string, in rag.Span) int {
	var parts []rag.Span
	for _, h := range hits {
		if part := (rag.Span{Start: max(h.Shown.Start, in.Start), End: min(h.Shown.End, in.End)}); h.Book == book && part.Start < part.End {
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, func(a, b rag.Span) int { return a.Start - b.Start })
	n, end := 0, 0
	for _, p := range parts {
		n += max(0, p.End-max(p.Start, end))
		end = max(end, p.End)
	}
	return n
}

func overlap(a, b rag.Span) int { return max(0, min(a.End, b.End)-max(a.Start, b.Start)) }
