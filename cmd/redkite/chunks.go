package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/rag"
)

// chunksCommand cuts a file as ingestion would.
type chunksCommand struct {
	File            string `arg:"" type:"existingfile" help:"File to cut."`
	chunkingFlags   `embed:""`
	config.Settings `embed:""`
}

// cutReport is what was made of a file.
type cutReport struct {
	File      string                `json:"file"`
	MediaType string                `json:"media_type"`
	Title     string                `json:"title"`
	Pages     int                   `json:"pages"`
	Blocks    map[rag.BlockKind]int `json:"blocks"`
	Text      string                `json:"text"`
	Chunking  rag.Chunking          `json:"chunking"`
	Warnings  []rag.Warning         `json:"warnings"`
	Chunks    []shownChunk          `json:"chunks"`
}

type shownChunk struct {
	Ordinal  int         `json:"ordinal"`
	Span     rag.Span    `json:"span"`
	Page     int         `json:"page,omitempty"`
	Tokens   int         `json:"tokens"`
	Headings []string    `json:"headings"`
	Header   string      `json:"header,omitempty"`
	Text     string      `json:"text"`
	Parent   *api.Parent `json:"parent,omitempty"`
}

// Run prints the chunks, in two colours by turns on a terminal.
func (c chunksCommand) Run(ctx context.Context, o output) error {
	var asked api.NewChunking
	if flags := c.asked(); flags != nil {
		asked = *flags
	}
	cut, err := app.Cut(ctx, c.Settings, c.File, asked)
	if err != nil {
		return err
	}
	report := cutReport{File: c.File, MediaType: cut.MediaType, Title: cut.Title, Pages: cut.Pages, Blocks: cut.Blocks, Text: cut.Text, Chunking: cut.Chunking, Warnings: cut.Warnings}
	if report.Warnings == nil {
		report.Warnings = []rag.Warning{}
	}
	for _, ch := range cut.Chunks {
		shown := shownChunk{Ordinal: ch.Ordinal, Span: ch.Span, Page: ch.PageStart, Tokens: ch.Tokens, Headings: ch.Headings, Header: ch.Header, Text: ch.Text}
		if shown.Headings == nil {
			shown.Headings = []string{}
		}
		if p := ch.Parent; p != nil {
			shown.Parent = &api.Parent{Span: p.Span, Header: p.Header, Text: p.Text}
		}
		report.Chunks = append(report.Chunks, shown)
	}
	if o.json {
		return printJSON(o, report)
	}
	report.print(o, coloured(o))
	return nil
}

// coloured reports whether the output is a terminal whose user has nothing against colours (no-color.org).
func coloured(o output) bool {
	file, ok := o.out.(*os.File)
	return ok && isTerminal(file) && os.Getenv("NO_COLOR") == ""
}

// What colours text in a terminal; two take turns, so that it is seen where a chunk ends.
const (
	cyan   = "\x1b[36m"
	yellow = "\x1b[33m"
	faint  = "\x1b[2m"
	plain  = "\x1b[0m"
)

func (r cutReport) print(o output, colour bool) {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return code + text + plain
	}
	for i, ch := range r.Chunks {
		fmt.Fprintln(o.out, paint(faint, ch.line()))
		if ch.Header != "" {
			fmt.Fprintln(o.out, paint(faint, printable(ch.Header)))
		}
		fmt.Fprintf(o.out, "%s\n\n", paint([]string{cyan, yellow}[i%2], printable(ch.Text)))
	}
	tokens := 0
	for _, ch := range r.Chunks {
		tokens += ch.Tokens
	}
	fmt.Fprintf(o.out, "%d chunks of %s, %d tokens; %s, at most %d tokens, overlap %d\n",
		len(r.Chunks), r.MediaType, tokens, r.Chunking.Strategy, r.Chunking.MaxTokens, r.Chunking.Overlap)
	for _, w := range r.Warnings {
		fmt.Fprintln(o.out, "warning:", w)
	}
}

// line is what stands over a chunk.
func (ch shownChunk) line() string {
	parts := []string{fmt.Sprintf("%d  [%d, %d)", ch.Ordinal, ch.Span.Start, ch.Span.End)}
	if ch.Page > 0 {
		parts = append(parts, fmt.Sprintf("page %d", ch.Page))
	}
	parts = append(parts, fmt.Sprintf("%d tokens", ch.Tokens))
	if ch.Parent != nil {
		parts = append(parts, fmt.Sprintf("parent [%d, %d)", ch.Parent.Span.Start, ch.Parent.Span.End))
	}
	if len(ch.Headings) > 0 {
		parts = append(parts, printable(strings.Join(ch.Headings, " > ")))
	}
	return strings.Join(parts, "  ")
}

// printable takes from a text what would move the terminal's cursor or change its colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, text)
}
