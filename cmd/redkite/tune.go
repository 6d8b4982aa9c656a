package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

// tuneCommand chooses settings of retrieval by a labelled set.
type tuneCommand struct {
	labelled   `embed:""`
	Grid       string `type:"existingfile" help:"JSON file with an object: members of a search request, each with the values to try. Defaults to depth, weight of the cross-encoder, mode and fusion, as far as the server takes them." placeholder:"FILE"`
	Measure    string `default:"ndcg@10" help:"Measure to choose by: ndcg@10, success@1, mrr@10, map@10 or recall@10."`
	Folds      int    `default:"5" help:"Parts that the questions are dealt into for cross-validation."`
	Seed       uint64 `default:"1" help:"Of the dealing and of the resampling."`
	Apply      bool   `help:"Write what was chosen to the collection, where its gain is told from noise."`
	connection `embed:""`
}

// leastQuestions is how many questions a choice needs: with fewer, folds of a few questions each, an interval means
// nothing.
const leastQuestions = 20

// defaultGrid is what is tried where no file says. Members that a server does not take are left out.
const defaultGrid = `{
	"candidates": [10, 20, 35, 50, 75, 100],
	"rerank": [true, false],
	"cross_weight": [0.2, 0.35, 0.5, 0.65, 0.8, 1],
	"mode": ["dense", "hybrid"]
}`

// tuned is what a tuning found.
type tuned struct {
	Collection string   `json:"collection"`
	Set        string   `json:"set"`
	Questions  int      `json:"questions"`
	Candidates int      `json:"candidates"`
	Measure    string   `json:"measure"`
	LeftOut    []string `json:"left_out"`
	evaluate.Choice
	Applied bool `json:"applied"`
}

// Run asks, chooses, reports, and applies where that is asked and worth it.
func (c tuneCommand) Run(ctx context.Context, o output) error {
	measure, grid, err := c.settle()
	if err != nil {
		return err
	}
	set, err := c.load()
	if err != nil {
		return err
	}
	if len(set.Queries) < leastQuestions || c.Folds > len(set.Queries) {
		return &evaluate.Fault{Path: c.Data, What: fmt.Sprintf("has %d judged questions; a choice needs at least %d, and as many as there are folds", len(set.Queries), leastQuestions)}
	}
	server := c.client()
	filled, err := c.fill(ctx, o, server, &set)
	if err != nil {
		return err
	}
	defer filled.remove(ctx, o)
	report := tuned{Collection: filled.collection, Set: set.Name, Questions: len(set.Queries), Measure: measure.Name, LeftOut: []string{}}
	p := newProgress(o, 1, "searches")
	table, err := evaluate.Tuning{
		Set: set, Grid: grid, Measure: measure, Searcher: searcher{server, filled.collection}, Asked: p.set,
		Told: func(line string) {
			report.LeftOut = append(report.LeftOut, line)
			if !o.json {
				fmt.Fprintln(o.err, line)
			}
		},
	}.Table(ctx)
	p.finish()
	if err != nil {
		return err
	}
	report.Candidates = len(table.Candidates)
	report.Choice = table.Choose(c.Folds, c.Seed)
	if report.Told && c.Apply && !filled.scratch {
		if report.Applied, err = apply(ctx, o, server, filled.collection, report.Chosen.Request); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(o, report)
	}
	report.print(o, c.Apply)
	return nil
}

// settle reads the flags that say what is tried.
func (c tuneCommand) settle() (evaluate.Measure, evaluate.Grid, error) {
	measures := evaluate.Measures()
	at := slices.IndexFunc(measures, func(m evaluate.Measure) bool { return m.Name == c.Measure })
	if at < 0 {
		return evaluate.Measure{}, nil, &evaluate.Fault{Path: "--measure " + c.Measure, What: "is none of ndcg@10, success@1, mrr@10, map@10, recall@10"}
	}
	if c.Folds < 2 {
		return evaluate.Measure{}, nil, &evaluate.Fault{Path: "--folds", What: "are at least 2"}
	}
	path, raw := "the default grid", []byte(defaultGrid)
	if c.Grid != "" {
		read, err := os.ReadFile(c.Grid)
		if err != nil {
			return evaluate.Measure{}, nil, fmt.Errorf("read grid: %w", err)
		}
		path, raw = c.Grid, read
	}
	grid, err := evaluate.ReadGrid(path, raw)
	return measures[at], grid, err
}

// patchOf gives what a collection keeps of a choice: its mode, and its retrieval. The other members, rest, have to be given
// with each search.
func patchOf(chosen evaluate.Request) (patch map[string]any, rest evaluate.Request) {
	patch, rest = map[string]any{}, evaluate.Request{}
	retrieval := evaluate.Request{}
	for member, value := range chosen {
		switch member {
		case "mode":
			patch["mode"] = value
		case "candidates", "rerank_ms", "cross_weight", "normalisation", "min_relevance", "duplicates", "max_per_document":
			retrieval[member] = value
		case "rerank":
			if string(value) != "true" { // that is what a search does anyway
				rest[member] = value
			}
		default:
			rest[member] = value
		}
	}
	if len(retrieval) > 0 {
		patch["retrieval"] = retrieval
	}
	return patch, rest
}

// apply writes a choice to the collection; a server that does not take retrieval settings is told of, with what to give.
func apply(ctx context.Context, o output, server *client.Client, collection string, chosen evaluate.Request) (bool, error) {
	patch, rest := patchOf(chosen)
	if len(rest) > 0 {
		fmt.Fprintf(o.err, "a collection does not keep %s: give it with each search\n", rest.Text())
	}
	if len(patch) == 0 {
		return false, nil
	}
	_, err := server.PatchCollection(ctx, collection, patch)
	if errors.Is(err, rag.ErrInvalid) {
		fmt.Fprintf(o.err, "the server does not take these settings for a collection (%v); give them with each search\n", err)
		return false, nil
	}
	return err == nil, err
}

func (t tuned) print(o output, asked bool) {
	fmt.Fprintf(o.out, "%s on %d questions of %s, %d combinations\n", t.Collection, t.Questions, t.Set, t.Candidates)
	fmt.Fprintf(o.out, "in use: %s %.4f (%.4f to %.4f)\n", t.Measure, t.Before.Mean, t.Before.Low, t.Before.High)
	fmt.Fprintf(o.out, "gain of what was chosen, on questions that had no part in the choice: %+.4f (95%% of resamples: %+.4f to %+.4f)\n", t.Gain.Mean, t.Gain.Low, t.Gain.High)
	if !t.Told {
		fmt.Fprintln(o.out, "no gain told from noise: nothing is changed")
		if t.Index != 0 {
			fmt.Fprintf(o.out, "best on these questions was %s, which may be chance\n", t.Chosen.Request.Text())
		}
		return
	}
	patch, _ := patchOf(t.Chosen.Request)
	text, err := json.Marshal(patch)
	if err != nil {
		text = []byte(t.Chosen.Name)
	}
	fmt.Fprintf(o.out, "chosen: %s (%.4f on all questions, which flatters it)\n", t.Chosen.Request.Text(), t.After)
	switch {
	case t.Applied:
		fmt.Fprintf(o.out, "written to collection %s\n", t.Collection)
	case asked:
		fmt.Fprintln(o.out, "not written to the collection")
	default:
		fmt.Fprintf(o.out, "to use it: repeat with --apply, or PATCH /api/v1/collections/%s with %s\n", t.Collection, text)
	}
}
