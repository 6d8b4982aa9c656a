package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// query makes of a request what is searched: the request's word over the collection's, over the defaults.
func (s *Server) query(c rag.Collection, q api.Search) (retrieve.Query, error) {
	if err := checkSearch(q); err != nil {
		return retrieve.Query{}, err
	}
	filter, err := rag.ParseFilter(q.Filter, "/filter")
	if err != nil {
		return retrieve.Query{}, err
	}
	asked := rag.NewRetrieval{
		RerankMS: q.RerankMS, CrossWeight: q.CrossWeight, Normalisation: q.Normalisation, MinRelevance: q.MinRelevance,
		Duplicates: q.Duplicates, MaxPerDocument: q.MaxPerDocument,
	}
	if q.Candidates > 0 {
		asked.Candidates = &q.Candidates
	}
	how := asked.Over(c.Retrieval.Over(rag.DefaultRetrieval()))
	if err := how.Check(); err != nil {
		return retrieve.Query{}, err
	}
	mode, fusion, err := modeOf(c, q)
	if err != nil {
		return retrieve.Query{}, err
	}
	fingerprint, err := fingerprintOf(c, q)
	if err != nil {
		return retrieve.Query{}, err
	}
	query := retrieve.Query{
		Collection: c, Text: q.Query, Mode: mode, Fusion: fusion, Queries: q.Queries, Turns: turnsOf(q.Messages), Hypothesis: q.HyDE, Variants: q.MultiQuery,
		TopK: q.TopK, Candidates: max(how.Candidates, q.TopK), Rerank: q.Rerank == nil || *q.Rerank, Filter: filter,
		Deadline: s.options.SearchDeadline, RerankTime: s.options.RerankTime, Tolerance: s.options.RerankTolerance, Sure: s.options.RerankSure,
		Blending: retrieve.Blending{Weight: how.CrossWeight, Normalisation: how.Normalisation},
		Shape: retrieve.Shape{
			MinRelevance: how.MinRelevance, Duplicates: how.Duplicates, MaxPerDocument: how.MaxPerDocument, Diversity: q.MMR,
			Neighbours: q.Neighbours, Section: q.Expand == "section", ByDocument: q.GroupBy == "document", Highlight: q.Highlight,
			Explain: q.Explain, Paged: q.Paginate || q.Cursor != "",
		},
		Cursor: q.Cursor, Fingerprint: fingerprint,
	}
	setTimes(&query, q, how)
	return query, nil
}

// setTimes settles how long a query and its reranking may take: a request that names a deadline leaves reranking all of it,
// unless it says otherwise.
func setTimes(query *retrieve.Query, q api.Search, how rag.Retrieval) {
	if how.RerankMS > 0 {
		query.RerankTime = time.Duration(how.RerankMS) * time.Millisecond
	}
	if q.DeadlineMS > 0 {
		query.Deadline = time.Duration(q.DeadlineMS) * time.Millisecond
		if q.RerankMS == nil {
			query.RerankTime = 0
		}
	}
	if q.Exhaustive {
		query.Tolerance, query.RerankTime, query.Sure = 0, 0, 0
	}
}

