package main

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/redkite/redkite/internal/evaluate"
)

// TestTextsOfPlotsHaveTheirWidth reads the widths that the file gives its texts: in no font may a name of the legend
// reach the mark after it.
func TestTextsOfPlotsHaveTheirWidth(t *testing.T) {
	run := evaluate.Run{Set: evaluate.SetFacts{Name: "a <b> & c"}}
	for _, name := range []string{"dense", "hybrid & lexical, reranked"} {
		run.Results = append(run.Results, evaluate.Result{
			Configuration: evaluate.Configuration{Name: name},
			Summary: evaluate.Summary{
				Measures: map[string]evaluate.Interval{"ndcg@10": {Mean: 0.7}}, Latency: map[string]evaluate.Quantiles{"request": {P95: 100}},
			},
		})
	}
	files, err := plotRun(t.TempDir(), run)
	if err != nil || len(files) != 1 || filepath.Ext(files[0]) != ".svg" {
		t.Fatal(files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Texts []text `xml:"g>text"`
		Inner struct {
			Texts []text `xml:"text"`
		} `xml:"g>g"`
	}
	if err := xml.NewDecoder(bytes.NewReader(raw)).Decode(&svg); err != nil {
		t.Fatal(err)
	}
	widths := map[string]float64{}
	ends := map[string]float64{}
	for _, found := range append(svg.Texts, svg.Inner.Texts...) {
		x, errX := strconv.ParseFloat(found.X, 64)
		width, err := strconv.ParseFloat(found.Length, 64)
		if err != nil || errX != nil || found.Adjust != "spacingAndGlyphs" {
			t.Errorf("%q has the width %q at %q", found.Text, found.Length, found.X)
		}
		widths[found.Text], ends[found.Text] = width, x+width
	}
	short, long := widths["dense"], widths["hybrid & lexical, reranked"]
	if short < 20 || short > 40 || long < 4*short || widths["Quality and latency: a <b> & c"] == 0 {
		t.Errorf("widths %v", widths)
	}
	if apart := ends["dense"] - ends["hybrid & lexical, reranked"]; apart > 0.1 || apart < -0.1 || ends["dense"] > 7*72-20 {
		t.Errorf("names end at %v", ends)
	}
}

type text struct {
	X      string `xml:"x,attr"`
	Length string `xml:"textLength,attr"`
	Adjust string `xml:"lengthAdjust,attr"`
	Text   string `xml:",chardata"`
}
