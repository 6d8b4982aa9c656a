package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

// compareCommand measures ways of cutting on long documents, through the server's own API.
type compareCommand struct {
	Data       string   `required:"" type:"existingdir" help:"Labelled set in BEIR's layout, of short documents."`
	Split      string   `default:"test" help:"Judgements to use."`
	Size       int      `default:"40" help:"Documents bound into one book."`
	Books      int      `help:"Only so many books: of what the queries are about, and the first others. Defaults to all."`
	Queries    int      `help:"Ask only the first so many queries. Defaults to all."`
	Cut        []string `help:"Ways of cutting: strategy:max_tokens:overlap:parent_tokens, what follows the strategy may be left out." default:"structure:128:16,structure:256:32,structure:448:32,tokens:128:16,tokens:256:32,tokens:448:32,sentences:128:16,sentences:256:32,sentences:448:32,page:256:32,parent-child:128:16:512,parent-child:128:16:1024,parent-child:256:32:1024"`
	Candidates int      `default:"50" help:"Chunks that the cross-encoder reads."`
	Rerank     bool     `default:"true" negatable:"" help:"Measure the cross-encoder's order too."`
	Keep       bool     `help:"Leave the collections there."`
	connection `embed:""`
}

// cutting is one way of cutting and what was measured of it.
type cutting struct {
	Chunking rag.Chunking `json:"chunking"`
	Chunks   int          `json:"chunks"`
	Seconds  float64      `json:"ingest_seconds"`
	Dense    cutQuality   `json:"dense"`
	Reranked *cutQuality  `json:"reranked,omitempty"`
}

// cutQuality is a mean over the queries, of the first ten hits.
type cutQuality struct {
	NDCG10     float64 `json:"ndcg_at_10"`
	SpanRecall float64 `json:"span_recall_at_10"` // share of the relevant characters that are shown
	Shown      float64 `json:"characters_shown"`
	Late       int     `json:"late"`     // searches that had no answer within the deadline; they count as showing nothing
	Degraded   int     `json:"degraded"` // searches that were answered with something missing
}

// evalDeadline lets the cross-encoder read all candidates on any machine.
const evalDeadline = time.Minute

// shownHits is how many hits the figures are of.
const shownHits = 10

// Run makes a collection of the books for each way of cutting, asks every query, and prints a row as soon as it is
// measured. What goes wrong ends it; the rows before that are printed as JSON too.
func (c compareCommand) Run(ctx context.Context, o output) error {
	set, err := evaluate.Load(c.Data, c.Split)
	if err != nil {
		return err
	}
	if c.Books > 0 || c.Queries > 0 {
		documents, queries := len(set.Corpus), len(set.Queries)
		if c.Books > 0 {
			documents = c.Books * c.Size
		}
		if c.Queries > 0 {
			queries = c.Queries
		}
		set = set.Part(documents, queries)
	}
	library, err := evaluate.Bind(ctx, set, c.Size)
	if err != nil {
		return err
	}
	asked := make([]api.NewChunking, len(c.Cut))
	for i, way := range c.Cut {
		if asked[i], err = parseCut(way); err != nil {
			return err
		}
	}
	if !o.json {
		fmt.Fprintf(o.out, "%d books of %d documents, %d queries; the first %d hits\n%s\n", len(library.Books), c.Size, len(library.Queries), shownHits, cutsHead)
	}
	rows := []cutting{}
	var failed error
	for _, a := range asked {
		row, err := c.measure(ctx, o, c.client(), library, a)
		if failed = err; failed != nil {
			break
		}
		rows = append(rows, row)
		if !o.json {
			row.print(o, len(library.Queries))
		}
	}
	if o.json {
		failed = errors.Join(failed, printJSON(o, map[string]any{"books": len(library.Books), "documents": len(set.Corpus), "queries": len(library.Queries), "cuts": rows}))
	}
	return failed
}

// parseCut reads strategy:max_tokens:overlap:parent_tokens.
func parseCut(way string) (api.NewChunking, error) {
	parts := strings.Split(way, ":")
	strategy := rag.Strategy(parts[0])
	asked := api.NewChunking{Strategy: &strategy}
	for i, to := range []**int{&asked.MaxTokens, &asked.Overlap, &asked.ParentTokens} {
		if len(parts) <= i+1 {
			break
		}
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return asked, fmt.Errorf("--cut %s: %q is no number", way, parts[i+1])
		}
		*to = &n
	}
	if len(parts) > 4 {
		return asked, fmt.Errorf("--cut %s has more than strategy, max_tokens, overlap and parent_tokens", way)
	}
	return asked, nil
}

