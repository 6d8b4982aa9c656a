package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/rag"
)

const (
	shownHits  = 5
	placeWide  = 34
	columnWide = placeWide + 7 // two of them, and the rank, fit into 100 columns
)

// compare asks the bi-encoder alone and with the defaults, and prints both orders side by side.
func compare(ctx context.Context, c *client.Client, question string) error {
	plain := false
	dense, err := c.Search(ctx, collection, api.Search{Query: question, TopK: shownHits, Mode: rag.ModeDense, Rerank: &plain})
	if err != nil {
		return err
	}
	reranked, err := c.Search(ctx, collection, api.Search{Query: question, TopK: shownHits})
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", question)
	fmt.Printf("    %-*s  %s\n", columnWide, "bi-encoder's order (cosine)", "reranked order (blend, logit, bi-encoder's place)")
	for i := range max(len(dense.Hits), len(reranked.Hits)) {
		var left, right string
		if i < len(dense.Hits) {
			h := dense.Hits[i]
			left = fmt.Sprintf("%.3f  %s", *h.Scores.Dense, place(h))
		}
		if i < len(reranked.Hits) {
			h := reranked.Hits[i]
			right = fmt.Sprintf("%s %s  %2s  %s", score(5, h.Scores.Blend), score(6, h.Scores.RerankLogit), rank(h.DenseRank), place(h))
		}
		fmt.Printf("%2d. %-*s  %s\n", i+1, columnWide, left, right)
	}
	t := reranked.TimingsMS
	fmt.Printf("    embed %.0f ms, search %.0f ms, live check %.0f ms, rerank of %d %.0f ms, total %.0f ms\n",
		t.Embed, t.Search, t.Live, reranked.Reranked, t.Rerank, t.Total)
	for _, d := range reranked.Degraded {
		fmt.Println("    degraded:", d)
	}
	return nil
}

// rank writes a place; - where the bi-encoder's search did not find the hit, and that for words did.
func rank(r int) string {
	if r == 0 {
		return "-"
	}
	return strconv.Itoa(r)
}

// score writes a score that may not have been computed.
func score(wide int, value *float64) string {
	if value == nil {
		return fmt.Sprintf("%*s", wide, "-")
	}
	return fmt.Sprintf("%*.2f", wide, *value)
}

// place names a hit: its document, page and innermost section, short enough for its column.
func place(h api.Hit) string {
	name := h.DocumentID
	if h.PageStart > 0 {
		name += fmt.Sprintf(" p.%d", h.PageStart)
	}
	if len(h.Headings) > 0 {
		name += ": " + h.Headings[len(h.Headings)-1]
	}
	if runes := []rune(name); len(runes) > placeWide {
		return string(runes[:placeWide-3]) + "..."
	}
	return name
}

// showContext prints the beginning of what a chatbot would put into its prompt.
func showContext(ctx context.Context, c *client.Client, question string) error {
	packed, err := c.Context(ctx, collection, api.ContextRequest{Search: api.Search{Query: question}, MaxTokens: 600})
	if err != nil {
		return err
	}
	fmt.Printf("\nReady for a prompt, %d sources in %d tokens; it begins:\n", len(packed.Sources), packed.Tokens)
	lines := strings.Split(packed.Text, "\n")
	for _, line := range lines[:min(8, len(lines))] {
		if runes := []rune(line); len(runes) > 96 {
			line = string(runes[:93]) + "..."
		}
		fmt.Println("  |", line)
	}
	return nil
}
