package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/httpapi"
	"github.com/redkite/redkite/internal/mcp"
	"github.com/redkite/redkite/internal/rag"
)

// tools let MCP ask the native API as whoever speaks it.
type tools struct {
	handler *mcp.Handler
	version string
}

// ServeTools answers an MCP message; ?collection=NAME, which may be repeated, keeps the tools to those collections.
func (t tools) ServeTools(w http.ResponseWriter, r *http.Request, by httpapi.Caller) {
	t.handler.Serve(w, r, client.Over(by.Native), mcp.Options{
		Version: t.version, Collections: r.URL.Query()["collection"], MayWrite: by.MayWrite, Base: baseOf(r),
	})
}

// baseOf is the address under which a client reached the server. A proxy's word for the scheme is taken: it only shows in
// links that the same client gets.
func baseOf(r *http.Request) string {
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// ToolsOptions say how MCP is spoken on a stream.
type ToolsOptions struct {
	Server, Key string // as a client's
	Version     string
	Collections []string // the only ones that the tools see; empty for all
	ReadOnly    bool     // offer no tool that changes data, whatever the key may do
}

// ServeTools speaks MCP on a stream, as a client of a server, until in or ctx ends. Tools that change data need a key.
func ServeTools(ctx context.Context, o ToolsOptions, in io.ReadCloser, out io.WriteCloser, log *slog.Logger) error {
	library := client.New(o.Server, o.Key)
	access, err := library.Access(ctx)
	if err != nil {
		return fmt.Errorf("ask the server what the key may do: %w", err)
	}
	return mcp.ServeStream(ctx, library, mcp.Options{
		Version: o.Version, Collections: o.Collections, Base: o.Server,
		MayWrite: !o.ReadOnly && access.KeyID != "" && access.Scope == rag.ScopeWrite,
	}, in, out, log)
}
