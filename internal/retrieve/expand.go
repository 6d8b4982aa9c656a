package retrieve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Place is where a chunk stands in its document's live version.
type Place struct {
	Document rag.DocumentID
	Version  int
	From, To int // ordinals, both inclusive
}

// Surroundings reads what lies around hits.
type Surroundings interface {
	// ChunksAt gives the chunks at places, of live versions only, by document and ordinal, without parents.
	ChunksAt(ctx context.Context, c rag.CollectionID, places []Place) ([]rag.Chunk, error)
}

// Texts reads pieces of documents' normalised texts.
type Texts interface {
	// Slices gives the text at each span of a version of a document. Where that text is not kept, or is too long to be read
	// for a search, there are none and no error.
	Slices(ctx context.Context, c rag.CollectionID, externalID string, version int, spans []rag.Span) ([]string, error)
}

const (
	// sectionReach is how many chunks before and after a hit are looked at for the rest of its section, and sectionTokens
	// how long, in the bi-encoder's tokens, a section may be to be shown whole; of a longer one what is nearest is.
	sectionReach  = 16
	sectionTokens = 1024
	// MostNeighbours bounds Shape.Neighbours.
	MostNeighbours = 10
	// expandTime bounds the reading of what lies around.
	expandTime = 500 * time.Millisecond
)

// expand puts to each hit, as its parent, the chunks around it: those asked for, or the rest of its section. Stretches of one
// document that touch or overlap become one, shown with the better hit; the other hits in it are left out, said in the
// ledger. The text is sliced from the document's normalised text, or, where that is not kept, joined of the chunks. What
// fails leaves hits as they are, said in Result.Degraded.
func (r *Retriever) expand(ctx context.Context, q Query, hits []rag.Hit, l *ledger, res *Result) []rag.Hit {
	if q.Shape.Neighbours <= 0 && !q.Shape.Section || len(hits) == 0 {
		return hits
	}
	began := time.Now()
	defer func() { res.Timings.Expand = time.Since(began) }()
	limited, cancel := context.WithTimeout(ctx, expandTime)
	defer cancel()
	stretches, err := r.stretches(limited, q, hits)
	if err != nil {
		r.Log.WarnContext(ctx, "expand", "error", err, "hits", len(hits))
		res.Degraded = append(res.Degraded, DegradedExpand)
		return hits
	}
	gap := 1 // chunks of which the second follows the first are put together
	if q.Shape.Section {
		gap = 0
	}
	stretches = merged(stretches, gap)
	r.write(limited, q.Collection.ID, stretches)
	out := make([]rag.Hit, 0, len(stretches))
	for _, s := range stretches {
		for _, other := range s.hits[1:] {
			l.note(other.Chunk.ID, OutcomeMerged, s.hits[0].Chunk.ID, "")
		}
		out = append(out, s.shown())
	}
	return out
}

// stretch is a row of chunks of one document, and the hits in it, the best first.
type stretch struct {
	hits   []rag.Hit
	ranks  []int       // of hits
	chunks []rag.Chunk // by ordinal, without gaps
	parent *rag.Parent // of the hit, where that holds more than the chunks
	text   string
}

// stretches gives what lies around each hit, in their order.
func (r *Retriever) stretches(ctx context.Context, q Query, hits []rag.Hit) ([]stretch, error) {
	reach := min(q.Shape.Neighbours, MostNeighbours)
	if q.Shape.Section {
		reach = sectionReach
	}
	places := make([]Place, len(hits))
	for i, h := range hits {
		places[i] = Place{h.Document, h.Chunk.Version, max(0, h.Chunk.Ordinal-reach), h.Chunk.Ordinal + reach}
	}
	if r.Around == nil {
		return nil, fmt.Errorf("read around %d hits: there is no catalog of chunks", len(hits))
	}
	found, err := r.Around.ChunksAt(ctx, q.Collection.ID, places)
	if err != nil {
		return nil, fmt.Errorf("read around %d hits: %w", len(hits), err)
	}
	out := make([]stretch, len(hits))
	for i, h := range hits {
		out[i] = stretch{hits: []rag.Hit{h}, ranks: []int{i}, chunks: []rag.Chunk{h.Chunk}}
		if q.Shape.Section && h.Chunk.Parent != nil {
			out[i].parent = h.Chunk.Parent
			continue
		}
		for _, c := range found {
			if c.Document == h.Document && c.Version == h.Chunk.Version && c.Ordinal >= places[i].From && c.Ordinal <= places[i].To && c.Ordinal != h.Chunk.Ordinal {
				out[i].chunks = append(out[i].chunks, c)
			}
		}
		slices.SortFunc(out[i].chunks, func(a, b rag.Chunk) int { return a.Ordinal - b.Ordinal })
		if q.Shape.Section {
			out[i].chunks = section(out[i].chunks, h.Chunk)
		}
	}
	return out, nil
}

