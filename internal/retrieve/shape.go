package retrieve

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Shape says what is made of the ranked candidates before they are shown. The zero value leaves them as they are.
type Shape struct {
	MinRelevance   float64        // hits with less relevance are dropped; 0 drops none
	Duplicates     rag.Duplicates // which repetitions of a better hit are dropped; empty keeps all
	MaxPerDocument int            // hits of one document; 0 for no limit
	Diversity      *float64       // MMR's lambda, 0 to 1: 1 is relevance alone, 0 difference alone; nil leaves the order
	Neighbours     int            // chunks before and after a hit that are shown with it
	Section        bool           // the rest of a hit's section is shown with it
	ByDocument     bool           // TopK counts documents, and hits of one document stand together
	Highlight      int            // best sentences of a hit that are told
	Explain        bool           // every candidate's Verdict is told
	Paged          bool           // Result.Next continues this search
}

// Outcome says what became of a candidate.
type Outcome string

// The outcomes.
const (
	OutcomeReturned  Outcome = "returned"
	OutcomeBelow     Outcome = "below_min_relevance"
	OutcomeDuplicate Outcome = "duplicate" // of Verdict.Of
	OutcomeCapped    Outcome = "capped"    // its document has MaxPerDocument better hits
	OutcomeMerged    Outcome = "merged"    // into the text shown with the hit Verdict.Of
	OutcomeBeyond    Outcome = "beyond_top_k"
)

// Why the cross-encoder has not read a candidate, beside the reasons why reranking ended.
const (
	UnreadOff    = "off"    // the search asked for no reranking
	UnreadFailed = "failed" // the cross-encoder failed
)

// Verdict tells what a candidate got and what became of it.
type Verdict struct {
	Hit     rag.Hit // with its scores
	Rank    int     // in the ranked list, before shaping, from 1
	Unread  string  // why the cross-encoder has not read it; empty where it has
	Read    string  // of several queries, the one that the cross-encoder has read it with; else empty
	Outcome Outcome
	Of      rag.ChunkID // the hit that it repeats or is shown with; 0 for none
	Detail  string      // what decided, such as the likeness of two texts
}

// ledger keeps the verdicts of a search. A nil ledger keeps nothing.
type ledger struct{ verdicts map[rag.ChunkID]*Verdict }

// newLedger opens a ledger of ranked hits, all beyond TopK until something else is said.
func newLedger(hits []rag.Hit, reads map[rag.ChunkID]string, unread string) *ledger {
	l := &ledger{verdicts: make(map[rag.ChunkID]*Verdict, len(hits))}
	for i, h := range hits {
		v := &Verdict{Hit: h, Rank: i + 1, Outcome: OutcomeBeyond}
		if h.Scores.RerankLogit == nil {
			v.Unread = unread
		} else {
			v.Read = reads[h.Chunk.ID]
		}
		l.verdicts[h.Chunk.ID] = v
	}
	return l
}

// note says what became of a candidate.
func (l *ledger) note(id rag.ChunkID, outcome Outcome, of rag.ChunkID, detail string) {
	if l == nil || l.verdicts[id] == nil {
		return
	}
	v := l.verdicts[id]
	v.Outcome, v.Of, v.Detail = outcome, of, detail
}

// told lists the verdicts in the order of the ranked list.
func (l *ledger) told() []Verdict {
	if l == nil {
		return nil
	}
	out := make([]Verdict, 0, len(l.verdicts))
	for _, v := range l.verdicts {
		out = append(out, *v)
	}
	slices.SortFunc(out, func(a, b Verdict) int { return cmp.Compare(a.Rank, b.Rank) })
	return out
}

// unread says why candidates of a search were not read.
func unread(q Query, res *Result) string {
	switch {
	case !q.Rerank:
		return UnreadOff
	case res.Ended == "":
		return UnreadFailed
	}
	return res.Ended
}

