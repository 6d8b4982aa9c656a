package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/redkite/redkite/internal/app"
)

// mcpCommand offers a server's search to a host of the Model Context Protocol that starts it as a child process.
type mcpCommand struct {
	Collection []string `short:"c" help:"Collections that the tools see. Defaults to all of the key's tenant."`
	ReadOnly   bool     `help:"Offer no tool that changes data, whatever the key may do."`
	connection `embed:""`
}

// Run speaks MCP on standard input and output; what goes wrong is told on standard error.
func (c mcpCommand) Run(ctx context.Context, o output) error {
	return app.ServeTools(ctx, app.ToolsOptions{
		Server: strings.TrimRight(c.Server, "/"), Key: c.APIKey, Version: version, Collections: c.Collection, ReadOnly: c.ReadOnly,
	}, os.Stdin, keptOpen{o.out}, slog.New(slog.NewTextHandler(o.err, nil)))
}

// keptOpen is an output that its user may close as often as it likes.
type keptOpen struct{ io.Writer }

// Close implements io.Closer.
func (keptOpen) Close() error { return nil }
