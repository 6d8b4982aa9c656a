package encode

import (
	"context"
	"fmt"
)

// CrossSpec is what of a cross-encoder is not in its graph.
type CrossSpec struct {
	MaxTokens int // in one run: query, passage and special tokens
}

// CrossEncoder scores pairs of query and passage.
type CrossEncoder struct {
	session   Session
	tokenizer Tokenizer
	spec      CrossSpec
	lanes     *Lanes
}

// Scores are the logits of passages, by their place in the call; those not reached in time are not Scored.
type Scores struct {
	Logits []float32
	Scored []bool
	Count  int // of Scored
}

// NewCrossEncoder puts a cross-encoder together; lanes are shared by all encoders of a process.
func NewCrossEncoder(s Session, t Tokenizer, spec CrossSpec, lanes *Lanes) *CrossEncoder {
	return &CrossEncoder{session: s, tokenizer: t, spec: spec, lanes: lanes}
}

// Score reads the query together with each passage, in the order given, on the interactive lane. When ctx ends it
// returns what is scored so far with the context's error. Passages that are equal are read once.
func (e *CrossEncoder) Score(ctx context.Context, query string, passages []string) (Scores, error) {
	s := Scores{Logits: make([]float32, len(passages)), Scored: make([]bool, len(passages))}
	queryIDs, err := e.tokenizer.Encode(query)
	if err != nil {
		return s, err
	}
	first := make(map[string]int, len(passages))
	var distinct []int
	for i, p := range passages {
		if _, seen := first[p]; !seen {
			first[p] = i
			distinct = append(distinct, i)
		}
	}
	err = each(ctx, e.lanes, InteractiveLane, len(distinct), func(ctx context.Context, n int) error {
		i := distinct[n]
		logit, err := e.score(ctx, queryIDs, passages[i])
		if err == nil {
			s.Logits[i], s.Scored[i] = logit, true
		}
		return err
	})
	for i, p := range passages {
		s.Logits[i], s.Scored[i] = s.Logits[first[p]], s.Scored[first[p]]
		if s.Scored[i] {
			s.Count++
		}
	}
	if err != nil {
		return s, fmt.Errorf("score %d of %d passages: %w", s.Count, len(passages), err)
	}
	return s, nil
}

func (e *CrossEncoder) score(ctx context.Context, queryIDs []int32, passage string) (float32, error) {
	passageIDs, err := e.tokenizer.Encode(passage)
	if err != nil {
		return 0, err
	}
	out, err := e.session.Run(ctx, e.tokenizer.Template().pair(queryIDs, passageIDs, e.spec.MaxTokens))
	if err != nil {
		return 0, err
	}
	if len(out.Data) != 1 {
		return 0, fmt.Errorf("read logit: the model gave a tensor of shape %v, want one number", out.Shape)
	}
	return out.Data[0], nil
}