// fingerprintOf is the same for all pages of a search.
func fingerprintOf(c rag.Collection, q api.Search) (string, error) {
	q.Cursor, q.TopK, q.Paginate = "", 0, false
	raw, err := json.Marshal(q)
	if err != nil {
		return "", fmt.Errorf("fingerprint a search: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(raw, "\n%d", c.ID))
	return hex.EncodeToString(sum[:12]), nil
}

func turnsOf(messages []api.Message) []retrieve.Turn {
	turns := make([]retrieve.Turn, len(messages))
	for i, m := range messages {
		turns[i] = retrieve.Turn{Role: m.Role, Text: m.Content}
	}
	return turns
}

// checkSearch refuses a search without a question, and options that contradict each other.
func checkSearch(q api.Search) error {
	if err := checkQuestion(q); err != nil {
		return err
	}
	off := q.Rerank != nil && !*q.Rerank
	for _, c := range []struct {
		wrong   bool
		pointer string
		message string
	}{
		{off && q.MinRelevance != nil && *q.MinRelevance > 0, "/min_relevance", "min_relevance is compared with what the cross-encoder says, and rerank is false; leave one of them out"},
		{off && q.Exhaustive, "/exhaustive", "exhaustive is about the cross-encoder, and rerank is false; leave one of them out"},
		{off && (q.CrossWeight != nil || q.Normalisation != nil), "/cross_weight", "cross_weight and normalisation are about the cross-encoder, and rerank is false; leave one of them out"},
		{off && q.RerankMS != nil, "/rerank_ms", "rerank_ms is about the cross-encoder, and rerank is false; leave one of them out"},
		{q.Exhaustive && q.RerankMS != nil && *q.RerankMS > 0, "/rerank_ms", "exhaustive has every candidate read whatever time that takes; leave rerank_ms out"},
		{q.Neighbours > 0 && q.Expand != "", "/neighbours", "neighbours and expand both say what is shown around a hit; leave one of them out"},
		{q.MMR != nil && q.GroupBy != "", "/mmr", "group_by puts the hits of a document together, which undoes the order that mmr makes; leave one of them out"},
		{len(q.Queries) > 0 && (q.HyDE || q.MultiQuery > 0), "/queries", "hyde and multi_query write further queries for one question, and queries brings its own; leave one of them out"},
	} {
		if c.wrong {
			return rag.Invalid(c.pointer, "%s", c.message)
		}
	}
	return nil
}

// checkQuestion refuses a search without exactly one of query, queries and messages, and blank ones.
func checkQuestion(q api.Search) error {
	given := map[string]bool{"query": q.Query != "", "queries": len(q.Queries) > 0, "messages": len(q.Messages) > 0}
	var names []string
	for _, name := range []string{"query", "queries", "messages"} {
		if given[name] {
			names = append(names, name)
		}
	}
	switch {
	case len(names) == 0:
		return rag.Invalid("/query", "there is no question: give query, queries or messages")
	case len(names) > 1:
		return rag.Invalid("/"+names[1], "%s are contradictory: a search has one of query, queries and messages", strings.Join(names, " and "))
	case given["query"] && blank(q.Query):
		return rag.Invalid("/query", "query is blank: ask something")
	}
	for i, text := range q.Queries {
		if blank(text) {
			return rag.Invalid(fmt.Sprintf("/queries/%d", i), "query %d is blank: ask something, or leave it out", i)
		}
		if len(text) > 4*mostQueryLength {
			return rag.Invalid(fmt.Sprintf("/queries/%d", i), "query %d is longer than %d characters", i, mostQueryLength)
		}
	}
	if n := len(q.Messages); n > 0 {
		at := fmt.Sprintf("/messages/%d", n-1)
		if q.Messages[n-1].Role != retrieve.RoleUser {
			return rag.Invalid(at+"/role", "the last message is of the %s, and the user's question is searched: end with a message of the user", q.Messages[n-1].Role)
		}
		if blank(q.Messages[n-1].Content) {
			return rag.Invalid(at+"/content", "the last message is blank: ask something")
		}
	}
	return nil
}

// mostQueryLength is the longest query that is taken, in characters; encoders read much less.
const mostQueryLength = 200_000

// blank reports whether a text has nothing that can be seen.
func blank(text string) bool {
	return strings.TrimFunc(text, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }) == ""
}

// checkContext refuses what only a search can answer.
func checkContext(q api.Search) error {
	for _, c := range []struct {
		asked   bool
		pointer string
	}{
		{q.Cursor != "", "/cursor"}, {q.Paginate, "/paginate"}, {q.GroupBy != "", "/group_by"}, {q.Highlight > 0, "/highlight"}, {q.Explain, "/explain"},
	} {
		if c.asked {
			return rag.Invalid(c.pointer, "a context is one text and has no place for what %s asks for; use search, or leave it out", strings.TrimPrefix(c.pointer, "/"))
		}
	}
	return nil
}

// shapedOf is what a search tells beside its hits, and the hits.
func shapedOf(result retrieve.Result, byDocument bool) (hits []api.Hit, shaped api.Shaped) {
	hits = []api.Hit{}
	for i, h := range result.Hits {
		hit := hitOf(h)
		if i < len(result.Highlights) {
			for _, s := range result.Highlights[i] {
				hit.Highlights = append(hit.Highlights, api.Highlight(s))
			}
		}
		hits = append(hits, hit)
	}
	shaped = api.Shaped{
		RelevanceCalibrated: result.Calibrated, QueryUsed: result.QueryUsed, FurtherQueries: result.Queries, NextCursor: result.Next,
	}
	for _, v := range result.Verdicts {
		shaped.Explain = append(shaped.Explain, api.Candidate{
			ChunkID: v.Hit.Chunk.ID, DocumentID: v.Hit.ExternalID, Rank: v.Rank, DenseRank: v.Hit.DenseRank, LexicalRank: v.Hit.LexicalRank, RankedBy: v.Hit.RankedBy,
			Scores: v.Hit.Scores, Unread: v.Unread, ReadWith: v.Read, Outcome: string(v.Outcome), Of: v.Of, Detail: v.Detail,
		})
	}
	if !byDocument {
		return hits, shaped
	}
	for _, hit := range hits {
		if n := len(shaped.Groups); n == 0 || shaped.Groups[n-1].DocumentID != hit.DocumentID {
			shaped.Groups = append(shaped.Groups, api.Group{DocumentID: hit.DocumentID, Title: hit.Title, Filename: hit.Filename, Metadata: hit.Metadata})
		}
		last := &shaped.Groups[len(shaped.Groups)-1]
		last.Hits = append(last.Hits, hit)
	}
	return []api.Hit{}, shaped
}
