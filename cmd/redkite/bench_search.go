package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

// benchSearchCommand measures a running server's searches.
type benchSearchCommand struct {
	Collection string `short:"c" required:"" help:"Collection to search."`
	Data       string `required:"" type:"existingdir" help:"Labelled set in BEIR's layout, for its queries."`
	Split      string `default:"test" help:"Judgements that choose the queries."`
	Clients    []int  `default:"1,2,4,8" help:"Clients that ask at once: a round for each number."`
	Requests   int    `default:"200" help:"Searches a round; queries are asked in turn, again from the first where there are fewer."`
	Candidates int    `help:"Chunks that the cross-encoder reads. Defaults to the server's."`
	Mode       string `enum:",dense,lexical,hybrid" default:"" help:"Which searches find candidates: dense, lexical or hybrid. Defaults to the collection's."`
	Rerank     bool   `default:"true" negatable:"" help:"Let the cross-encoder order the candidates."`
	Plot       string `type:"path" help:"Draw the percentiles into this file: .svg, .png or .pdf."`
	connection `embed:""`
}

// Validate is called by kong.
func (c benchSearchCommand) Validate() error {
	for _, n := range c.Clients {
		if n < 1 {
			return fmt.Errorf("--clients are at least 1, not %d", n)
		}
	}
	if c.Requests < 1 {
		return fmt.Errorf("--requests is at least 1, not %d", c.Requests)
	}
	return nil
}

// benchRound is what one number of clients measured. Times are in milliseconds: those of stages as the server tells
// them, "request" as the client saw it.
type benchRound struct {
	Clients         int          `json:"clients"`
	Requests        int          `json:"requests"`
	Failed          int          `json:"failed"`            // refused or broken off; not in the times
	Degraded        int          `json:"degraded"`          // answered with something missing
	RequestsASecond float64      `json:"requests_a_second"` // answered ones
	RerankedMean    float64      `json:"reranked_mean"`     // candidates that the cross-encoder read, a search
	Stages          []benchStage `json:"stages"`
	FirstError      string       `json:"first_error,omitempty"`
}

type benchStage struct {
	Stage string `json:"stage"`
	evaluate.Quantiles
}

// Run asks one query to warm up, then a round for each number of clients.
func (c benchSearchCommand) Run(ctx context.Context, o output) error {
	set, err := evaluate.Load(c.Data, c.Split)
	if err != nil {
		return err
	}
	server := c.client()
	if _, err := server.Search(ctx, c.Collection, c.request(set.Queries[0].Text)); err != nil {
		return err
	}
	var rounds []benchRound
	for _, clients := range c.Clients {
		rounds = append(rounds, c.round(ctx, o, server, set.Queries, clients))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if c.Plot != "" {
		if err := plotRounds(c.Plot, rounds); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(o, rounds)
	}
	return printRounds(o, rounds)
}

func (c benchSearchCommand) request(text string) api.Search {
	return api.Search{Query: text, Candidates: c.Candidates, Mode: rag.Mode(c.Mode), Rerank: &c.Rerank}
}

// answer is what one search gave.
type answer struct {
	result api.SearchResult
	took   time.Duration
	err    error
}

// round asks Requests queries from so many clients; each asks its next when it has its answer.
func (c benchSearchCommand) round(ctx context.Context, o output, server *client.Client, queries []evaluate.Text, clients int) benchRound {
	p := newProgress(o, c.Requests, fmt.Sprintf("searches, %d at once", clients))
	defer p.finish()
	answers := make([]answer, c.Requests)
	var next atomic.Int64
	var asking sync.WaitGroup
	began := time.Now()
	for range clients {
		asking.Go(func() {
			for i := int(next.Add(1)) - 1; i < c.Requests && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				asked := time.Now()
				a := &answers[i]
				a.result, a.err = server.Search(ctx, c.Collection, c.request(queries[i%len(queries)].Text))
				a.took = time.Since(asked)
				p.add(1, "")
			}
		})
	}
	asking.Wait()
	return roundOf(clients, answers, time.Since(began))
}

// roundOf sums a round up.
func roundOf(clients int, answers []answer, took time.Duration) benchRound {
	round := benchRound{Clients: clients, Requests: len(answers)}
	stages := []string{"embed", "search", "live", "rerank", "total", "request"}
	times := make([][]float64, len(stages))
	reranked := 0
	for _, a := range answers {
		if a.err != nil {
			round.Failed++
			if round.FirstError == "" {
				round.FirstError = a.err.Error()
			}
			continue
		}
		if len(a.result.Degraded) > 0 {
			round.Degraded++
		}
		reranked += a.result.Reranked
		t := a.result.TimingsMS
		for i, ms := range []float64{t.Embed, t.Search, t.Live, t.Rerank, t.Total, float64(a.took.Microseconds()) / 1000} {
			times[i] = append(times[i], ms)
		}
	}
	if answered := len(answers) - round.Failed; answered > 0 {
		round.RequestsASecond = float64(answered) / took.Seconds()
		round.RerankedMean = float64(reranked) / float64(answered)
	}
	for i, stage := range stages {
		round.Stages = append(round.Stages, benchStage{stage, evaluate.QuantilesOf(times[i])})
	}
	return round
}

func printRounds(o output, rounds []benchRound) error {
	for _, r := range rounds {
		fmt.Fprintf(o.out, "%d at once: %d searches, %.1f a second, %.1f candidates reranked each, %d degraded, %d failed\n",
			r.Clients, r.Requests, r.RequestsASecond, r.RerankedMean, r.Degraded, r.Failed)
		if r.FirstError != "" {
			fmt.Fprintln(o.out, "first failure:", r.FirstError)
		}
		table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(table, "ms\tp50\tp95\tp99\tmax\t")
		for _, s := range r.Stages {
			fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t\n", s.Stage, s.P50, s.P95, s.P99, s.Max)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}
