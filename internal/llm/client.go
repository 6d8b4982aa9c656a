// Package llm speaks to an LLM behind an OpenAI-compatible server (Ollama, vLLM, llama.cpp, OpenAI) through OpenAI's own
// client, and counts tokens as its models do. Every way in which such a server can fail ends a call, with words for the
// user; nothing waits longer than the Config allows.
package llm

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/rag"
)

// Config says which LLM, and how long it may take.
type Config struct {
	URL       string        // base of the API, such as http://127.0.0.1:11434/v1
	Model     string        // as the server names it
	Key       string        // sent as a bearer token; empty for none
	Timeout   time.Duration // for a whole answer
	First     time.Duration // from the request to the first token: reading a long prompt takes a while
	Stall     time.Duration // between two tokens
	MaxTokens int           // of an answer, where a prompt says nothing
}

// Client is an LLM; it may be used by many goroutines at once.
type Client struct {
	config Config
	chat   openai.ChatCompletionService
	openAI bool // OpenAI's own servers: newer models there know max_completion_tokens only
}

// retries is how often a request that was not answered, or answered 429 or 5xx, is repeated; never once text has come.
const (
	retries       = 1
	maxRetryDelay = 2 * time.Second
	idleEach      = 32 // connections kept open
	dialTimeout   = 10 * time.Second
)

// New makes a client. It takes nothing from OpenAI's environment variables: a key there is for OpenAI, and URL may be
// anybody.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("llm-url must be the base of an OpenAI-compatible API, such as http://127.0.0.1:11434/v1, not " + c.URL)
	}
	if c.Model == "" {
		return nil, errors.New("llm-model must say which model answers at llm-url")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: idleEach, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	options := []option.RequestOption{
		option.WithBaseURL(c.URL), option.WithHTTPClient(&http.Client{Transport: transport}),
		option.WithMaxRetries(retries), option.WithMaxRetryDelay(maxRetryDelay),
	}
	if c.Key != "" {
		options = append(options, option.WithAPIKey(c.Key))
	}
	host := base.Hostname()
	return &Client{
		config: c, chat: openai.NewChatCompletionService(options...),
		openAI: host == "api.openai.com" || strings.HasSuffix(host, ".openai.azure.com"),
	}, nil
}

// Model names the LLM.
func (c *Client) Model() string { return c.config.Model }

// Why a call was ended from here.
var (
	errTimeout = errors.New("the answer took too long")
	errStalled = errors.New("no token came for too long")
)

// Generate streams the LLM's answer to p.
func (c *Client) Generate(ctx context.Context, p answer.Prompt, emit func(delta string) error) (answer.Generated, error) {
	limited, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, errTimeout)
	defer cancel()
	watched, stop := context.WithCancelCause(limited)
	defer stop(nil)
	watch := time.AfterFunc(c.config.First, func() { stop(errStalled) })
	defer watch.Stop()

	g := answer.Generated{Model: c.config.Model}
	stream := c.chat.NewStreaming(watched, c.params(p))
	defer func() { _ = stream.Close() }()
	began := false
	var thought thoughts
	say := func(text string) error {
		if text == "" {
			return nil
		}
		began = true
		return emit(text)
	}
	for stream.Next() {
		chunk := stream.Current()
		take(&g, chunk)
		text, alive := deltaOf(chunk)
		if !alive {
			continue
		}
		watch.Stop()
		if err := say(thought.pass(text)); err != nil {
			return g, err
		}
		watch.Reset(c.config.Stall)
	}
	if err := stream.Err(); err != nil {
		if ctx.Err() != nil {
			return g, ctx.Err()
		}
		return g, problemOf(err, context.Cause(watched), began)
	}
	if g.Finish == "" {
		return g, problemOf(errCut, nil, began)
	}
	return g, say(thought.rest())
}

// take keeps what a chunk says of the whole answer.
func take(g *answer.Generated, chunk openai.ChatCompletionChunk) {
	if chunk.Model != "" {
		g.Model = chunk.Model
	}
	if chunk.Usage.TotalTokens > 0 {
		g.Usage = answer.Usage{Prompt: int(chunk.Usage.PromptTokens), Answer: int(chunk.Usage.CompletionTokens)}
	}
	for _, choice := range chunk.Choices {
		switch choice.FinishReason {
		case "":
		case answer.FinishLength, answer.FinishFilter:
			g.Finish = choice.FinishReason
		default:
			g.Finish = answer.FinishStop
		}
	}
}

// deltaOf gives a chunk's text, and whether the chunk shows that the LLM writes, if only thoughts that are not shown.
func deltaOf(chunk openai.ChatCompletionChunk) (text string, alive bool) {
	for _, choice := range chunk.Choices {
		text += choice.Delta.Content + choice.Delta.Refusal
		for _, name := range []string{"reasoning_content", "reasoning"} {
			if thought, ok := choice.Delta.JSON.ExtraFields[name]; ok && len(thought.Raw()) > len(`""`) && thought.Raw() != "null" {
				alive = true
			}
		}
		alive = alive || choice.FinishReason != ""
	}
	return text, alive || text != ""
}

func (c *Client) params(p answer.Prompt) openai.ChatCompletionNewParams {
	params := openai.ChatCompletionNewParams{
		Model:         c.config.Model,
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}
	for _, m := range p.Messages {
		switch m.Role {
		case answer.RoleSystem:
			params.Messages = append(params.Messages, openai.SystemMessage(m.Content))
		case answer.RoleAssistant:
			params.Messages = append(params.Messages, openai.AssistantMessage(m.Content))
		default:
			params.Messages = append(params.Messages, openai.UserMessage(m.Content))
		}
	}
	s := p.Sampling
	limit := c.config.MaxTokens
	if s.MaxTokens > 0 {
		limit = s.MaxTokens
	}
	switch {
	case limit <= 0:
	case c.openAI:
		params.MaxCompletionTokens = openai.Int(int64(limit))
	default:
		params.MaxTokens = openai.Int(int64(limit))
	}
	params.Temperature, params.TopP = optional(s.Temperature), optional(s.TopP)
	params.FrequencyPenalty, params.PresencePenalty = optional(s.FrequencyPenalty), optional(s.PresencePenalty)
	if s.Seed != nil {
		params.Seed = openai.Int(*s.Seed)
	}
	if len(s.Stop) > 0 {
		params.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: s.Stop}
	}
	return params
}

// optional leaves out what is nil.
func optional(v *float64) (o param.Opt[float64]) {
	if v != nil {
		o = openai.Float(*v)
	}
	return o
}

var _ answer.Generator = (*Client)(nil)

// unavailable makes the problem of an LLM that failed.
func unavailable(code string, cause error, message string) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrUpstream, Code: code, Message: message, Err: cause}
}
