package answer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Message is one of a conversation.
type Message struct {
	Role    string // RoleSystem, RoleUser or RoleAssistant
	Content string
}

// The roles.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Prompt is what an LLM is asked.
type Prompt struct {
	Messages []Message
	Sampling Sampling
}

// Sampling is how an LLM writes; members that are nil or zero are left to it.
type Sampling struct {
	MaxTokens        int // of the answer
	Temperature      *float64
	TopP             *float64
	Seed             *int64
	FrequencyPenalty *float64
	PresencePenalty  *float64
	Stop             []string
}

// Generator is an LLM.
type Generator interface {
	// Generate hands each piece of the answer to emit as it comes. It returns when the answer is whole, when emit fails,
	// or with a Problem of kind ErrUpstream when the LLM does.
	Generate(ctx context.Context, p Prompt, emit func(delta string) error) (Generated, error)
}

// Generated says how an answer ended.
type Generated struct {
	Finish string // FinishStop, FinishLength, FinishFilter
	Model  string // that answered
	Usage  Usage
}

// Why answers end.
const (
	FinishStop    = "stop"
	FinishLength  = "length"              // the LLM reached its limit
	FinishFilter  = "content_filter"      // the LLM's provider cut it
	FinishNothing = "no_relevant_passage" // no LLM was asked
)

// Usage counts the tokens of an answer.
type Usage struct {
	Prompt, Answer int
	Estimated      bool // counted here, because the LLM did not say
}

// Asked is a question with what belongs to it.
type Asked struct {
	Question   string
	Collection string
	System     string    // what the client's own system message says; may be empty
	History    []Message // the conversation before the question
	Sampling   Sampling
}

// Prompt writes the prompt: instructions, the conversation so far, and the passages with the question. Numbers that
// earlier answers cited are taken out of them: they pointed to other passages.
func (t Templates) Prompt(a Asked, f Fence, c Context) (Prompt, error) {
	system, err := t.show(TemplateSystem, map[string]any{"Collection": a.Collection, "Fence": f.token})
	if err != nil {
		return Prompt{}, err
	}
	if a.System != "" {
		system += "\n\n" + a.System
	}
	user, err := t.show(TemplateUser, map[string]any{"Collection": a.Collection, "Fence": f.token, "Context": c.Text, "Question": a.Question})
	if err != nil {
		return Prompt{}, err
	}
	p := Prompt{Sampling: a.Sampling, Messages: []Message{{RoleSystem, system}}}
	for _, m := range a.History {
		if m.Role == RoleAssistant {
			m.Content = withoutCitations(m.Content)
		}
		p.Messages = append(p.Messages, m)
	}
	p.Messages = append(p.Messages, Message{RoleUser, user})
	return p, nil
}

func withoutCitations(text string) string {
	var out strings.Builder
	c := NewCiter(nil, func(text string, _ []Citation) error {
		out.WriteString(text)
		return nil
	})
	if c.Write(text) != nil || c.Close() != nil {
		return text // can't be: emit does not fail
	}
	return out.String()
}

// Outcome is what came of an answer.
type Outcome struct {
	Generated
	FirstToken time.Duration // from asking the LLM to its first text
}

// Stream has an LLM answer a prompt, and hands on what it may say: text whose citations all point to passages of shown.
// Where the LLM does not count tokens, counter does.
func Stream(ctx context.Context, g Generator, p Prompt, shown []rag.Passage, counter Counter, emit func(text string, cited []Citation) error) (Outcome, error) {
	began := time.Now()
	var out Outcome
	var raw strings.Builder
	citer := NewCiter(shown, emit)
	generated, err := g.Generate(ctx, p, func(delta string) error {
		if out.FirstToken == 0 {
			out.FirstToken = time.Since(began)
		}
		raw.WriteString(delta)
		return citer.Write(delta)
	})
	if err != nil {
		return out, err
	}
	if err := citer.Close(); err != nil {
		return out, err
	}
	if out.Generated = generated; out.Usage == (Usage{}) {
		out.Usage, err = estimate(p, raw.String(), counter)
	}
	return out, err
}

// messageTokens are those that chat templates put around a message, as OpenAI counts them.
const messageTokens = 3

// estimate counts what an LLM did not.
func estimate(p Prompt, text string, counter Counter) (Usage, error) {
	u := Usage{Estimated: true}
	for _, m := range p.Messages {
		n, err := counter.Count(m.Content)
		if err != nil {
			return u, fmt.Errorf("count tokens: %w", err)
		}
		u.Prompt += n + messageTokens
	}
	n, err := counter.Count(text)
	u.Answer = n
	return u, err
}

// Relevant leaves out hits below a least relevance, 0 to 1. Where the cross-encoder read some, those that it did not read
// are left out too; where it read none, relevance is not known and all stay: known then is false.
func Relevant(hits []rag.Hit, least float64) (kept []rag.Hit, known bool) {
	for _, h := range hits {
		if h.Scores.Relevance == nil {
			continue
		}
		known = true
		if *h.Scores.Relevance >= least {
			kept = append(kept, h)
		}
	}
	if !known {
		return hits, false
	}
	return kept, true
}
