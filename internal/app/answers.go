package app

import (
	"context"
	"fmt"
	"os"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/httpapi"
	"github.com/redkite/redkite/internal/llm"
	"github.com/redkite/redkite/internal/rag"
)

// openAnswering makes what answers questions: templates, tokenizers, and the LLM where one is set up.
func openAnswering(s config.Settings, encoders *encoders) (httpapi.Answering, error) {
	a := httpapi.Answering{Counters: counters{llm.NewCounters(s.LLMModel), encoders}}
	var err error
	if s.Templates == "" {
		a.Templates, err = answer.DefaultTemplates()
	} else {
		a.Templates, err = answer.ReadTemplates(os.DirFS(s.Templates))
	}
	if err != nil {
		return a, err
	}
	if s.LLMURL == "" {
		if s.LLMModel != "" {
			return a, fmt.Errorf("llm-model is set and llm-url is not: say where the LLM %s is", s.LLMModel)
		}
		return a, nil
	}
	client, err := llm.New(llm.Config{
		URL: s.LLMURL, Model: s.LLMModel, Key: s.LLMKey, Timeout: s.LLMTimeout, First: s.LLMFirstToken, Stall: s.LLMStall, MaxTokens: s.LLMMaxTokens,
	})
	if err != nil {
		return a, err
	}
	a.LLM = client
	if s.LLMRewrite > 0 {
		a.Rewriter = rewriting{llm.Rewriter{LLM: client, Timeout: s.LLMRewrite}}
	}
	return a, nil
}

// counters are the tokenizers of LLMs, and those of bi-encoders.
type counters struct {
	llm      *llm.Counters
	encoders *encoders
}

// Counter gives a tokenizer by its name in the API.
func (c counters) Counter(ctx context.Context, of rag.Collection, name string) (answer.Counter, error) {
	switch name {
	case "encoder":
		encoder, err := c.encoders.open(ctx, of.BiEncoder)
		if err != nil {
			return nil, err
		}
		return encoderCounter{encoder, of.BiEncoder}, nil
	case "auto":
		name = ""
	}
	counter, err := c.llm.Counter(name)
	if err != nil {
		return nil, rag.Invalid("/tokenizer", "%v; there are auto, %s, %s and encoder", err, llm.O200k, llm.CL100k)
	}
	return counter, nil
}

// encoderCounter counts with a bi-encoder's tokenizer.
type encoderCounter struct {
	tokens interface {
		Offsets(text string) ([][2]int, error)
	}
	name string
}

func (c encoderCounter) Name() string { return c.name }

func (c encoderCounter) Count(text string) (int, error) {
	offsets, err := c.tokens.Offsets(text)
	if err != nil {
		return 0, fmt.Errorf("count tokens of %d bytes with %s: %w", len(text), c.name, err)
	}
	return len(offsets), nil
}