// shape makes of ranked candidates what the query wants shown: it drops, reorders, takes the first TopK, and puts what
// lies around them and their best sentences to them. What fails leaves hits as they are, said in Result.Degraded.
func (r *Retriever) shape(ctx context.Context, q Query, hits []rag.Hit, reads map[rag.ChunkID]string, res *Result) {
	began := time.Now()
	var l *ledger
	if q.Shape.Explain {
		l = newLedger(hits, reads, unread(q, res))
	}
	hits = aboveThreshold(hits, q.Shape.MinRelevance, l, res)
	hits = distinct(hits, q.Shape.Duplicates, l)
	hits = capped(hits, q.Shape.MaxPerDocument, l)
	hits = r.diversify(ctx, q, hits, res)
	if q.Shape.ByDocument {
		hits = together(hits)
	}
	shown := hits[:places(hits, q)]
	if q.Shape.Paged && len(shown) < len(hits) {
		res.Next = writeCursor(cursor{Request: q.Fingerprint, Text: res.QueryUsed, RankedBy: res.RankedBy, Candidates: res.Candidates, Reranked: res.Reranked, Rest: restOf(hits[len(shown):])})
	}
	res.Timings.Shape = time.Since(began)
	r.show(ctx, q, shown, l, res)
}

// reserved is the part of a query's deadline that reranking leaves to what follows it, a quarter of the deadline at most.
func reserved(q Query) time.Duration {
	part := answerReserve
	if q.Shape.Diversity != nil {
		part += 50 * time.Millisecond
	}
	if q.Shape.Neighbours > 0 || q.Shape.Section {
		part += 50 * time.Millisecond
	}
	if q.Shape.Highlight > 0 {
		part += 200 * time.Millisecond
	}
	return max(answerReserve, min(part, q.Deadline/4))
}

// show puts to hits what is shown with them, and makes them the result's.
func (r *Retriever) show(ctx context.Context, q Query, shown []rag.Hit, l *ledger, res *Result) {
	res.Hits = r.expand(ctx, q, shown, l, res)
	res.Highlights = r.highlight(ctx, q, res.Hits, res)
	for _, h := range res.Hits {
		l.note(h.Chunk.ID, OutcomeReturned, 0, "")
	}
	res.Verdicts = l.told()
}

// places is how many of the hits the first TopK are: hits, or those of as many documents.
func places(hits []rag.Hit, q Query) int {
	if !q.Shape.ByDocument {
		return min(q.TopK, len(hits))
	}
	documents := 0
	for i, h := range hits {
		if i == 0 || h.Document != hits[i-1].Document {
			documents++
		}
		if documents > q.TopK {
			return i
		}
	}
	return len(hits)
}

// aboveThreshold drops hits of less relevance. One that the cross-encoder has not read has none and is dropped too, unless
// none was read: then nothing is known, and that is said.
func aboveThreshold(hits []rag.Hit, least float64, l *ledger, res *Result) []rag.Hit {
	if least <= 0 || len(hits) == 0 {
		return hits
	}
	if !slices.ContainsFunc(hits, func(h rag.Hit) bool { return h.Scores.Relevance != nil }) {
		res.Degraded = append(res.Degraded, DegradedMinRelevance)
		return hits
	}
	var kept []rag.Hit
	for _, h := range hits {
		switch relevance := h.Scores.Relevance; {
		case relevance == nil:
			l.note(h.Chunk.ID, OutcomeBelow, 0, "the cross-encoder has not read it, so its relevance is not known")
		case *relevance < least:
			l.note(h.Chunk.ID, OutcomeBelow, 0, "")
		default:
			kept = append(kept, h)
		}
	}
	return kept
}

// capped keeps the first most hits of each document.
func capped(hits []rag.Hit, most int, l *ledger) []rag.Hit {
	if most <= 0 {
		return hits
	}
	count := map[rag.DocumentID]int{}
	var kept []rag.Hit
	for _, h := range hits {
		if count[h.Document]++; count[h.Document] > most {
			l.note(h.Chunk.ID, OutcomeCapped, 0, "")
			continue
		}
		kept = append(kept, h)
	}
	return kept
}

// together lets the hits of a document follow its best one.
func together(hits []rag.Hit) []rag.Hit {
	first := map[rag.DocumentID]int{}
	for i, h := range hits {
		if _, seen := first[h.Document]; !seen {
			first[h.Document] = i
		}
	}
	out := slices.Clone(hits)
	slices.SortStableFunc(out, func(a, b rag.Hit) int { return cmp.Compare(first[a.Document], first[b.Document]) })
	return out
}
