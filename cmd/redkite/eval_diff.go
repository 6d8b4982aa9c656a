package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/redkite/redkite/internal/evaluate"
)

// evalDiffCommand compares two kept results query by query.
type evalDiffCommand struct {
	A          string `arg:"" help:"Run, as its id or its folder, and after a colon the configuration; without one, the run's first." name:"run-a"`
	B          string `arg:"" help:"Run, likewise." name:"run-b"`
	Measure    string `default:"ndcg@10" help:"Measure that decides what is better."`
	Limit      int    `default:"10" help:"Questions shown of each kind; 0 for all."`
	Passages   int    `default:"3" help:"Passages shown of each side of a question."`
	runsFolder `embed:""`
}

// Run prints the questions that B answers better and worse than A, with the passages.
func (c evalDiffCommand) Run(_ context.Context, o output) error {
	a, err := c.open(c.A)
	if err != nil {
		return err
	}
	b, err := c.open(c.B)
	if err != nil {
		return err
	}
	compared, err := evaluate.Compare(a, b, c.Measure, c.Passages)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, compared)
	}
	printComparison(o.out, compared, c.Limit)
	return nil
}

// open reads RUN or RUN:CONFIGURATION.
func (c evalDiffCommand) open(name string) (evaluate.Side, error) {
	run, passages, err := evaluate.Open(c.Runs, name)
	configuration := ""
	if at := strings.LastIndex(name, ":"); err != nil && at > 0 {
		configuration = name[at+1:]
		run, passages, err = evaluate.Open(c.Runs, name[:at])
	}
	if err != nil {
		return evaluate.Side{}, err
	}
	result, err := run.Result(configuration)
	return evaluate.Side{Run: run, Result: result, Passages: passages}, err
}

func printComparison(w io.Writer, c evaluate.Comparison, limit int) {
	fmt.Fprintf(w, "A %s\nB %s\n", c.A, c.B)
	for _, line := range c.Unlike {
		fmt.Fprintln(w, "not alike:", line)
	}
	told := "told from noise"
	if !c.Difference.Excludes(0) {
		told = "not told from noise"
	}
	fmt.Fprintf(w, "%s of B less A: %+.4f (95%% of resamples: %+.4f to %+.4f), %s; of %d questions %d are better, %d worse, %d the same\n",
		c.Measure, c.Difference.Mean, c.Difference.Low, c.Difference.High, told, c.Queries, len(c.Better), len(c.Worse), c.Same)
	printChanges(w, "better", c.Better, limit)
	printChanges(w, "worse", c.Worse, limit)
}

func printChanges(w io.Writer, kind string, changes []evaluate.Change, limit int) {
	shown := changes
	if limit > 0 {
		shown = changes[:min(limit, len(changes))]
	}
	for _, change := range shown {
		fmt.Fprintf(w, "\n%s: %.4f -> %.4f  %s: %s\n", kind, change.Before, change.After, change.ID, change.Text)
		for _, side := range []struct {
			name string
			hits []evaluate.Shown
		}{{"A", change.A}, {"B", change.B}} {
			for _, h := range side.hits {
				mark := " "
				if h.Relevant {
					mark = "*"
				}
				fmt.Fprintf(w, "  %s%s %d. %s %s\n", side.name, mark, h.Rank, h.DocumentID, excerpt(h))
			}
		}
	}
	if more := len(changes) - len(shown); more > 0 {
		fmt.Fprintf(w, "\nand %d more that are %s; --limit 0 shows all\n", more, kind)
	}
}

// excerptRunes is how much of a passage a comparison shows.
const excerptRunes = 160

func excerpt(h evaluate.Shown) string {
	text := []rune(strings.Join(strings.Fields(h.Title+": "+h.Text), " "))
	if len(text) > excerptRunes {
		text = append(text[:excerptRunes], []rune(" ...")...)
	}
	return string(text)
}
