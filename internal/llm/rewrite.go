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

//go:embed hypothesis.txt
var hypothesisInstructions string

//go:embed variants.txt
var variantsInstructions string

// Rewriter writes what is searched for: questions that can be understood alone, passages that would answer them, and the
// same questions in other words.
type Rewriter struct {
	LLM     answer.Generator
	Timeout time.Duration // of one call
}

const (
	// rewriteTokens and rewriteRunes bound a question that was written; a longer one is no question.
	rewriteTokens = 128
	rewriteRunes  = 1000
	// hypothesisTokens bound a passage: what a bi-encoder reads is not much more.
	hypothesisTokens = 256
	// rewriteMessages and messageRunes bound what is read of a conversation: its last messages, the start of each.
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
	if len(spoken) == 1 {
		return spoken[0].Content, nil
	}
	var conversation strings.Builder
	for _, m := range spoken[max(0, len(spoken)-rewriteMessages):] {
		fmt.Fprintf(&conversation, "%s: %s\n", m.Role, clip(m.Content, messageRunes))
	}
	text, err := r.write(ctx, rewriteInstructions, conversation.String(), rewriteTokens)
	if err != nil {
		return "", fmt.Errorf("rewrite question: %w", err)
	}
	question := oneLine(text)
	if question == "" || len([]rune(question)) > rewriteRunes {
		return "", fmt.Errorf("rewrite question: the LLM gave %d characters", len([]rune(question)))
	}
	return question, nil
}

// Hypothesis gives a passage that would answer a question, as it might stand in a document (Gao et al. 2022, HyDE). Nothing
// in it need be true: it is only searched for.
func (r Rewriter) Hypothesis(ctx context.Context, question string) (string, error) {
	text, err := r.write(ctx, hypothesisInstructions, clip(question, messageRunes), hypothesisTokens)
	if err == nil && strings.TrimSpace(text) == "" {
		err = errors.New("the LLM wrote nothing")
	}
	if err != nil {
		return "", fmt.Errorf("write hypothesis: %w", err)
	}
	return strings.TrimSpace(text), nil
}

// Variants gives up to n other wordings of a question, at least one.
func (r Rewriter) Variants(ctx context.Context, question string, n int) ([]string, error) {
	text, err := r.write(ctx, variantsInstructions, fmt.Sprintf("Number of wordings: %d\n%s", n, clip(question, messageRunes)), n*rewriteTokens)
	if err != nil {
		return nil, fmt.Errorf("write variants: %w", err)
	}
	var variants []string
	for line := range strings.Lines(text) {
		if line = oneLine(strings.TrimLeft(line, " \t-*0123456789.)")); line != "" && len([]rune(line)) <= rewriteRunes && len(variants) < n {
			variants = append(variants, line)
		}
	}
	if len(variants) == 0 {
		return nil, errors.New("write variants: the LLM wrote none")
	}
	return variants, nil
}

// write has the LLM write a short text, the same each time as far as it can.
func (r Rewriter) write(ctx context.Context, instructions, about string, tokens int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	zero := 0.0
	var out strings.Builder
	_, err := r.LLM.Generate(ctx, answer.Prompt{
		Messages: []answer.Message{{Role: answer.RoleSystem, Content: strings.TrimSpace(instructions)}, {Role: answer.RoleUser, Content: about}},
		Sampling: answer.Sampling{MaxTokens: tokens, Temperature: &zero},
	}, func(delta string) error {
		out.WriteString(delta)
		return nil
	})
	return out.String(), err
}

func oneLine(text string) string { return strings.Trim(strings.Join(strings.Fields(text), " "), `"`) }

func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + " [...]"
	}
	return text
}
