package llm

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/llm/llmtest"
	"github.com/redkite/redkite/internal/rag"
)

// scripted gives a client of a server with a script, and the server.
func scripted(t *testing.T, change func(*Config), script ...llmtest.Step) (*Client, *llmtest.Server) {
	t.Helper()
	server := llmtest.New(script...)
	t.Cleanup(server.Close)
	config := Config{URL: server.BaseURL(), Model: "scripted", Timeout: 20 * time.Second, First: 10 * time.Second, Stall: 10 * time.Second, MaxTokens: 77}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

func prompt(question string) answer.Prompt {
	return answer.Prompt{Messages: []answer.Message{{Role: answer.RoleSystem, Content: "s"}, {Role: answer.RoleUser, Content: question}}}
}

func TestGenerate(t *testing.T) {
	c, server := scripted(t, func(c *Config) { c.Key = "secret" }, llmtest.Think("hm"), llmtest.Say("Red", " kites", "", " glide."), llmtest.Done("stop", 12, 3))
	var deltas []string
	got, err := c.Generate(t.Context(), prompt("q"), func(d string) error {
		deltas = append(deltas, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Red", " kites", " glide."}, deltas); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(answer.Generated{Finish: "stop", Model: "scripted", Usage: answer.Usage{Prompt: 12, Answer: 3}}, got); diff != "" {
		t.Error(diff)
	}
	asked := server.Requests()[0]
	if asked.Model != "scripted" || asked.MaxTokens != 77 || asked.MaxCompletionTokens != 0 || asked.Key != "Bearer secret" || len(asked.Messages) != 2 || asked.Messages[1].Content != "q" {
		t.Errorf("asked %+v", asked)
	}
}

// TestKeysOfTheEnvironmentStayThere: OPENAI_API_KEY is for OpenAI, not for whoever is at llm-url.
func TestKeysOfTheEnvironmentStayThere(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-not-for-you")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/")
	c, server := scripted(t, nil, llmtest.Say("x"), llmtest.Done("length", 0, 0))
	got, err := c.Generate(t.Context(), prompt("q"), func(string) error { return nil })
	if err != nil || got.Finish != answer.FinishLength {
		t.Fatalf("got %+v, %v", got, err)
	}
	if key := server.Requests()[0].Key; key != "" {
		t.Errorf("sent %q", key)
	}
}

func TestLLMsThatFail(t *testing.T) {
	brief := func(c *Config) { c.First, c.Stall = 150*time.Millisecond, 150*time.Millisecond }
	tests := []struct {
		name   string
		change func(*Config)
		script []llmtest.Step
		code   string
		kind   error
	}{
		{"stalls before the first token", brief, []llmtest.Step{llmtest.Stall()}, "llm_stalled", rag.ErrUpstream},
		{"stalls in the middle", brief, []llmtest.Step{llmtest.Say("Red"), llmtest.Stall()}, "llm_stalled", rag.ErrUpstream},
		{"sends nothing but empty deltas", brief, []llmtest.Step{llmtest.Say(""), llmtest.Wait(100 * time.Millisecond), llmtest.Say(""), llmtest.Wait(time.Minute)}, "llm_stalled", rag.ErrUpstream},
		{"takes too long in all", func(c *Config) { c.Timeout = 150 * time.Millisecond }, []llmtest.Step{llmtest.Say("Red"), llmtest.Stall()}, "llm_timeout", rag.ErrUpstream},
		{"sends garbage", nil, []llmtest.Step{llmtest.Raw("data: {\"choices\": oh no\n\n")}, "llm_garbled", rag.ErrUpstream},
		{"sends other JSON", nil, []llmtest.Step{llmtest.Raw("data: [1,2]\n\n")}, "llm_garbled", rag.ErrUpstream},
		{"sends a page", nil, []llmtest.Step{llmtest.Raw("<html>\n<body>hello</body>\n</html>\n")}, "llm_garbled", rag.ErrUpstream},
		{"sends one endless line", nil, []llmtest.Step{llmtest.Raw("data: " + strings.Repeat("x", 40<<20))}, "llm_garbled", rag.ErrUpstream},
		{"sends nothing", nil, nil, "llm_garbled", rag.ErrUpstream},
		{"ends in the middle", nil, []llmtest.Step{llmtest.Say("Red")}, "llm_cut", rag.ErrUpstream},
		{"breaks off in the middle of a chunk", nil, []llmtest.Step{llmtest.Say("Red"), llmtest.Raw("data: {\"choices\":[{\"del"), llmtest.Cut()}, "llm_cut", rag.ErrUpstream},
		{"reports an error in the stream", nil, []llmtest.Step{llmtest.Say("Red"), llmtest.Raw("data: {\"error\":{\"message\":\"CUDA out of memory\"}}\n\n")}, "llm_failed", rag.ErrUpstream},
		{"reports a long prompt in the stream", nil, []llmtest.Step{llmtest.Raw("data: {\"error\":{\"message\":\"the request exceeds the available context size\"}}\n\n")}, "prompt_too_long", rag.ErrTooLarge},
		{"refuses the key", nil, []llmtest.Step{llmtest.Refuse(401, `{"error":{"message":"Incorrect API key provided: sk-ab***yz","code":"invalid_api_key"}}`)}, "llm_refused", rag.ErrUpstream},
		{"has no such model", nil, []llmtest.Step{llmtest.Refuse(404, `{"error":{"message":"model not found"}}`)}, "llm_refused", rag.ErrUpstream},
		{"refuses a long prompt", nil, []llmtest.Step{llmtest.Refuse(400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}`)}, "prompt_too_long", rag.ErrTooLarge},
		{"refuses a long prompt as vLLM does", nil, []llmtest.Step{llmtest.Refuse(400, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}`)}, "prompt_too_long", rag.ErrTooLarge},
		{"is overloaded", nil, []llmtest.Step{llmtest.Refuse(429, `{"error":{"message":"slow down"}}`)}, "llm_overloaded", rag.ErrUpstream},
		{"fails", nil, []llmtest.Step{llmtest.Refuse(500, `oh`)}, "llm_unavailable", rag.ErrUpstream},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, _ := scripted(t, test.change, test.script...)
			began := time.Now()
			_, err := c.Generate(t.Context(), prompt("q"), func(string) error { return nil })
			var problem *rag.Problem
			if !errors.As(err, &problem) || !errors.Is(err, test.kind) || problem.Code != test.code {
				t.Errorf("got %v (%T)", err, err)
			} else if strings.Contains(problem.Message, "sk-") || strings.Contains(problem.Message, "CUDA") {
				t.Errorf("the LLM's own words are for the log alone: %q", problem.Message)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestLLMThatIsDown(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c, _ := scripted(t, func(c *Config) { c.URL = "http://" + address + "/v1" })
	_, err = c.Generate(t.Context(), prompt("q"), func(string) error { return nil })
	var problem *rag.Problem
	if !errors.As(err, &problem) || problem.Code != "llm_unavailable" {
		t.Errorf("got %v", err)
	}
}

// TestClientGone: when the caller's context ends, or emit fails, so does the request to the LLM.
func TestClientGone(t *testing.T) {
	gone := errors.New("the client is gone")
	c, server := scripted(t, nil, llmtest.Say("Red"), llmtest.Stall())
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Generate(ctx, prompt("q"), func(string) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context: %v", err)
	}
	if _, err = c.Generate(t.Context(), prompt("q"), func(string) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("an emit that fails: %v", err)
	}
	for deadline := time.Now().Add(5 * time.Second); server.Open() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := server.Open(); n > 0 {
		t.Errorf("the LLM still writes %d answers", n)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for _, c := range []Config{{URL: "", Model: "m"}, {URL: "localhost:11434", Model: "m"}, {URL: "ftp://h/v1", Model: "m"}, {URL: "http://h/v1"}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestOpenAIGetsItsOwnLimit(t *testing.T) {
	c, err := New(Config{URL: "https://api.openai.com/v1", Model: "gpt-5", MaxTokens: 9})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.params(prompt("q")); p.MaxCompletionTokens.Value != 9 || p.MaxTokens.Valid() {
		t.Errorf("got %+v, %+v", p.MaxCompletionTokens, p.MaxTokens)
	}
}
