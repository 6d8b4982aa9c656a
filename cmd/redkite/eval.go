package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
)

// evalCommand measures retrieval on labelled sets, through the server's own API.
type evalCommand struct {
	Run  evalRunCommand  `cmd:"" default:"withargs" help:"Ask a labelled set's questions under configurations, side by side. The default."`
	Diff evalDiffCommand `cmd:"" help:"Show which questions one run or configuration answers better and worse than another."`
	Runs evalRunsCommand `cmd:"" help:"List the runs that are kept."`
}

// runsFolder is where runs are kept.
type runsFolder struct {
	Runs string `type:"path" default:"./data/runs" help:"Folder of the runs that are kept. Defaults to ./data/runs."`
}

type evalRunCommand struct {
	labelled       `embed:""`
	Configurations string   `type:"existingfile" help:"JSON file with an object: a member for each configuration, with members of a search request. The first is what the others are compared with." placeholder:"FILE"`
	Configuration  []string `sep:"none" help:"A configuration, as name={...}; may be repeated. Defaults to bi-encoder={\"rerank\":false,\"top_k\":100} and default={}." placeholder:"NAME=JSON"`
	SkipRefused    bool     `help:"Leave out a configuration that the server refuses, with a line, instead of ending."`
	Recall         []int    `default:"100" help:"Depths of recall and MAP beside 10; measured where a configuration's top_k is as much."`
	Seed           uint64   `default:"1" help:"Of the resampling that the intervals come from."`
	runsFolder     `embed:""`
	connection     `embed:""`
}

// Run asks, sums up, and keeps the run.
func (c evalRunCommand) Run(ctx context.Context, o output) error {
	configurations, err := c.configured()
	if err != nil {
		return err
	}
	set, err := c.load()
	if err != nil {
		return err
	}
	server := c.client()
	filled, err := c.fill(ctx, o, server, &set)
	if err != nil {
		return err
	}
	defer filled.remove(ctx, o)
	made := time.Now()
	run := evaluate.Run{ID: evaluate.NewID(made, set.Name), Made: made.UTC(), Set: set.Facts(), Seed: c.Seed, Questions: set.Questions(), Ingest: filled.ingest}
	if err := describe(ctx, server, filled.collection, &run); err != nil {
		return err
	}
	p := newProgress(o, len(set.Queries), fmt.Sprintf("queries, %d configurations", len(configurations)))
	survey := evaluate.Survey{
		Set: set, Configurations: configurations, Measures: evaluate.Measures(c.Recall...), Searcher: searcher{server, filled.collection},
		Seed: c.Seed, SkipRefused: c.SkipRefused, Asked: func(n int) { p.set(n, len(set.Queries)) },
		Refused: func(err error) {
			run.LeftOut = append(run.LeftOut, err.Error())
			fmt.Fprintln(o.err, err)
		},
	}
	results, passages, err := survey.Run(ctx)
	p.finish()
	if err != nil {
		return err
	}
	run.Results = results
	return c.keep(o, run, passages)
}

// configured gives the configurations that the flags name, or the usual two.
func (c evalRunCommand) configured() ([]evaluate.Configuration, error) {
	var out []evaluate.Configuration
	if c.Configurations != "" {
		read, err := evaluate.ReadConfigurations(c.Configurations)
		if err != nil {
			return nil, err
		}
		out = read
	}
	given := c.Configuration
	if len(given) == 0 && len(out) == 0 {
		given = []string{`bi-encoder={"mode":"dense","rerank":false,"top_k":100}`, `default={}`}
	}
	for _, text := range given {
		one, err := evaluate.ParseConfiguration("--configuration", text)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, evaluate.DistinctNames(out)
}

// keep writes the run, its table and its plots, and prints them.
func (c evalRunCommand) keep(o output, run evaluate.Run, passages map[int64]evaluate.Passage) error {
	dir, err := run.Keep(c.Runs, passages)
	if err != nil {
		return err
	}
	plots, err := plotRun(dir, run)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, struct {
			evaluate.Run
			Folder string   `json:"folder"`
			Plots  []string `json:"plots"`
		}{run, dir, plots})
	}
	fmt.Fprintf(o.out, "%s\n", run.Markdown())
	for _, r := range run.Results {
		if r.Degraded+r.Late > 0 {
			fmt.Fprintf(o.out, "%s: of %d queries %d were answered with something missing, %d not within the deadline; run.json says which\n", r.Name, len(r.Queries), r.Degraded, r.Late)
		}
	}
	fmt.Fprintf(o.out, "kept in %s, with %d plots\n", dir, len(plots))
	return nil
}

// describe notes what is searched, and with what.
func describe(ctx context.Context, server *client.Client, collection string, run *evaluate.Run) error {
	shown, err := server.Collection(ctx, collection)
	if err != nil {
		return err
	}
	print, err := server.Fingerprint(ctx, collection)
	if err != nil {
		return err
	}
	cut := shown.Chunking
	run.Collection = evaluate.CollectionFacts{
		Name: shown.Name, Documents: print.Documents, Chunks: print.Chunks, Fingerprint: print.Fingerprint,
		Chunking: fmt.Sprintf("%s, %d tokens, overlap %d", cut.Strategy, cut.MaxTokens, cut.Overlap),
	}
	if run.Ingest != nil {
		run.Ingest.ChunksPerSecond = float64(print.Chunks) / run.Ingest.Seconds
	}
	models, err := server.Models(ctx)
	if err != nil {
		return err
	}
	for _, m := range models.Models {
		if m.Name == shown.Model || m.Kind == "cross-encoder" && m.Default {
			run.Models = append(run.Models, evaluate.ModelFacts{Name: m.Name, Kind: m.Kind, SHA256: m.SHA256})
		}
	}
	version, err := server.Version(ctx)
	run.Version = version.Version
	return err
}

// evalRunsCommand lists runs.
type evalRunsCommand struct {
	runsFolder `embed:""`
}

// Run prints a line for each run.
func (c evalRunsCommand) Run(_ context.Context, o output) error {
	runs, err := evaluate.Kept(c.Runs)
	if err != nil {
		return err
	}
	if o.json {
		for i := range runs { // the sums only
			runs[i].Questions = nil
			for n := range runs[i].Results {
				runs[i].Results[n].Queries = nil
			}
		}
		if runs == nil {
			runs = []evaluate.Run{}
		}
		return printJSON(o, runs)
	}
	for _, r := range runs {
		fmt.Fprintf(o.out, "%s  %s, %d queries, content %.12s\n", r.ID, r.Set.Name, r.Set.Queries, r.Collection.Fingerprint)
		for _, result := range r.Results {
			fmt.Fprintf(o.out, "    %s  nDCG@10 %.4f, p95 %.0f ms\n", result.Name, result.Summary.Measures["ndcg@10"].Mean, result.Latency["request"].P95)
		}
	}
	if len(runs) == 0 {
		fmt.Fprintln(o.out, "no run is kept in", c.Runs)
	}
	return nil
}

// isFolder says that a path is a folder's.
func isFolder(path string) bool {
	stat, err := os.Stat(filepath.Clean(path))
	return err == nil && stat.IsDir()
}
