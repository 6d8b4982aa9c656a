package lexical

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// maxLanguages bounds the languages by whose rules a query is read.
	maxLanguages = 4
	// maxQueryTerms bounds a query's vector; a longer one keeps the terms that weigh most.
	maxQueryTerms = 256
)

// Query is what a query looks for in a collection.
type Query struct {
	words []word
	total int // chunks of the collection
}

// word is one word, identifier or number of a query: the terms that texts of the collection's languages have for it.
type word struct {
	terms   []uint32
	dropped int // chunks in languages to whose rules it is a stop word: nearly all of them may be taken to have it
}

// Query reads a query by the rules of each of a collection's languages, the most frequent first, of which the first four
// count. Words are looked for as they stand too, since texts that are too short to tell their language keep them so.
func (a *Analyzer) Query(text string, languages []rag.LanguageChunks) Query {
	q := Query{}
	for _, l := range languages {
		q.total += l.Chunks
	}
	plain := a.scan(text, Unknown, true)
	slices.Sort(plain.loose)
	for _, term := range plain.loose {
		q.words = append(q.words, word{terms: []uint32{term}})
	}
	first := len(q.words)
	for _, terms := range plain.words {
		q.words = append(q.words, word{terms: slices.Clip(terms)}) // they are the scanner's own
	}
	plain.done()
	for _, l := range languages[:min(maxLanguages, len(languages))] {
		read := a.scan(text, l.Language, true)
		for i, terms := range read.words { // the same words, since it is the same text
			w := &q.words[first+i]
			if len(terms) == 0 {
				w.dropped += l.Chunks
			}
			for _, term := range terms {
				if !slices.Contains(w.terms, term) {
					w.terms = append(w.terms, term)
				}
			}
		}
		read.done()
	}
	return q
}

// Terms gives the terms, ascending.
func (q Query) Terms() []uint32 {
	var all []uint32
	for _, w := range q.words {
		all = append(all, w.terms...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Vector gives the query side: the inverse document frequency of each word, on each of its terms, and as often as the
// query has it. frequencies says how many chunks have each term. The terms of one word count together, since a chunk has
// that of its language: else a form that is rare because its language is would outweigh all others. A term that no chunk
// has is left out, so the vector may be empty: then nothing can be found.
func (q Query) Vector(frequencies map[uint32]int) rag.TermVector {
	weights := map[uint32]float64{}
	for _, w := range q.words {
		frequency := w.dropped
		for _, term := range w.terms {
			frequency += frequencies[term]
		}
		for _, term := range w.terms {
			if frequencies[term] > 0 {
				weights[term] += idf(q.total, frequency)
			}
		}
	}
	terms := slices.SortedFunc(maps.Keys(weights), func(x, y uint32) int {
		return cmp.Or(cmp.Compare(weights[y], weights[x]), cmp.Compare(x, y))
	})
	terms = terms[:min(maxQueryTerms, len(terms))]
	slices.Sort(terms)
	v := rag.TermVector{Terms: terms}
	for _, term := range terms {
		v.Weights = append(v.Weights, float32(weights[term]))
	}
	return v
}

// idf is BM25's inverse document frequency with Lucene's 1 inside the logarithm, which keeps it above 0.
func idf(total, frequency int) float64 {
	frequency = min(frequency, total)
	return math.Log1p((float64(total-frequency) + 0.5) / (float64(frequency) + 0.5))
}
