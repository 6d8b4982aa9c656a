package openai

import (
	"encoding/json"

	"github.com/redkite/redkite/internal/rag"
)

// StoreSearch asks a vector store for passages.
type StoreSearch struct {
	_              struct{}        `json:"-" additionalProperties:"true"`
	Query          json.RawMessage `json:"query" doc:"A question, or a list of up to 10: what any of them finds is returned."`
	Filters        json.RawMessage `json:"filters,omitempty" doc:"Condition on attributes, such as {\"type\":\"eq\",\"key\":\"lang\",\"value\":\"en\"}."`
	MaxNumResults  *int            `json:"max_num_results,omitempty" doc:"Defaults to 10." minimum:"1" maximum:"50"`
	RankingOptions *RankingOptions `json:"ranking_options,omitempty"`
	RewriteQuery   bool            `json:"rewrite_query,omitempty" doc:"Without effect: search_query in the answer is what was searched for."`
}

// RankingOptions say how results are ranked.
type RankingOptions struct {
	_              struct{} `json:"-" additionalProperties:"true"`
	Ranker         string   `json:"ranker,omitempty" doc:"none leaves the cross-encoder out; any other name has it rank."`
	ScoreThreshold *float64 `json:"score_threshold,omitempty" doc:"Results with a lower score are left out." minimum:"0" maximum:"1"`
}

// StoreSearchPage answers a StoreSearch.
type StoreSearchPage struct {
	Object      string              `json:"object" enum:"vector_store.search_results.page"`
	SearchQuery []string            `json:"search_query" doc:"What was searched for."`
	Data        []StoreSearchResult `json:"data" doc:"Best first, in the order of the native search."`
	HasMore     bool                `json:"has_more"`
	NextPage    *string             `json:"next_page"`
	Degraded    []string            `json:"degraded" doc:"redkite's own: what could not be done, as in a native search."`
}

// StoreSearchResult is a passage found.
type StoreSearchResult struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Score      float64        `json:"score" doc:"Relevance from 0 to 1: the cross-encoder's where it read the passage, else the cosine similarity, not below 0. It need not fall from result to result: both encoders decide on the order."`
	Attributes map[string]any `json:"attributes"`
	Content    []TextContent  `json:"content"`
	ChunkID    rag.ChunkID    `json:"chunk_id" doc:"redkite's own, as those after it."`
	Title      string         `json:"title"`
	PageStart  int            `json:"page_start,omitempty" doc:"First page, from 1; left out where the format has no pages."`
	PageEnd    int            `json:"page_end,omitempty" doc:"Last page."`
	StartChar  int            `json:"start_char" doc:"Place in the file's text, in Unicode code points."`
	EndChar    int            `json:"end_char" doc:"The code point after the last."`
}

// TextContent is a piece of text.
type TextContent struct {
	Type string `json:"type" enum:"text"`
	Text string `json:"text"`
}

// StoreFileContent is the text of a file.
type StoreFileContent struct {
	Object   string        `json:"object" enum:"vector_store.file_content.page"`
	Data     []TextContent `json:"data" doc:"The text, in pieces."`
	HasMore  bool          `json:"has_more"`
	NextPage *string       `json:"next_page"`
}

// ScoreOf is a hit's score, from 0 to 1.
func ScoreOf(s rag.Scores) float64 {
	switch {
	case s.Relevance != nil:
		return *s.Relevance
	case s.Dense != nil:
		return min(1, max(0, *s.Dense))
	case s.Fused != nil: // found by its words alone, beside a search by meaning
		return min(1, max(0, *s.Fused))
	case s.Lexical != nil:
		return *s.Lexical / (1 + *s.Lexical) // BM25 has no upper end
	}
	return 0
}

// ResultOf writes a hit. Where it stands in a parent, that is its text, as in the native API's context.
func ResultOf(h rag.Hit) StoreSearchResult {
	text, span := h.Chunk.Shown(), h.Chunk.Span
	if h.Chunk.Parent != nil {
		text, span = h.Chunk.Parent.Shown(), h.Chunk.Parent.Span
	}
	out := StoreSearchResult{
		FileID: h.ExternalID, Filename: h.Filename, Score: ScoreOf(h.Scores), Attributes: h.Metadata, Content: []TextContent{{Type: "text", Text: text}},
		ChunkID: h.Chunk.ID, Title: h.Title, PageStart: h.Chunk.PageStart, PageEnd: h.Chunk.PageEnd, StartChar: span.Start, EndChar: span.End,
	}
	if out.Attributes == nil {
		out.Attributes = map[string]any{}
	}
	return out
}
