package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// query is what search and context ask.
type query struct {
	Query      string        `arg:"" help:"The question."`
	Collection string        `short:"c" required:"" help:"Collection to search."`
	TopK       int           `default:"10" help:"Hits wanted."`
	Candidates int           `help:"Chunks that the cross-encoder reads. Defaults to the server's."`
	Rerank     bool          `default:"true" negatable:"" help:"Let the cross-encoder order the candidates."`
	Mode       string        `enum:",dense,lexical,hybrid" default:"" help:"Which searches find candidates: dense, lexical or hybrid. Defaults to the collection's."`
	Fusion     string        `enum:",rrf,score" default:"" help:"How mode hybrid makes one order of two: rrf or score. Defaults to score."`
	Filter     string        `help:"Condition on metadata, as JSON." placeholder:"JSON"`
	Deadline   time.Duration `help:"Time for the search. Defaults to the server's."`

	shapingFlags `embed:""`
}

func (q query) request() api.Search {
	var fusion *api.Fusion
	if q.Fusion != "" {
		fusion = &api.Fusion{Method: rag.FusionMethod(q.Fusion)}
	}
	request := api.Search{
		Query: q.Query, Mode: rag.Mode(q.Mode), Fusion: fusion, TopK: q.TopK, Candidates: q.Candidates, Rerank: &q.Rerank,
		Filter: json.RawMessage(q.Filter), DeadlineMS: int(q.Deadline.Milliseconds()),
	}
	q.put(&request)
	return request
}

// Validate is called by kong: what can't be sent is refused before the server is asked.
func (q query) Validate() error {
	if q.Filter != "" && !json.Valid([]byte(q.Filter)) {
		return fmt.Errorf(`--filter is not valid JSON; write for example '{"type":"eq","key":"lang","value":"en"}'`)
	}
	if q.Deadline != 0 && q.Deadline < time.Millisecond {
		return fmt.Errorf("--deadline is at least 1ms, not %v", q.Deadline)
	}
	return nil
}

// searchCommand searches a collection.
type searchCommand struct {
	query      `embed:""`
	connection `embed:""`
}

// Run prints the hits.
func (c searchCommand) Run(ctx context.Context, o output) error {
	result, err := c.client().Search(ctx, c.Collection, c.request())
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, result)
	}
	if len(result.Hits) == 0 {
		fmt.Fprintln(o.out, "nothing found")
	}
	for i, h := range result.Hits {
		printHit(o.out, i+1, h)
	}
	t := result.TimingsMS
	fmt.Fprintf(o.out, "%d of %d candidates reranked; embed %.0f ms, search %.0f, lexical %.0f, live %.0f, rerank %.0f, total %.0f\n",
		result.Reranked, result.Candidates, t.Embed, t.Search, t.Lexical, t.Live, t.Rerank, t.Total)
	for _, d := range result.Degraded {
		fmt.Fprintln(o.out, "degraded:", d)
	}
	return nil
}

// shownRunes is how much of a hit's text the terminal shows.
const shownRunes = 280

func printHit(w io.Writer, rank int, h api.Hit) {
	name := h.Title
	if name == "" {
		name = h.DocumentID
	}
	fmt.Fprintf(w, "%2d. %s", rank, name)
	if h.PageStart > 0 {
		fmt.Fprintf(w, ", page %d", h.PageStart)
	}
	if len(h.Headings) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(h.Headings, " > "))
	}
	fmt.Fprintf(w, "\n    %s  %s\n", h.DocumentID, scores(h))
	whole := h.Text
	if h.Parent != nil && len(h.Parent.ChunkIDs) > 0 { // what was asked to be shown with it
		whole = h.Parent.Text
	}
	text := []rune(strings.Join(strings.Fields(whole), " "))
	if len(text) > shownRunes {
		text = append(text[:shownRunes], []rune(" ...")...)
	}
	fmt.Fprintf(w, "    %s\n\n", string(text))
}

// scores writes the scores that a hit has.
func scores(h api.Hit) string {
	var parts []string
	for _, s := range []struct {
		name  string
		value *float64
	}{{"dense", h.Scores.Dense}, {"lexical", h.Scores.Lexical}, {"fused", h.Scores.Fused}, {"logit", h.Scores.RerankLogit}, {"blend", h.Scores.Blend}, {"relevance", h.Scores.Relevance}} {
		if s.value != nil {
			parts = append(parts, fmt.Sprintf("%s %.3f", s.name, *s.value))
		}
	}
	return strings.Join(parts, ", ")
}