// measure fills a collection of its own, which is removed again, and asks.
func (c compareCommand) measure(ctx context.Context, o output, server *client.Client, l evaluate.Library, asked api.NewChunking) (row cutting, err error) {
	name := fmt.Sprintf("compare-%d", time.Now().UnixNano())
	made, err := server.CreateCollection(ctx, api.NewCollection{Name: name, Chunking: &asked})
	if err != nil {
		return row, err
	}
	if !c.Keep {
		defer func() {
			_, deleted := server.DeleteCollection(context.WithoutCancel(ctx), name)
			err = errors.Join(err, deleted)
		}()
	}
	row.Chunking = made.Chunking
	began := time.Now()
	if err := fillBooks(ctx, server, name, l.Books); err != nil {
		return row, err
	}
	row.Seconds = time.Since(began).Seconds()
	filled, err := server.Collection(ctx, name)
	if err != nil {
		return row, err
	}
	row.Chunks = filled.Chunks
	if row.Dense, err = c.ask(ctx, o, server, name, l, false); err != nil || !c.Rerank {
		return row, err
	}
	reranked, err := c.ask(ctx, o, server, name, l, true)
	row.Reranked = &reranked
	return row, err
}

// fillBooks uploads books and waits until they are searchable.
func fillBooks(ctx context.Context, server *client.Client, collection string, books []evaluate.Text) error {
	for _, b := range books {
		if _, err := server.UploadDocuments(ctx, collection, []api.NewDocument{{ID: b.ID, Title: b.Title, Text: b.Text, MediaType: "text/markdown"}}); err != nil {
			return err
		}
	}
	for {
		now, err := server.Collection(ctx, collection)
		if err != nil {
			return err
		}
		if now.Documents.Failed > 0 {
			return fmt.Errorf("%d books failed; see redkite jobs list --state failed -c %s", now.Documents.Failed, collection)
		}
		if now.Documents.Pending == 0 {
			return nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask means the figures over the queries.
func (c compareCommand) ask(ctx context.Context, o output, server *client.Client, collection string, l evaluate.Library, rerank bool) (cutQuality, error) {
	p := newProgress(o, len(l.Queries), map[bool]string{false: "queries, bi-encoder", true: "queries, reranked"}[rerank])
	defer p.finish()
	var sum cutQuality
	mode := rag.Mode("") // the default's, where the cross-encoder orders
	if !rerank {
		mode = rag.ModeDense
	}
	for _, q := range l.Queries {
		result, err := server.Search(ctx, collection, api.Search{
			Query: q.Text, Mode: mode, TopK: c.Candidates, Candidates: c.Candidates, Rerank: &rerank, DeadlineMS: int(evalDeadline.Milliseconds()),
		})
		p.add(1, q.ID)
		var refused *client.Error
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusGatewayTimeout:
			sum.Late++
			continue
		case err != nil:
			return sum, fmt.Errorf("query %s: %w", q.ID, err)
		case len(result.Degraded) > 0 || result.Ended == "deadline":
			sum.Degraded++
		}
		hits := make([]evaluate.Found, len(result.Hits))
		for i, h := range result.Hits {
			hits[i] = evaluate.Found{Book: h.DocumentID, Chunk: h.Span, Shown: h.Span}
			if h.Parent != nil {
				hits[i].Shown = h.Parent.Span
			}
		}
		top := hits[:min(shownHits, len(hits))]
		sum.NDCG10 += evaluate.NDCG(l.Ranking(hits), l.Relevant[q.ID], 10)
		sum.SpanRecall += l.Recall(top, l.Relevant[q.ID])
		sum.Shown += float64(l.Shown(top))
	}
	n := float64(len(l.Queries))
	sum.NDCG10, sum.SpanRecall, sum.Shown = sum.NDCG10/n, sum.SpanRecall/n, sum.Shown/n
	return sum, nil
}

// cutsHead stands above the rows.
const cutsHead = "    strategy   max  overlap  parent   chunks  ingest s  nDCG@10  span recall@10    shown  reranked: nDCG@10  span recall@10    shown"

// print prints a row, and below it how many of so many searches of each kind were not answered in full.
func (r cutting) print(o output, queries int) {
	fmt.Fprintf(o.out, "%12s  %4d  %7d  %6d  %7d  %8.1f  %7.4f  %14.4f  %7.0f", r.Chunking.Strategy, r.Chunking.MaxTokens, r.Chunking.Overlap,
		r.Chunking.ParentTokens, r.Chunks, r.Seconds, r.Dense.NDCG10, r.Dense.SpanRecall, r.Dense.Shown)
	measured := []cutQuality{r.Dense}
	if r.Reranked == nil {
		fmt.Fprintf(o.out, "  %17s  %14s  %7s\n", "-", "-", "-")
	} else {
		measured = append(measured, *r.Reranked)
		fmt.Fprintf(o.out, "  %17.4f  %14.4f  %7.0f\n", r.Reranked.NDCG10, r.Reranked.SpanRecall, r.Reranked.Shown)
	}
	for i, q := range measured {
		if q.Late+q.Degraded > 0 {
			fmt.Fprintf(o.out, "%s %d %d%s: of %d searches %d were answered with something missing, %d not within the deadline\n", r.Chunking.Strategy,
				r.Chunking.MaxTokens, r.Chunking.Overlap, []string{"", ", reranked"}[i], queries, q.Degraded, q.Late)
		}
	}
}
