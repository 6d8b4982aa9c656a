package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
)

const (
	shownHits  = 5
	columnWide = 52
)

// compare asks once without and once with the cross-encoder and prints both orders side by side.
func compare(ctx context.Context, c *client.Client, question string) error {
	plain := false
	dense, err := c.Search(ctx, collection, api.Search{Query: question, TopK: shownHits, Rerank: &plain})
	if err != nil {
		return err
	}
	reranked, err := c.Search(ctx, collection, api.Search{Query: question, TopK: shownHits})
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", question)
	fmt.Printf("    %-*s  %s\n", columnWide, "bi-encoder's order (cosine)", "reranked order (logit, place before)")
	for i := range max(len(dense.Hits), len(reranked.Hits)) {
		var left, right string
		if i < len(dense.Hits) {
			h := dense.Hits[i]
			left = fmt.Sprintf("%.3f  %s", *h.Scores.Dense, place(h))
		}
		if i < len(reranked.Hits) {
			h := reranked.Hits[i]
			right = fmt.Sprintf("     -  %s", place(h))
			if h.Scores.RerankLogit != nil {
				right = fmt.Sprintf("%6.2f  %s (was %d)", *h.Scores.RerankLogit, place(h), h.DenseRank)
			}
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

// place names a hit: its document, page and innermost section, short enough for its column.
func place(h api.Hit) string {
	name := h.DocumentID
	if h.PageStart > 0 {
		name += fmt.Sprintf(" p.%d", h.PageStart)
	}
	if len(h.Headings) > 0 {
		name += ": " + h.Headings[len(h.Headings)-1]
	}
	if runes := []rune(name); len(runes) > columnWide-9 {
		return string(runes[:columnWide-12]) + "..."
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
		if runes := []rune(line); len(runes) > 110 {
			line = string(runes[:107]) + "..."
		}
		fmt.Println("  |", line)
	}
	return nil
}
