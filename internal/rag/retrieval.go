package rag

import "fmt"

// Normalisation says how logits and first-stage scores, which have different ranges, are made comparable before they are
// blended.
type Normalisation string

// The normalisations, each over the candidates of one search that the cross-encoder has read.
const (
	NormaliseZScore Normalisation = "zscore" // less the mean, by the standard deviation
	NormaliseMinMax Normalisation = "minmax" // less the least, by the range: 0 to 1
)

// Duplicates says which hits count as repetitions of a better one.
type Duplicates string

// What counts as a repetition.
const (
	DuplicatesKeep  Duplicates = "keep"  // nothing
	DuplicatesExact Duplicates = "exact" // the same words in the same order
	DuplicatesNear  Duplicates = "near"  // nearly the same words, too
)

// Retrieval is how the searches of a collection rank and what they leave out, where a request says nothing else.
type Retrieval struct {
	// Candidates is how many chunks the first stage brings and the cross-encoder reads, 1 to 200. Defaults to 50:
	// docs/encoders.md has what other depths cost and gain.
	Candidates int `json:"candidates"`
	// RerankMS is the time for reranking, in milliseconds, up to 60,000. Defaults to 0: the server's rerank-time.
	RerankMS int `json:"rerank_ms"`
	// CrossWeight is the cross-encoder's share of the blend, 0 to 1. Defaults to 0.5, fixed on development queries
	// (models/redkite-reranker-small-en/README.md).
	CrossWeight float64 `json:"cross_weight"`
	// Normalisation is what is blended. Defaults to zscore.
	Normalisation Normalisation `json:"normalisation"`
	// MinRelevance drops hits whose relevance is less, 0 to 1. Defaults to 0: none.
	MinRelevance float64 `json:"min_relevance"`
	// Duplicates says which repetitions are dropped. Defaults to keep.
	Duplicates Duplicates `json:"duplicates"`
	// MaxPerDocument is the most hits of one document, up to 100. Defaults to 0: no limit.
	MaxPerDocument int `json:"max_per_document"`
}

// DefaultRetrieval is what a collection has that says nothing.
func DefaultRetrieval() Retrieval {
	return Retrieval{Candidates: 50, CrossWeight: 0.5, Normalisation: NormaliseZScore, Duplicates: DuplicatesKeep}
}

// NewRetrieval is what a collection, or a request, says of its retrieval; members that are nil are left to what it is put
// over. Only what was said is kept with a collection, so that better defaults reach those that say nothing.
type NewRetrieval struct {
	Candidates     *int           `json:"candidates,omitempty"`
	RerankMS       *int           `json:"rerank_ms,omitempty"`
	CrossWeight    *float64       `json:"cross_weight,omitempty"`
	Normalisation  *Normalisation `json:"normalisation,omitempty"`
	MinRelevance   *float64       `json:"min_relevance,omitempty"`
	Duplicates     *Duplicates    `json:"duplicates,omitempty"`
	MaxPerDocument *int           `json:"max_per_document,omitempty"`
}

// Over puts what n says over r.
func (n NewRetrieval) Over(r Retrieval) Retrieval {
	put(&r.Candidates, n.Candidates)
	put(&r.RerankMS, n.RerankMS)
	put(&r.CrossWeight, n.CrossWeight)
	put(&r.Normalisation, n.Normalisation)
	put(&r.MinRelevance, n.MinRelevance)
	put(&r.Duplicates, n.Duplicates)
	put(&r.MaxPerDocument, n.MaxPerDocument)
	return r
}

// With puts what changes says over what n says.
func (n NewRetrieval) With(changes NewRetrieval) NewRetrieval {
	keep(&n.Candidates, changes.Candidates)
	keep(&n.RerankMS, changes.RerankMS)
	keep(&n.CrossWeight, changes.CrossWeight)
	keep(&n.Normalisation, changes.Normalisation)
	keep(&n.MinRelevance, changes.MinRelevance)
	keep(&n.Duplicates, changes.Duplicates)
	keep(&n.MaxPerDocument, changes.MaxPerDocument)
	return n
}

// Check refuses what can't be, as a Problem that points at the member.
func (r Retrieval) Check() error {
	for _, b := range []struct {
		member     string
		value      float64
		least, top float64
	}{
		{"candidates", float64(r.Candidates), 1, 200},
		{"rerank_ms", float64(r.RerankMS), 0, 60_000},
		{"cross_weight", r.CrossWeight, 0, 1},
		{"min_relevance", r.MinRelevance, 0, 1},
		{"max_per_document", float64(r.MaxPerDocument), 0, 100},
	} {
		if !(b.value >= b.least && b.value <= b.top) { // no number is neither
			return Invalid("/"+b.member, "%s must be from %v to %v", b.member, b.least, b.top)
		}
	}
	if r.Normalisation != NormaliseZScore && r.Normalisation != NormaliseMinMax {
		return Invalid("/normalisation", "normalisation %q is not known; use %s or %s", clip(string(r.Normalisation)), NormaliseZScore, NormaliseMinMax)
	}
	if r.Duplicates != DuplicatesKeep && r.Duplicates != DuplicatesExact && r.Duplicates != DuplicatesNear {
		return Invalid("/duplicates", "duplicates %q is not known; use %s, %s or %s", clip(string(r.Duplicates)), DuplicatesKeep, DuplicatesExact, DuplicatesNear)
	}
	return nil
}

func put[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func keep[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// Calibration turns a cross-encoder's logits into probabilities of relevance, by Platt's logistic (1999): relevance is
// 1 / (1 + exp(-(Intercept + Slope*x))), x the final score said as a logit (internal/retrieve/calibrate.go).
type Calibration struct {
	Intercept float64 `yaml:"intercept" json:"intercept"`
	Slope     float64 `yaml:"slope" json:"slope"` // above 0, so that relevance keeps the order of the final scores
	Data      string  `yaml:"data" json:"data"`   // what it was fitted on, and how well it fits
}

// Check refuses a calibration that would turn the order round or say nothing.
func (c Calibration) Check() error {
	if !(c.Slope > 0 && c.Slope < 1e6) || !(c.Intercept > -1e6 && c.Intercept < 1e6) {
		return fmt.Errorf("calibration: slope is %v and intercept %v; the slope must be above 0, and both finite", c.Slope, c.Intercept)
	}
	if c.Data == "" {
		return fmt.Errorf("calibration: data must say what it was fitted on")
	}
	return nil
}
