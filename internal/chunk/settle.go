package chunk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// What a chunking has that a collection is made without.
const (
	defaultMaxTokens    = 256
	defaultChildTokens  = 128 // max_tokens with parents
	defaultOverlap      = 32
	defaultMinTokens    = 32
	defaultParentTokens = 1024
	// prefixTokens is kept free of what a bi-encoder reads for the title and headings that are embedded with a chunk.
	prefixTokens = 32
)

// Settle makes a chunking of what a request asks for: what it leaves out is as in base, or takes its default where base is
// zero. reads is how many tokens of a text the bi-encoder reads. What can't be is refused with a pointer to it.
func Settle(asked rag.NewChunking, base rag.Chunking, reads int) (rag.Chunking, error) {
	most := reads - prefixTokens
	o := base
	if asked.Strategy != nil {
		o.Strategy = *asked.Strategy
	}
	o.Strategy = cmp.Or(o.Strategy, rag.StrategyStructure)
	if !slices.Contains(rag.Strategies(), o.Strategy) {
		return rag.Chunking{}, rag.Invalid("/chunking/strategy", "there is no strategy %q; take one of %s", o.Strategy, names())
	}
	if base == (rag.Chunking{}) {
		o.MaxTokens, o.Overlap, o.MinTokens = defaultMaxTokens, defaultOverlap, defaultMinTokens
		if o.Strategy == rag.StrategyParentChild {
			o.MaxTokens = defaultChildTokens
		}
	}
	o.MaxTokens = min(o.MaxTokens, most)
	for _, set := range []struct{ to, from *int }{
		{&o.MaxTokens, asked.MaxTokens}, {&o.Overlap, asked.Overlap}, {&o.MinTokens, asked.MinTokens}, {&o.ParentTokens, asked.ParentTokens},
	} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
	fit(&o, asked)
	return o, check(o, most)
}

// fit makes what a request leaves out go with what it asks for.
func fit(o *rag.Chunking, asked rag.NewChunking) {
	if asked.Overlap == nil {
		o.Overlap = min(o.Overlap, o.MaxTokens/4)
	}
	if asked.MinTokens == nil {
		o.MinTokens = min(o.MinTokens, o.MaxTokens/4)
	}
	if asked.ParentTokens != nil {
		return
	}
	if o.Strategy != rag.StrategyParentChild {
		o.ParentTokens = 0
		return
	}
	o.ParentTokens = max(cmp.Or(o.ParentTokens, defaultParentTokens), o.MaxTokens)
}

func check(o rag.Chunking, most int) error {
	switch {
	case o.MaxTokens > most:
		return rag.Invalid("/chunking/max_tokens", "the bi-encoder reads %d tokens, %d of them for title and headings, so a chunk may have at most %d", most+prefixTokens, prefixTokens, most)
	case o.MaxTokens < 1:
		return rag.Invalid("/chunking/max_tokens", "a chunk has at least one token")
	case o.Overlap < 0 || o.Overlap > o.MaxTokens/2:
		return rag.Invalid("/chunking/overlap", "the overlap may be at most half of max_tokens, %d", o.MaxTokens/2)
	case o.MinTokens < 0 || o.MinTokens > o.MaxTokens/2:
		return rag.Invalid("/chunking/min_tokens", "min_tokens may be at most half of max_tokens, %d", o.MaxTokens/2)
	case o.Strategy != rag.StrategyParentChild && o.ParentTokens != 0:
		return rag.Invalid("/chunking/parent_tokens", "only the strategy %s has parents, not %s", rag.StrategyParentChild, o.Strategy)
	case o.Strategy == rag.StrategyParentChild && o.ParentTokens < o.MaxTokens:
		return rag.Invalid("/chunking/parent_tokens", "a parent has at least as many tokens as a chunk, %d", o.MaxTokens)
	}
	return nil
}

func names() string {
	var all []string
	for _, s := range rag.Strategies() {
		all = append(all, fmt.Sprint(s))
	}
	return strings.Join(all, ", ")
}
