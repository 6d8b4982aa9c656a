package main

import (
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// shapingFlags say what is made of what a search finds.
type shapingFlags struct {
	MinRelevance   *float64 `help:"Leave out hits with less relevance, 0 to 1. Defaults to the collection's."`
	Duplicates     string   `enum:"keep,exact,near," default:"" help:"Repetitions of a better hit that are left out: keep none, exact, near. Defaults to the collection's."`
	MaxPerDocument *int     `help:"Most hits of one document; 0 for no limit. Defaults to the collection's."`
	MMR            *float64 `name:"mmr" help:"Lambda of maximal marginal relevance, 0 to 1; less than 1 prefers hits unlike those before them." placeholder:"LAMBDA"`
	Neighbours     int      `help:"Show so many chunks before and after each hit with it."`
	Section        bool     `help:"Show the rest of each hit's section with it."`
}

// put puts what the flags say into a request.
func (f shapingFlags) put(into *api.Search) {
	into.MinRelevance, into.MaxPerDocument, into.MMR, into.Neighbours = f.MinRelevance, f.MaxPerDocument, f.MMR, f.Neighbours
	if f.Duplicates != "" {
		into.Duplicates = new(rag.Duplicates(f.Duplicates))
	}
	if f.Section {
		into.Expand = "section"
	}
}
