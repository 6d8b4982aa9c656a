package mcp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// search and fetch have the shapes that ChatGPT's connectors and deep research ask of a server, member by member.

type searchInput struct {
	Query string `json:"query" jsonschema:"The question, in natural language."`
}

type searchOutput struct {
	Results []searchResult `json:"results" jsonschema:"Documents found, best first."`
}

type searchResult struct {
	ID    string `json:"id" jsonschema:"Give it to fetch."`
	Title string `json:"title"`
	URL   string `json:"url" jsonschema:"Address to cite."`
}

const (
	// mostResults is how many documents search gives.
	mostResults = 10
	// mostSearched is how many collections it looks in, each of which costs a search of its own.
	mostSearched = 16
	// searchesAtOnce is how many of them run at the same time.
	searchesAtOnce = 4
)

// found is a hit and where it was found.
type found struct {
	collection string
	hit        api.Hit
}

func (s *service) search(ctx context.Context, in searchInput) (searchOutput, error) {
	names, err := s.visible(ctx)
	if err != nil {
		return searchOutput{}, err
	}
	if len(names) > mostSearched {
		return searchOutput{}, fmt.Errorf("there are %d collections, and search looks in at most %d: use search_documents with one of them, or connect with ?collection=NAME", len(names), mostSearched)
	}
	lists := make([][]found, len(names))
	group, searching := errgroup.WithContext(ctx)
	group.SetLimit(searchesAtOnce)
	for i, name := range names {
		group.Go(func() error {
			result, err := s.library.Search(searching, name, api.Search{Query: in.Query, TopK: mostResults})
			if errors.Is(err, rag.ErrNotFound) && len(s.options.Collections) == 0 { // deleted since it was listed
				return nil
			}
			for _, hit := range result.Hits {
				lists[i] = append(lists[i], found{name, hit})
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return searchOutput{}, err
	}
	all := slices.Concat(lists...)
	if len(names) > 1 {
		slices.SortStableFunc(all, func(a, b found) int {
			return cmp.Or(cmp.Compare(relevance(b.hit), relevance(a.hit)), cmp.Compare(dense(b.hit), dense(a.hit)))
		})
	}
	return searchOutput{s.results(all)}, nil
}

// relevance is what the cross-encoder says, which is the same measure in all collections; -1 where it did not read the hit.
func relevance(h api.Hit) float64 {
	if h.Scores.Relevance == nil {
		return -1
	}
	return *h.Scores.Relevance
}

func dense(h api.Hit) float64 {
	if h.Scores.Dense == nil {
		return -1
	}
	return *h.Scores.Dense
}

// results are the documents of hits, each once, by its best hit.
func (s *service) results(hits []found) []searchResult {
	results := []searchResult{}
	seen := map[place]bool{}
	for _, f := range hits {
		document := place{collection: f.collection, document: f.hit.DocumentID}
		if seen[document] || len(results) == mostResults {
			continue
		}
		seen[document] = true
		results = append(results, searchResult{
			ID: placeOf(f.collection, f.hit.DocumentID, f.hit.Span).String(), Title: titleOf(f.hit.Title, f.hit.Filename, f.hit.DocumentID),
			URL: s.link(f.collection, f.hit.DocumentID, f.hit.Metadata),
		})
	}
	return results
}

// visible gives the names of the collections that the tools see.
func (s *service) visible(ctx context.Context) ([]string, error) {
	if len(s.options.Collections) > 0 {
		return s.options.Collections, nil
	}
	all, err := s.library.Collections(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all.Collections))
	for i, c := range all.Collections {
		names[i] = c.Name
	}
	return names, nil
}

// check refuses a collection that the tools do not see.
func (s *service) check(collection string) error {
	if len(s.options.Collections) > 0 && !slices.Contains(s.options.Collections, collection) {
		return fmt.Errorf("there is no collection %q on this connection; list_collections shows those there are", collection)
	}
	return nil
}

type fetchInput struct {
	ID string `json:"id" jsonschema:"Id of a search result."`
}

type fetchOutput struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Text     string         `json:"text"`
	URL      string         `json:"url" jsonschema:"Address to cite."`
	Metadata map[string]any `json:"metadata" jsonschema:"The document's own metadata, and collection, document_id, start and end (the part's place in code points) and, where more follows, next: the id to fetch it by."`
}

func (s *service) fetch(ctx context.Context, in fetchInput) (fetchOutput, error) {
	p, err := parsePlace(in.ID)
	if err == nil {
		err = s.check(p.collection)
	}
	if err != nil {
		return fetchOutput{}, err
	}
	d, err := s.library.Document(ctx, p.collection, p.document)
	if err != nil {
		return fetchOutput{}, err
	}
	var text bytes.Buffer
	if err := s.library.Text(ctx, p.collection, p.document, p.start, p.start+windowLength+1, &text); err != nil {
		return fetchOutput{}, err
	}
	out := fetchOutput{ID: in.ID, Title: titleOf(d.Title, d.Filename, d.DocumentID), Text: text.String(), URL: s.link(p.collection, d.DocumentID, d.Metadata)}
	out.Metadata = maps.Clone(d.Metadata)
	if out.Metadata == nil {
		out.Metadata = map[string]any{}
	}
	end := p.start + utf8.RuneCountInString(out.Text)
	if end > p.start+windowLength { // one code point more than is shown: there is more
		_, last := utf8.DecodeLastRuneInString(out.Text)
		out.Text, end = out.Text[:len(out.Text)-last], end-1
		out.Metadata["next"] = place{p.collection, p.document, end}.String()
	}
	out.Metadata["collection"], out.Metadata["document_id"] = p.collection, d.DocumentID
	out.Metadata["start"], out.Metadata["end"] = p.start, end
	return out, nil
}
