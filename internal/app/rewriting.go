package app

import (
	"context"
	"fmt"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/llm"
	"github.com/redkite/redkite/internal/retrieve"
)

// rewriting has the LLM write what searches and answers ask for.
type rewriting struct{ llm llm.Rewriter }

// Rewrite does one task.
func (w rewriting) Rewrite(ctx context.Context, r retrieve.Rewriting) ([]string, error) {
	switch r.Task {
	case retrieve.TaskStandalone:
		messages := make([]answer.Message, len(r.Turns))
		for i, turn := range r.Turns {
			messages[i] = answer.Message{Role: turn.Role, Content: turn.Text}
		}
		text, err := w.llm.Rewrite(ctx, messages)
		return []string{text}, err
	case retrieve.TaskHypothesis:
		text, err := w.llm.Hypothesis(ctx, r.Query)
		return []string{text}, err
	case retrieve.TaskVariants:
		return w.llm.Variants(ctx, r.Query, r.Count)
	}
	return nil, fmt.Errorf("rewrite: %q is no task", r.Task)
}
