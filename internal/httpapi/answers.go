package httpapi

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// Counters count tokens.
type Counters interface {
	// Counter gives a tokenizer by its name in the API; an empty one is auto.
	Counter(ctx context.Context, c rag.Collection, name string) (answer.Counter, error)
}

// Answering is what turns hits into answers.
type Answering struct {
	Templates *answer.Library
	Counters  Counters
	LLM       answer.Generator  // nil where none is set up
	Rewriter  retrieve.Rewriter // that of searches; nil where questions are combined with those before them
}

// What an answer can say was degraded, besides what its search does.
const (
	degradedRelevance = "relevance_unknown" // nothing was reranked: no hit could be held against the least relevance
	degradedRewrite   = "rewrite_failed"    // the question was searched for with those before it
)

// maxQuery bounds what is searched for, in code points, as the schema of a search does; the LLM is asked all of it.
const maxQuery = 8000

// asking is a question whose passages are found.
type asking struct {
	server    *Server
	asked     answer.Asked
	templates answer.Templates
	fence     answer.Fence
	counter   answer.Counter
	collect   rag.Collection
	packed    answer.Context
	shown     api.Passages
	began     time.Time
	release   func() // gives the place among the answers in work back
}

// find searches for what a question asks and packs it. The asking that it gives must be released.
func (s *Server) find(ctx context.Context, collection string, q api.Ask, asked answer.Asked) (_ *asking, err error) {
	a := &asking{server: s, asked: asked, fence: answer.NewFence(), began: time.Now()}
	if s.deps.Answering.LLM == nil {
		return nil, &rag.Problem{Kind: rag.ErrNotSetUp, Code: "no_llm", Message: "no LLM is set up: give the server --llm-url and --llm-model; POST .../context gives the passages without one"}
	}
	if a.release, err = s.takePlace(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.release()
		}
	}()
	var degraded []string
	q.Search.Query, degraded = s.searchedFor(ctx, q, asked)
	c, result, err := s.search(ctx, collection, q.Search)
	if err != nil {
		return nil, err
	}
	least := s.options.MinRelevance
	if q.MinRelevance != nil {
		least = *q.MinRelevance
	}
	hits := result.Hits
	if least > 0 && len(hits) > 0 {
		known := false
		if hits, known = answer.Relevant(hits, least); !known {
			degraded = append(degraded, degradedRelevance)
		}
	}
	a.collect, a.asked.Collection = c, c.Name
	if a.counter, err = s.deps.Answering.Counters.Counter(ctx, c, q.Tokenizer); err != nil {
		return nil, err
	}
	if a.packed, a.templates, err = s.pack(ctx, c, hits, q.Packing, q.MaxContextTokens, a.fence); err != nil {
		return nil, err
	}
	if len(hits) > 0 && len(a.packed.Passages) == 0 {
		return nil, rag.Invalid("/max_context_tokens", "max_context_tokens is %d, and not even the start of the best passage fits; ask for more", q.MaxContextTokens)
	}
	a.shown = api.Passages{
		Passages: sourcesOf(a.packed.Passages), QueryUsed: q.Search.Query, Tokens: a.packed.Tokens, CountedBy: a.packed.CountedBy,
		Truncated: a.packed.Truncated, Degraded: listOf(append(result.Degraded, degraded...)), SearchMS: timingsOf(result.Timings),
	}
	return a, nil
}

// takePlace takes a place among the answers in work.
func (s *Server) takePlace() (release func(), err error) {
	select {
	case s.answers <- struct{}{}:
		return func() { <-s.answers }, nil
	default:
		return nil, &rag.Problem{
			Kind: rag.ErrOverloaded, Code: "too_many_answers", RetryAfter: 5 * time.Second,
			Message: "too many answers are in work; try again in a few seconds",
		}
	}
}

// searchedFor is what a question is searched for by: where it needs the conversation before it, as the LLM rewrites it, else
// combined with that, as a search with messages does.
func (s *Server) searchedFor(ctx context.Context, q api.Ask, asked answer.Asked) (query string, degraded []string) {
	query = asked.Question
	if len(asked.History) > 0 && retrieve.NeedsContext(query) && (q.Rewrite == nil || *q.Rewrite) {
		query, degraded = s.standalone(ctx, askedTurns(asked))
	}
	if runes := []rune(query); len(runes) > maxQuery {
		query = string(runes[:maxQuery])
	}
	return query, degraded
}

