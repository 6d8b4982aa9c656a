package openai

import (
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

func TestScoreOf(t *testing.T) {
	n := func(v float64) *float64 { return &v }
	for name, test := range map[string]struct {
		scores rag.Scores
		want   float64
	}{
		"read":                      {rag.Scores{Relevance: n(0.4), Dense: n(0.9)}, 0.4},
		"not read":                  {rag.Scores{Dense: n(0.7), Fused: n(0.9)}, 0.7},
		"unlike":                    {rag.Scores{Dense: n(-0.1)}, 0},
		"its words alone":           {rag.Scores{Lexical: n(3)}, 0.75},
		"its words alone, in a mix": {rag.Scores{Lexical: n(19), Fused: n(0.2)}, 0.2}, // not before what is alike in meaning
		"nothing":                   {rag.Scores{}, 0},
	} {
		if got := ScoreOf(test.scores); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
