package main

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/api"
)

// contextCommand packs passages for a prompt.
type contextCommand struct {
	query      `embed:""`
	MaxTokens  int `default:"2000" help:"Most tokens in the text."`
	connection `embed:""`
}

// Run prints the text; the sources go to standard error, so that the text can be piped.
func (c contextCommand) Run(ctx context.Context, o output) error {
	result, err := c.client().Context(ctx, c.Collection, api.ContextRequest{Search: c.request(), MaxTokens: c.MaxTokens})
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, result)
	}
	fmt.Fprintln(o.out, result.Text)
	fmt.Fprintf(o.err, "\n%d sources, %d tokens", len(result.Sources), result.Tokens)
	if result.Truncated {
		fmt.Fprint(o.err, ", cut to fit --max-tokens")
	}
	fmt.Fprintln(o.err)
	for _, s := range result.Sources {
		fmt.Fprintf(o.err, "[%d] %s, characters %d to %d\n", s.Number, s.DocumentID, s.Span.Start, s.Span.End)
	}
	return nil
}
