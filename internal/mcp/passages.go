package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

type searchDocumentsInput struct {
	Collection string         `json:"collection" jsonschema:"Name of the collection to search."`
	Query      string         `json:"query" jsonschema:"The question, in natural language."`
	Filter     map[string]any `json:"filter,omitempty" jsonschema:"Condition on metadata: {type: eq|ne|gt|gte|lt|lte|in|nin|contains_any|exists, key, value} or {type: and|or|not, filters: [...]}."`
	TopK       int            `json:"top_k,omitempty" jsonschema:"Passages wanted, 1 to 50. Defaults to 10."`
	Rerank     *bool          `json:"rerank,omitempty" jsonschema:"false keeps the bi-encoder's order, which is quicker. Defaults to true."`
}

type searchDocumentsOutput struct {
	Passages []passage `json:"passages" jsonschema:"Passages found, best first."`
	RankedBy string    `json:"ranked_by" jsonschema:"What ordered them."`
	Degraded []string  `json:"degraded" jsonschema:"What could not be done; empty where all went well."`
}

// passage is a chunk of a document.
type passage struct {
	ID         string         `json:"id" jsonschema:"Give it to fetch to read the document."`
	DocumentID string         `json:"document_id"`
	ChunkID    rag.ChunkID    `json:"chunk_id" jsonschema:"Give it to read_neighbours."`
	Title      string         `json:"title"`
	URL        string         `json:"url" jsonschema:"Address to cite."`
	Text       string         `json:"text"`
	Cut        bool           `json:"cut,omitempty" jsonschema:"The text goes on; there was no room for more."`
	Headings   []string       `json:"headings" jsonschema:"Titles of the sections around it, outermost first."`
	Page       int            `json:"page,omitempty" jsonschema:"First page, from 1; left out where the format has none."`
	Start      int            `json:"start" jsonschema:"Place in the document's text, in code points."`
	End        int            `json:"end"`
	Relevance  *float64       `json:"relevance,omitempty" jsonschema:"0 to 1; left out where the cross-encoder did not read it."`
	Metadata   map[string]any `json:"metadata,omitempty"`
}

const (
	defaultPassages = 10
	mostPassages    = 50
	mostNeighbours  = 20
)

func (s *service) searchDocuments(ctx context.Context, in searchDocumentsInput) (searchDocumentsOutput, error) {
	if err := s.check(in.Collection); err != nil {
		return searchDocumentsOutput{}, err
	}
	if in.TopK == 0 {
		in.TopK = defaultPassages
	}
	if in.TopK < 0 || in.TopK > mostPassages {
		return searchDocumentsOutput{}, fmt.Errorf("top_k must be from 1 to %d, not %d", mostPassages, in.TopK)
	}
	q := api.Search{Query: in.Query, TopK: in.TopK, Rerank: in.Rerank}
	if in.Filter != nil {
		var err error
		if q.Filter, err = json.Marshal(in.Filter); err != nil {
			return searchDocumentsOutput{}, fmt.Errorf("read filter: %w", err)
		}
	}
	result, err := s.library.Search(ctx, in.Collection, q)
	if err != nil {
		return searchDocumentsOutput{}, err
	}
	out := searchDocumentsOutput{Passages: []passage{}, RankedBy: result.RankedBy, Degraded: result.Degraded}
	if out.Degraded == nil {
		out.Degraded = []string{}
	}
	room := windowLength
	for _, h := range result.Hits {
		p := passage{
			ID: placeOf(in.Collection, h.DocumentID, h.Span).String(), DocumentID: h.DocumentID, ChunkID: h.ChunkID, Title: titleOf(h.Title, h.Filename, h.DocumentID),
			URL: s.link(in.Collection, h.DocumentID, h.Metadata), Headings: nonNil(h.Headings), Page: h.PageStart, Start: h.Span.Start, End: h.Span.End,
			Relevance: h.Scores.Relevance, Metadata: h.Metadata,
		}
		p.Text, p.Cut = take(&room, shown(h))
		out.Passages = append(out.Passages, p)
	}
	return out, nil
}

// shown is a hit's text, or its section's where the collection is cut so.
func shown(h api.Hit) string {
	if h.Parent != nil {
		return under(h.Parent.Header, h.Parent.Text)
	}
	return under(h.Header, h.Text)
}

