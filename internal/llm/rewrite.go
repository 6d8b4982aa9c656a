package llm

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/answer"
)

//go:embed rewrite.txt
var rewriteInstructions string

// Rewriter turns the last question of a conversation into one that can be understood, and searched for, alone.
type Rewriter struct {
	LLM     answer.Generator
	Timeout time.Duration
}

const (
	// rewriteTokens and rewriteRunes bound a rewritten question; a longer one is no question.
	rewriteTokens = 128
	rewriteRunes  = 1000
	// rewriteMessages and messageRunes bound what is read of the conversation: its last messages, the start of each.
	rewriteMessages = 10
	messageRunes    = 2000
)

// Rewrite gives the question that the last message asks, with what it leaves to the conversation put in. A first message is
// returned as it is, and no LLM asked.
func (r Rewriter) Rewrite(ctx context.Context, messages []answer.Message) (string, error) {
	var spoken []answer.Message
	for _, m := range messages {
		if m.Role != answer.RoleSystem {
			spoken = append(spoken, m)
		}
	}
	if len(spoken) == 0 {
		return "", errors.New("rewrite question: the conversation has no message of a user")
	}
	last := spoken[len(spoken)-1].Content
	if len(spoken) == 1 {
		return last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var conversation strings.Builder
	for _, m := range spoken[max(0, len(spoken)-rewriteMessages):] {
		fmt.Fprintf(&conversation, "%s: %s\n", m.Role, clip(m.Content, messageRunes))
	}
	var out strings.Builder
	zero := 0.0
	_, err := r.LLM.Generate(ctx, answer.Prompt{
		Messages: []answer.Message{{Role: answer.RoleSystem, Content: strings.TrimSpace(rewriteInstructions)}, {Role: answer.RoleUser, Content: conversation.String()}},
		Sampling: answer.Sampling{MaxTokens: rewriteTokens, Temperature: &zero},
	}, func(delta string) error {
		out.WriteString(delta)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("rewrite question: %w", err)
	}
	question := strings.Trim(strings.Join(strings.Fields(out.String()), " "), `"`)
	if question == "" || len([]rune(question)) > rewriteRunes {
		return "", fmt.Errorf("rewrite question: the LLM gave %d characters", len([]rune(question)))
	}
	return question, nil
}

func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + " [...]"
	}
	return text
}