// section keeps the chunks around one that have its headings, without gaps, nearest first, while they fit.
func section(chunks []rag.Chunk, around rag.Chunk) []rag.Chunk {
	at := slices.IndexFunc(chunks, func(c rag.Chunk) bool { return c.Ordinal == around.Ordinal })
	first, last, left := at, at, sectionTokens-around.Tokens
	fits := func(i int) bool {
		return i >= 0 && i < len(chunks) && chunks[i].Tokens <= left && slices.Equal(chunks[i].Headings, around.Headings)
	}
	for before, after := true, true; before || after; {
		if before = before && fits(first-1); before {
			first--
			left -= chunks[first].Tokens
		}
		if after = after && fits(last+1); after {
			last++
			left -= chunks[last].Tokens
		}
	}
	return chunks[first : last+1]
}

// span is the place of a stretch in its document's text.
func (s stretch) span() rag.Span {
	span := s.chunks[0].Span
	for _, c := range s.chunks {
		span.Start, span.End = min(span.Start, c.Span.Start), max(span.End, c.Span.End)
	}
	if s.parent != nil {
		span.Start, span.End = min(span.Start, s.parent.Span.Start), max(span.End, s.parent.Span.End)
	}
	return span
}

// merged joins the stretches of one version of a document that overlap, or with a gap of 1 follow each other, into the place
// of the best.
func merged(stretches []stretch, gap int) []stretch {
	var out []stretch
	for _, s := range stretches {
		at := len(out)
		for i := 0; i < len(out); i++ {
			if !touch(out[i], s, gap) {
				continue
			}
			s, at = union(out[i], s), min(at, i)
			out = slices.Delete(out, i, i+1)
			i = -1 // the longer stretch may touch one that its parts did not
		}
		out = slices.Insert(out, at, s)
	}
	return out
}

func touch(a, b stretch, gap int) bool {
	if a.hits[0].Document != b.hits[0].Document || a.hits[0].Chunk.Version != b.hits[0].Chunk.Version {
		return false
	}
	if a.parent != nil || b.parent != nil {
		x, y := a.span(), b.span()
		return x.Start < y.End && y.Start < x.End
	}
	return a.chunks[0].Ordinal <= b.chunks[len(b.chunks)-1].Ordinal+gap && b.chunks[0].Ordinal <= a.chunks[len(a.chunks)-1].Ordinal+gap
}

// union joins two stretches, their hits by rank.
func union(a, b stretch) stretch {
	for _, c := range b.chunks {
		if !slices.ContainsFunc(a.chunks, func(x rag.Chunk) bool { return x.Ordinal == c.Ordinal }) {
			a.chunks = append(a.chunks, c)
		}
	}
	slices.SortFunc(a.chunks, func(x, y rag.Chunk) int { return x.Ordinal - y.Ordinal })
	if a.parent == nil {
		a.parent = b.parent
	}
	a.hits, a.ranks = slices.Clone(a.hits), slices.Clone(a.ranks)
	for i, h := range b.hits {
		at, _ := slices.BinarySearch(a.ranks, b.ranks[i])
		a.hits, a.ranks = slices.Insert(a.hits, at, h), slices.Insert(a.ranks, at, b.ranks[i])
	}
	return a
}

// write gives stretches their texts: from the documents' normalised texts where that is possible, else of the chunks.
func (r *Retriever) write(ctx context.Context, c rag.CollectionID, stretches []stretch) {
	for i, s := range stretches {
		if s.parent != nil && s.span() == s.parent.Span {
			stretches[i].text = s.parent.Text
			continue
		}
		if len(s.chunks) == 1 && s.parent == nil {
			stretches[i].text = s.chunks[0].Text
			continue
		}
		if r.Texts != nil {
			texts, err := r.Texts.Slices(ctx, c, s.hits[0].ExternalID, s.hits[0].Chunk.Version, []rag.Span{s.span()})
			if err == nil && len(texts) == 1 {
				stretches[i].text = texts[0]
				continue
			}
			if err != nil {
				r.Log.DebugContext(ctx, "slice text", "error", err, "document", s.hits[0].Document)
			}
		}
		stretches[i].text = joined(s.chunks)
	}
}

// joined puts the texts of chunks together, what they repeat once, with a blank line where something lies between.
func joined(chunks []rag.Chunk) string {
	var b strings.Builder
	end := -1
	for _, c := range chunks {
		text := []rune(c.Text)
		switch {
		case end < 0:
		case c.Span.Start > end:
			b.WriteString("\n\n")
		default:
			text = text[min(len(text), end-c.Span.Start):]
		}
		b.WriteString(string(text))
		end = max(end, c.Span.End)
	}
	return b.String()
}

// shown is the stretch's best hit with the stretch as its parent.
func (s stretch) shown() rag.Hit {
	h := s.hits[0]
	if len(s.chunks) == 1 && s.parent == nil {
		return h
	}
	first, last := s.chunks[0], s.chunks[len(s.chunks)-1]
	parent := rag.Parent{Span: s.span(), Header: first.Header, Text: s.text, PageStart: first.PageStart, PageEnd: last.PageEnd}
	if s.parent != nil && s.parent.Span.Start <= first.Span.Start {
		parent.Header = s.parent.Header
	}
	for _, c := range s.chunks {
		parent.Chunks = append(parent.Chunks, c.ID)
	}
	h.Chunk.Parent = &parent
	return h
}
