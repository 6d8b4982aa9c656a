package rag

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRetrievalOver(t *testing.T) {
	if err := DefaultRetrieval().Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	twenty, share, most := 20, 0.7, 0
	kept := NewRetrieval{Candidates: &twenty}.With(NewRetrieval{CrossWeight: &share}).With(NewRetrieval{MaxPerDocument: &most})
	want := DefaultRetrieval()
	want.Candidates, want.CrossWeight = 20, 0.7
	if diff := cmp.Diff(want, kept.Over(DefaultRetrieval())); diff != "" {
		t.Error(diff)
	}
}

func TestRetrievalIsChecked(t *testing.T) {
	for pointer, change := range map[string]func(*Retrieval){
		"/candidates":       func(r *Retrieval) { r.Candidates = 0 },
		"/rerank_ms":        func(r *Retrieval) { r.RerankMS = -1 },
		"/cross_weight":     func(r *Retrieval) { r.CrossWeight = math.NaN() },
		"/min_relevance":    func(r *Retrieval) { r.MinRelevance = 1.5 },
		"/max_per_document": func(r *Retrieval) { r.MaxPerDocument = 101 },
		"/normalisation":    func(r *Retrieval) { r.Normalisation = "" },
		"/duplicates":       func(r *Retrieval) { r.Duplicates = "all" },
	} {
		r := DefaultRetrieval()
		change(&r)
		var p *Problem
		if err := r.Check(); !errors.As(err, &p) || p.Pointer != pointer || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}

func TestCalibrationsAreChecked(t *testing.T) {
	if err := (Calibration{Intercept: -3, Slope: 1, Data: "d"}).Check(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]Calibration{
		"it turns the order round": {Slope: -1, Data: "d"}, "it says nothing": {Slope: 0, Data: "d"},
		"it has no number": {Intercept: math.NaN(), Slope: 1, Data: "d"}, "its data is not known": {Slope: 1},
	} {
		if c.Check() == nil {
			t.Errorf("a calibration is taken though %s", name)
		}
	}
}
