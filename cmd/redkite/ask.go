package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
)

// askCommand asks a question that the server's LLM answers.
type askCommand struct {
	query      `embed:""`
	packing    `embed:""`
	MaxContext int `name:"max-context-tokens" default:"3000" help:"Most tokens of passages."`
	MaxAnswer  int `name:"max-answer-tokens" help:"Most tokens of the answer. Defaults to the server's."`
	connection `embed:""`
}

// packing says how passages are packed, for context and ask.
type packing struct {
	Tokenizer string            `enum:"auto,o200k_base,cl100k_base,encoder" default:"auto" help:"What counts tokens: auto suits the server's LLM."`
	Order     string            `enum:"best_first,best_last" default:"best_first" help:"Where the best document stands."`
	Template  map[string]string `help:"Template of this request's own: system, user, passage or nothing, and a file." placeholder:"NAME=FILE"`
}

// request reads the files of templates.
func (p packing) request() (api.Packing, error) {
	out := api.Packing{Tokenizer: p.Tokenizer, Order: p.Order}
	if len(p.Template) == 0 {
		return out, nil
	}
	out.Templates = &api.Templates{}
	members := map[string]*string{"system": &out.Templates.System, "user": &out.Templates.User, "passage": &out.Templates.Passage, "nothing": &out.Templates.Nothing}
	for name, file := range p.Template {
		member, ok := members[name]
		if !ok {
			return out, fmt.Errorf("there is no template %q; there are system, user, passage and nothing", name)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return out, fmt.Errorf("read template %s: %w", name, err)
		}
		*member = string(raw)
	}
	return out, nil
}

// Run prints the answer as it comes; what it cites goes to standard error, so that the answer can be piped.
func (c askCommand) Run(ctx context.Context, o output) error {
	packing, err := c.packing.request()
	if err != nil {
		return err
	}
	q := api.Ask{
		Search: c.query.request(), Packing: packing, Query: c.Query,
		MaxContextTokens: c.MaxContext, MaxAnswerTokens: c.MaxAnswer, MinRelevance: c.MinRelevance,
	}
	q.Search.Query, q.Search.MinRelevance = "", nil // what is left out decides here whether an LLM is asked
	if o.json {
		answer, err := c.client().Ask(ctx, c.Collection, q)
		if err != nil {
			return err
		}
		return printJSON(o, answer)
	}
	var cited []api.Citation
	var done api.Done
	began := false
	err = c.client().AskStream(ctx, c.Collection, q, func(e client.AnswerEvent) error {
		switch {
		case e.Delta != nil:
			began = true
			_, err := io.WriteString(o.out, printable(e.Delta.Text))
			return err
		case e.Citation != nil:
			cited = append(cited, *e.Citation)
		case e.Done != nil:
			done = *e.Done
		}
		return nil
	})
	if began {
		fmt.Fprintln(o.out)
	}
	if err != nil {
		return err
	}
	printCited(o.err, cited)
	fmt.Fprintf(o.err, "%s, %d + %d tokens; first text after %.0f ms, of that LLM %.0f; total %.0f ms\n",
		done.FinishReason, done.Usage.PromptTokens, done.Usage.AnswerTokens, done.FirstTokenMS, done.LLMFirstMS, done.TotalMS)
	return nil
}

// printCited lists each passage that was cited, once.
func printCited(w io.Writer, cited []api.Citation) {
	fmt.Fprintln(w)
	seen := map[int]bool{}
	for _, c := range cited {
		if seen[c.Number] {
			continue
		}
		seen[c.Number] = true
		fmt.Fprintf(w, "[%d] %s", c.Number, printable(c.Title))
		if c.PageStart > 0 {
			fmt.Fprintf(w, ", page %d", c.PageStart)
		}
		fmt.Fprintf(w, ": %s, characters %d to %d\n", printable(c.DocumentID), c.Span.Start, c.Span.End)
	}
}
