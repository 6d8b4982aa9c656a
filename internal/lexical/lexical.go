// Package lexical turns texts into sparse term vectors whose inner product is BM25.
//
// The document side holds what BM25 knows of one text: the saturated, length-normalised frequency of each term. The
// query side holds what it knows of the collection: each term's inverse document frequency, made from counts that are
// kept elsewhere. So a document's vector never changes while others come and go, and the score is exact all the same.
//
// A term is a word after stemming, an identifier or number as it stands, or a pair of neighbouring characters in scripts
// that are written without spaces. Its dimension is a hash of 32 bits.
package lexical

import (
	"fmt"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/registry"

	"github.com/redkite/redkite/internal/rag"
)

// Analyzer finds the terms of texts, by language. It is safe for concurrent use.
type Analyzer struct {
	filters map[string][]analysis.TokenFilter // by language
	idle    sync.Pool                         // of *scanner
}

// New makes an analyzer for all languages that there are rules for.
func New() (*Analyzer, error) {
	a := &Analyzer{filters: map[string][]analysis.TokenFilter{}}
	cache := registry.NewCache()
	for _, language := range ruled() {
		named, err := cache.AnalyzerNamed(language)
		if err != nil {
			return nil, fmt.Errorf("open the rules of language %q: %w", language, err)
		}
		rules, ok := named.(*analysis.DefaultAnalyzer)
		if !ok {
			return nil, fmt.Errorf("the rules of language %q are a %T", language, named)
		}
		a.filters[language] = rules.TokenFilters
	}
	return a, nil
}

// Document gives the document side of a text: the weight of each of its terms, by ascending term.
func (a *Analyzer) Document(text, language string) rag.TermVector {
	s := a.scan(text, language, false)
	defer s.done()
	all := s.terms()
	different := 0
	for i, term := range all {
		if i == 0 || term != all[i-1] {
			different++
		}
	}
	v := rag.TermVector{Terms: make([]uint32, 0, different), Weights: make([]float32, 0, different)}
	for from := 0; from < len(all); {
		end := from + 1
		for end < len(all) && all[end] == all[from] {
			end++
		}
		v.Terms, v.Weights = append(v.Terms, all[from]), append(v.Weights, weight(end-from, s.length))
		from = end
	}
	return v
}
