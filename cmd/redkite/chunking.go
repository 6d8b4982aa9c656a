package main

import (
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// chunkingFlags say how documents are cut.
type chunkingFlags struct {
	Strategy     string `enum:",structure,tokens,sentences,page,row,parent-child" default:"" help:"What to cut along: structure, tokens, sentences, page, row or parent-child. Defaults to the collection's, structure for a new one."`
	MaxTokens    *int   `help:"Most tokens in a chunk. Defaults to the collection's, 256 (parent-child: 128) for a new one."`
	Overlap      *int   `help:"Tokens repeated from the chunk before. Defaults to the collection's, 32 for a new one."`
	MinTokens    *int   `help:"Fewest tokens of a section that is not merged with its neighbour. Defaults to the collection's, 32 for a new one."`
	ParentTokens *int   `help:"Most tokens in a parent, for parent-child. Defaults to the collection's, 1024 for a new one."`
}

// asked gives what the flags say, or nil where they say nothing.
func (f chunkingFlags) asked() *api.NewChunking {
	asked := api.NewChunking{MaxTokens: f.MaxTokens, Overlap: f.Overlap, MinTokens: f.MinTokens, ParentTokens: f.ParentTokens}
	if f.Strategy != "" {
		strategy := rag.Strategy(f.Strategy)
		asked.Strategy = &strategy
	}
	if asked == (api.NewChunking{}) {
		return nil
	}
	return &asked
}
