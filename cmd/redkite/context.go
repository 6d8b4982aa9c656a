package main

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/api"
)

// contextCommand packs passages for a prompt.
type contextCommand struct {
	query      `embed:""`
	packing    `embed:""`
	Format     string `enum:"text,openai,anthropic,cohere" default:"text" help:"What is printed: text, or JSON for the API of that name."`
	MaxTokens  int    `default:"2000" help:"Most tokens of passages."`
	connection `embed:""`
}

// Run prints the text; the sources go to standard error, so that the text can be piped.
func (c contextCommand) Run(ctx context.Context, o output) error {
	packing, err := c.packing.request()
	if err != nil {
		return err
	}
	result, err := c.client().Context(ctx, c.Collection, api.ContextRequest{Search: c.query.request(), Packing: packing, Format: c.Format, MaxTokens: c.MaxTokens})
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, result)
	}
	if err := printContext(o, c.Format, result); err != nil {
		return err
	}
	fmt.Fprintf(o.err, "\n%d sources, %d tokens by %s", len(result.Sources), result.Tokens, result.CountedBy)
	if result.Truncated {
		fmt.Fprint(o.err, ", cut to fit --max-tokens")
	}
	fmt.Fprintln(o.err)
	for _, s := range result.Sources {
		fmt.Fprintf(o.err, "[%d] %s, characters %d to %d\n", s.Number, s.DocumentID, s.Span.Start, s.Span.End)
	}
	return nil
}

// printContext prints what the format asks for.
func printContext(o output, format string, c api.Context) error {
	switch format {
	case "openai":
		return printJSON(o, c.Messages)
	case "anthropic":
		return printJSON(o, c.SearchResults)
	case "cohere":
		return printJSON(o, c.Documents)
	}
	_, err := fmt.Fprintln(o.out, c.Text)
	return err
}
