package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/evaluate"
)

func TestPlotRounds(t *testing.T) {
	rounds := []benchRound{
		{Clients: 1, Stages: []benchStage{{"request", evaluate.Quantiles{P50: 10, P95: 20, P99: 30, Max: 31}}, {"rerank", evaluate.Quantiles{P50: 5}}}},
		{Clients: 16, Stages: []benchStage{{"request", evaluate.Quantiles{P50: 40, P95: 80, P99: 90, Max: 95}}}},
	}
	path := filepath.Join(t.TempDir(), "search.svg")
	if err := plotRounds(path, rounds); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for d := xml.NewDecoder(strings.NewReader(string(file))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		if chars, ok := token.(xml.CharData); ok {
			texts = append(texts, strings.TrimSpace(string(chars)))
		}
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"clients", "milliseconds", "request, p99", "reranking, p50", "16"} {
		if !strings.Contains(all, want) {
			t.Errorf("the plot does not say %q", want)
		}
	}
	if err := plotRounds(filepath.Join(t.TempDir(), "search.xyz"), rounds); err == nil || !strings.Contains(err.Error(), "search.xyz") {
		t.Errorf("an unknown ending gave %v, want an error that names the file", err)
	}
}