func (s *Server) standalone(ctx context.Context, turns []retrieve.Turn) (query string, degraded []string) {
	if s.deps.Answering.Rewriter == nil {
		return retrieve.Combined(turns), nil
	}
	rewritten, err := s.deps.Answering.Rewriter.Rewrite(ctx, retrieve.Rewriting{Task: retrieve.TaskStandalone, Turns: turns, Count: 1})
	if err == nil && len(rewritten) == 1 {
		return rewritten[0], nil
	}
	if ctx.Err() == nil {
		s.log.WarnContext(ctx, "question was not rewritten", "error", err)
		degraded = append(degraded, degradedRewrite)
	}
	return retrieve.Combined(turns), degraded
}

// askedTurns is a question with the conversation before it.
func askedTurns(asked answer.Asked) []retrieve.Turn {
	turns := make([]retrieve.Turn, 0, len(asked.History)+1)
	for _, m := range asked.History {
		turns = append(turns, retrieve.Turn{Role: m.Role, Text: m.Content})
	}
	return append(turns, retrieve.Turn{Role: retrieve.RoleUser, Text: asked.Question})
}

// said is a piece of an answer, as a client gets it.
type said func(text string, cited []api.Citation) error

// generate has the LLM answer, or says that nothing was found, and gives how it ended.
func (a *asking) generate(ctx context.Context, say said) (done api.Done, err error) {
	var first time.Time
	emit := func(text string, cited []answer.Citation) error {
		if first.IsZero() {
			first = time.Now()
		}
		citations := make([]api.Citation, len(cited))
		for i, c := range cited {
			citations[i] = citationOf(a.collect.Name, c)
		}
		return say(text, citations)
	}
	defer func() {
		a.server.metrics.answered(done, err)
	}()
	var outcome answer.Outcome
	if len(a.packed.Passages) == 0 {
		outcome.Finish = answer.FinishNothing
		text, err := a.templates.Nothing(a.asked.Collection, a.asked.Question)
		if err == nil {
			err = emit(text, nil)
		}
		if err != nil {
			return api.Done{}, err
		}
	} else {
		prompt, err := a.templates.Prompt(a.asked, a.fence, a.packed)
		if err != nil {
			return api.Done{}, err
		}
		if outcome, err = answer.Stream(ctx, a.server.deps.Answering.LLM, prompt, a.packed.Passages, a.counter, emit); err != nil {
			return api.Done{}, err
		}
	}
	done = api.Done{
		FinishReason: outcome.Finish, Model: outcome.Model,
		Usage:      api.AnswerUsage{PromptTokens: outcome.Usage.Prompt, AnswerTokens: outcome.Usage.Answer, Estimated: outcome.Usage.Estimated},
		LLMFirstMS: milliseconds(outcome.FirstToken), TotalMS: milliseconds(time.Since(a.began)),
	}
	if !first.IsZero() {
		done.FirstTokenMS = milliseconds(first.Sub(a.began))
	}
	return done, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func citationOf(collection string, c answer.Citation) api.Citation {
	p := c.Passage
	return api.Citation{
		Number: p.Number, At: c.At, DocumentID: p.ExternalID, Title: answer.Name(p), PageStart: p.PageStart, PageEnd: p.PageEnd, Span: p.Span,
		URL: sourceURL(collection, p),
	}
}

// conversation splits messages into the question, what came before it, and what the client's system messages say.
func conversation(messages []api.Message) (answer.Asked, error) {
	var asked answer.Asked
	var system []string
	for _, m := range messages {
		if m.Role == answer.RoleSystem {
			system = append(system, m.Content)
			continue
		}
		asked.History = append(asked.History, answer.Message(m))
	}
	last := len(asked.History) - 1
	if last < 0 || asked.History[last].Role != answer.RoleUser || strings.TrimSpace(asked.History[last].Content) == "" {
		return asked, rag.Invalid("/messages", "the last message must be the user's, and ask something")
	}
	asked.Question, asked.History = asked.History[last].Content, asked.History[:last]
	asked.System = strings.Join(system, "\n\n")
	return asked, nil
}

// questionOf reads what an Ask asks.
func questionOf(q api.Ask) (asked answer.Asked, err error) {
	switch {
	case q.Query != "" && len(q.Messages) > 0:
		return asked, rag.Invalid("/messages", "a question is given by query or by messages, not by both")
	case len(q.Messages) > 0:
		asked, err = conversation(q.Messages)
	case strings.TrimSpace(q.Query) == "":
		return asked, rag.Invalid("/query", "a question is needed: query, or messages")
	default:
		asked.Question = q.Query
	}
	asked.Sampling = answer.Sampling{MaxTokens: q.MaxAnswerTokens, Temperature: q.Temperature}
	return asked, err
}

// reason names how an answer ended, for metrics.
func reason(done api.Done, err error) string {
	var problem *rag.Problem
	switch {
	case err == nil:
		return done.FinishReason
	case errors.Is(err, context.Canceled):
		return "client_gone"
	case errors.As(err, &problem):
		return cmp.Or(problem.Code, "failed")
	}
	return "failed"
}
