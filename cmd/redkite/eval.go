package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

// evalCommand measures retrieval on a labelled set, through the server's own API.
type evalCommand struct {
	Data          string `required:"" type:"existingdir" help:"Labelled set in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."`
	Collection    string `short:"c" help:"Collection to fill. Defaults to eval-<set>."`
	Split         string `default:"test" help:"Judgements to use."`
	Candidates    int    `default:"50" help:"Chunks that the cross-encoder reads for the quality figures."`
	Queries       int    `help:"Ask only the first so many queries. Defaults to all."`
	chunkingFlags `embed:""`
	connection    `embed:""`
}

// evalReport is what was measured.
type evalReport struct {
	Set       string           `json:"set"`
	Documents int              `json:"documents"`
	Chunks    int              `json:"chunks"`
	Queries   int              `json:"queries"`
	Ingest    *evalIngest      `json:"ingest,omitempty"` // left out where the collection was filled already
	Dense     evaluate.Metrics `json:"dense"`
	Reranked  evaluate.Metrics `json:"reranked"`
	Latency   []evalLatency    `json:"latency_ms"`
}

type evalIngest struct {
	Seconds         float64 `json:"seconds"`
	ChunksPerSecond float64 `json:"chunks_per_second"`
}

// evalLatency is a stage's wall time over all queries, with the API's defaults for top_k and candidates.
type evalLatency struct {
	Stage string  `json:"stage"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
}

// Run fills the collection if it is not, asks every judged query with and without the cross-encoder, and prints both.
func (c evalCommand) Run(ctx context.Context, o output) error {
	set, err := evaluate.Load(c.Data, c.Split)
	if err != nil {
		return err
	}
	if c.Queries > 0 && c.Queries < len(set.Queries) {
		set.Queries = set.Queries[:c.Queries]
	}
	if c.Collection == "" {
		c.Collection = "eval-" + set.Name
	}
	server := c.client()
	report := evalReport{Set: set.Name, Documents: len(set.Corpus), Queries: len(set.Queries)}
	if report.Ingest, err = c.fill(ctx, o, server, set); err != nil {
		return err
	}
	collection, err := server.Collection(ctx, c.Collection)
	if err != nil {
		return err
	}
	report.Chunks = collection.Chunks
	if report.Ingest != nil {
		report.Ingest.ChunksPerSecond = float64(report.Chunks) / report.Ingest.Seconds
	}
	if report.Dense, err = c.measure(ctx, o, server, set, false); err != nil {
		return err
	}
	if report.Reranked, err = c.measure(ctx, o, server, set, true); err != nil {
		return err
	}
	if report.Latency, err = c.latency(ctx, o, server, set); err != nil {
		return err
	}
	if o.json {
		return printJSON(o, report)
	}
	return report.print(o)
}

// uploadBatch is how many documents go into one request.
const uploadBatch = 200

// fill uploads the corpus and waits until it is searchable; nil when the collection holds it already.
func (c evalCommand) fill(ctx context.Context, o output, server *client.Client, set evaluate.Dataset) (*evalIngest, error) {
	_, err := server.CreateCollection(ctx, api.NewCollection{Name: c.Collection, Chunking: c.asked()})
	if err != nil && !errors.Is(err, rag.ErrConflict) {
		return nil, err
	}
	began := time.Now()
	changed := false
	for batch := range slices.Chunk(set.Corpus, uploadBatch) {
		documents := make([]api.NewDocument, len(batch))
		for i, d := range batch {
			documents[i] = api.NewDocument{ID: d.ID, Title: d.Title, Text: d.Text, Chunking: c.asked()}
		}
		uploaded, err := server.UploadDocuments(ctx, c.Collection, documents)
		if err != nil {
			return nil, err
		}
		for _, d := range uploaded.Documents {
			changed = changed || !d.Unchanged
		}
	}
	if !changed {
		return nil, nil
	}
	p := newProgress(o, len(set.Corpus), "documents searchable")
	defer p.finish()
	for shown := 0; ; {
		collection, err := server.Collection(ctx, c.Collection)
		if err != nil {
			return nil, err
		}
		over := collection.Documents.Total - collection.Documents.Pending
		p.add(over-shown, "")
		shown = over
		if collection.Documents.Pending == 0 {
			if collection.Documents.Failed > 0 {
				return nil, fmt.Errorf("%d documents failed; list them with GET .../documents?status=failed", collection.Documents.Failed)
			}
			return &evalIngest{Seconds: time.Since(began).Seconds()}, nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// evalDeadline lets the cross-encoder read all candidates on any machine.
const evalDeadline = time.Minute

// mostHits is what the API gives at most.
const mostHits = 100

// measure asks every query and compares the documents' order with the judgements.
func (c evalCommand) measure(ctx context.Context, o output, server *client.Client, set evaluate.Dataset, rerank bool) (evaluate.Metrics, error) {
	candidates := mostHits
	if rerank {
		candidates = c.Candidates
	}
	p := newProgress(o, len(set.Queries), map[bool]string{false: "queries, bi-encoder", true: "queries, reranked"}[rerank])
	defer p.finish()
	rankings := make(map[string][]string, len(set.Queries))
	for _, q := range set.Queries {
		result, err := server.Search(ctx, c.Collection, api.Search{
			Query: q.Text, TopK: min(candidates, mostHits), Candidates: candidates, Rerank: &rerank, DeadlineMS: int(evalDeadline.Milliseconds()),
		})
		if err != nil {
			return evaluate.Metrics{}, err
		}
		if len(result.Degraded) > 0 || result.Ended == "deadline" {
			return evaluate.Metrics{}, fmt.Errorf("query %s: %d of %d candidates reranked, degraded %v: its figures would not count",
				q.ID, result.Reranked, result.Candidates, result.Degraded)
		}
		ids := make([]string, len(result.Hits))
		for i, h := range result.Hits {
			ids[i] = h.DocumentID
		}
		rankings[q.ID] = evaluate.Distinct(ids)
		p.add(1, q.ID)
	}
	return evaluate.Measure(set, rankings), nil
}

// latency asks every query once more as a chatbot would, one after the other, with the API's defaults.
func (c evalCommand) latency(ctx context.Context, o output, server *client.Client, set evaluate.Dataset) ([]evalLatency, error) {
	p := newProgress(o, len(set.Queries), "queries, timed")
	defer p.finish()
	fast := false
	times := map[string][]float64{}
	for _, q := range set.Queries {
		began := time.Now()
		result, err := server.Search(ctx, c.Collection, api.Search{Query: q.Text, DeadlineMS: int(evalDeadline.Milliseconds())})
		if err != nil {
			return nil, err
		}
		t := result.TimingsMS
		for stage, ms := range map[string]float64{
			"embed": t.Embed, "search": t.Search, "live": t.Live, "rerank": t.Rerank, "whole request": float64(time.Since(began).Microseconds()) / 1000,
		} {
			times[stage] = append(times[stage], ms)
		}
		began = time.Now()
		if _, err := server.Search(ctx, c.Collection, api.Search{Query: q.Text, Rerank: &fast}); err != nil {
			return nil, err
		}
		times["whole request, not reranked"] = append(times["whole request, not reranked"], float64(time.Since(began).Microseconds())/1000)
		p.add(1, q.ID)
	}
	var out []evalLatency
	for _, stage := range []string{"embed", "search", "live", "rerank", "whole request", "whole request, not reranked"} {
		slices.Sort(times[stage])
		at := func(share float64) float64 { return times[stage][int(share*float64(len(times[stage])-1))] }
		out = append(out, evalLatency{Stage: stage, P50: at(0.5), P95: at(0.95)})
	}
	return out, nil
}

func (r evalReport) print(o output) error {
	fmt.Fprintf(o.out, "%s: %d documents, %d chunks, %d queries\n", r.Set, r.Documents, r.Chunks, r.Queries)
	if r.Ingest != nil {
		fmt.Fprintf(o.out, "ingested in %.1f s, %.1f chunks a second\n", r.Ingest.Seconds, r.Ingest.ChunksPerSecond)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tnDCG@10\trecall@10\tMRR@10\trecall@100\t")
	for _, row := range []struct {
		name string
		m    evaluate.Metrics
		deep string // reranking sees fewer candidates, so its recall at 100 would say nothing
	}{{"bi-encoder alone", r.Dense, fmt.Sprintf("%.4f", r.Dense.Recall100)}, {"reranked (blend)", r.Reranked, "-"}} {
		fmt.Fprintf(table, "%s\t%.4f\t%.4f\t%.4f\t%s\t\n", row.name, row.m.NDCG10, row.m.Recall10, row.m.MRR10, row.deep)
	}
	fmt.Fprintf(table, "\t\t\t\t\t\nms\tp50\tp95\t\t\t\n")
	for _, l := range r.Latency {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t\t\t\n", l.Stage, l.P50, l.P95)
	}
	return table.Flush()
}
