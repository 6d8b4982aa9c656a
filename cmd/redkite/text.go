package main

import (
	"context"
	"strings"
)

// textCommand prints the text of a document, as it was parsed.
type textCommand struct {
	Document   string `arg:"" help:"The document's id."`
	Collection string `short:"c" required:"" help:"Its collection."`
	Start      int    `help:"The first code point wanted, as spans of hits say it."`
	End        int    `help:"The code point before which to end. Defaults to the text's end."`
	connection `embed:""`
}

// Run prints the text.
func (c textCommand) Run(ctx context.Context, o output) error {
	if !o.json {
		return c.client().Text(ctx, c.Collection, c.Document, c.Start, c.End, o.out)
	}
	var text strings.Builder
	if err := c.client().Text(ctx, c.Collection, c.Document, c.Start, c.End, &text); err != nil {
		return err
	}
	return printJSON(o, map[string]any{"document_id": c.Document, "start": c.Start, "text": text.String()})
}