// under writes a text under the first row of its table.
func under(header, text string) string {
	if header == "" {
		return text
	}
	return header + "\n" + text
}

// take gives as much of a text as there is room for, in code points, and whether that is not all.
func take(room *int, text string) (string, bool) {
	n := utf8.RuneCountInString(text)
	if n <= *room {
		*room -= n
		return text, false
	}
	kept := string([]rune(text)[:*room])
	*room = 0
	return kept, true
}

type readNeighboursInput struct {
	Collection string      `json:"collection" jsonschema:"Name of the collection."`
	DocumentID string      `json:"document_id" jsonschema:"The passage's document_id."`
	ChunkID    rag.ChunkID `json:"chunk_id" jsonschema:"The passage's chunk_id."`
	Before     *int        `json:"before,omitempty" jsonschema:"Chunks before it, 0 to 20. Defaults to 2."`
	After      *int        `json:"after,omitempty" jsonschema:"Chunks after it, 0 to 20. Defaults to 2."`
}

type readNeighboursOutput struct {
	Chunks []neighbour `json:"chunks" jsonschema:"In the document's order."`
	Total  int         `json:"total" jsonschema:"Chunks of the document."`
}

type neighbour struct {
	ChunkID  rag.ChunkID `json:"chunk_id"`
	Ordinal  int         `json:"ordinal" jsonschema:"Place in the document, from 0."`
	Text     string      `json:"text"`
	Cut      bool        `json:"cut,omitempty" jsonschema:"The text goes on; there was no room for more."`
	Headings []string    `json:"headings"`
	Page     int         `json:"page,omitempty"`
	Start    int         `json:"start" jsonschema:"Place in the document's text, in code points."`
	End      int         `json:"end"`
}

func (s *service) readNeighbours(ctx context.Context, in readNeighboursInput) (readNeighboursOutput, error) {
	if err := s.check(in.Collection); err != nil {
		return readNeighboursOutput{}, err
	}
	before, after := 2, 2
	for name, given := range map[string]struct{ from, to *int }{"before": {in.Before, &before}, "after": {in.After, &after}} {
		if given.from == nil {
			continue
		}
		if *given.from < 0 || *given.from > mostNeighbours {
			return readNeighboursOutput{}, fmt.Errorf("%s must be from 0 to %d, not %d", name, mostNeighbours, *given.from)
		}
		*given.to = *given.from
	}
	if in.ChunkID < 1 {
		return readNeighboursOutput{}, fmt.Errorf("chunk_id must be one that search_documents returned, not %d", in.ChunkID)
	}
	page, err := s.library.Neighbours(ctx, in.Collection, in.DocumentID, in.ChunkID, before, after)
	if err != nil {
		return readNeighboursOutput{}, err
	}
	out := readNeighboursOutput{Chunks: []neighbour{}, Total: page.Total}
	room := windowLength
	for _, c := range page.Chunks {
		n := neighbour{ChunkID: c.ChunkID, Ordinal: c.Ordinal, Headings: nonNil(c.Headings), Page: c.PageStart, Start: c.Span.Start, End: c.Span.End}
		n.Text, n.Cut = take(&room, under(c.Header, c.Text))
		out.Chunks = append(out.Chunks, n)
	}
	return out, nil
}

type listCollectionsInput struct{}

type listCollectionsOutput struct {
	Collections []collection `json:"collections"`
}

type collection struct {
	Name      string      `json:"name"`
	Documents int         `json:"documents" jsonschema:"Documents that can be searched."`
	Chunks    int         `json:"chunks"`
	Fields    []rag.Field `json:"fields" jsonschema:"Metadata keys that filters can use, and their types; others may be there."`
}

func (s *service) listCollections(ctx context.Context, _ listCollectionsInput) (listCollectionsOutput, error) {
	all, err := s.library.Collections(ctx)
	if err != nil {
		return listCollectionsOutput{}, err
	}
	out := listCollectionsOutput{Collections: []collection{}}
	for _, c := range all.Collections {
		if s.check(c.Name) == nil {
			out.Collections = append(out.Collections, collection{Name: c.Name, Documents: c.Documents.Ready, Chunks: c.Chunks, Fields: nonNil(c.Fields)})
		}
	}
	return out, nil
}

// nonNil makes a missing list an empty one, as the schemas promise.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
