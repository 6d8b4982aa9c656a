package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/llm"
	"github.com/redkite/redkite/internal/llm/llmtest"
)

// failure is a way for an LLM to fail: what it says before, and what the answer is then.
type failure struct {
	name   string
	change func(*Deps, *Options, *llm.Config)
	script []llmtest.Step
	status int
	code   string
	said   string // of the answer's text in a stream
}

func failures() []failure {
	brief := func(_ *Deps, _ *Options, c *llm.Config) {
		c.First, c.Stall = 200*time.Millisecond, 200*time.Millisecond
	}
	return []failure{
		{"down", func(_ *Deps, _ *Options, c *llm.Config) { c.URL = "http://127.0.0.1:1/v1" }, nil, 502, "llm_unavailable", ""},
		{"stalls at once", brief, []llmtest.Step{llmtest.Stall()}, 502, "llm_stalled", ""},
		{"stalls in the middle", brief, []llmtest.Step{llmtest.Say("They [1"), llmtest.Stall()}, 502, "llm_stalled", "They"},
		{"garbage at once", nil, []llmtest.Step{llmtest.Raw("data: }{\n\n")}, 502, "llm_garbled", ""},
		{"garbage", nil, []llmtest.Step{llmtest.Say("They"), llmtest.Raw("data: }{\n\n")}, 502, "llm_garbled", "They"},
		{"ends in the middle", nil, []llmtest.Step{llmtest.Say("They glide [1"), llmtest.Raw("data: {\"cho"), llmtest.Cut()}, 502, "llm_cut", "They glide"},
		{"a long prompt", nil, []llmtest.Step{llmtest.Refuse(400, `{"error":{"message":"maximum context length","code":"context_length_exceeded"}}`)}, 413, "prompt_too_long", ""},
	}
}

// TestLLMThatFails: the passages come all the same, in JSON with the 502 and in a stream before the error.
func TestLLMThatFails(t *testing.T) {
	for _, test := range failures() {
		t.Run(test.name, func(t *testing.T) {
			server, _ := answering(t, &oracle{hits: kites()}, test.change, test.script...)
			status, _, body := post(t, server, askPath, "", `{"query":"q"}`)
			var p api.AskProblem
			decodeInto(t, body, &p)
			if status != test.status || p.Status != test.status || p.Code != test.code || len(p.Passages) != 2 || p.Passages[0].DocumentID != "kite" {
				t.Errorf("%d %s", status, body)
			}
			status, _, body = post(t, server, askPath, "text/event-stream", `{"query":"q"}`)
			got := eventsOf(t, body)
			if status != 200 || len(got) < 2 || got[0].name != "passages" || got[len(got)-1].name != "error" || strings.Contains(body, `glide [`) || strings.Contains(body, `They [`) {
				t.Fatalf("%d %s", status, body)
			}
			var last api.Problem
			decodeInto(t, got[len(got)-1].data, &last)
			said := ""
			for _, event := range got {
				var delta api.Delta
				if event.name == "delta" {
					decodeInto(t, event.data, &delta)
				}
				said += delta.Text
			}
			if last.Code != test.code || last.Status != test.status || said != test.said {
				t.Errorf("error event %+v after %q", last, said)
			}
		})
	}
}

// TestClientGoneStopsTheSearch: the context that the encoder runs under ends with the client.
func TestClientGoneStopsTheSearch(t *testing.T) {
	l := &oracle{begun: make(chan struct{}), hang: make(chan error, 1)}
	server, model := answering(t, l, nil, llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+askPath, strings.NewReader(`{"query":"q"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	go func() {
		<-l.begun
		cancel()
	}()
	if response, err := server.Client().Do(request); err == nil {
		response.Body.Close()
		t.Fatal("the request was answered")
	}
	select {
	case err := <-l.hang:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the search ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the search goes on")
	}
	if n := len(model.Requests()); n > 0 {
		t.Errorf("the LLM was asked %d times", n)
	}
}

// TestClientGoneStopsTheLLM, natively and for OpenAI's clients, streaming and not.
func TestClientGoneStopsTheLLM(t *testing.T) {
	tests := []struct{ name, path, accept, body string }{
		{"JSON", askPath, "", `{"query":"q"}`},
		{"events", askPath, "text/event-stream", `{"query":"q"}`},
		{"chat", chatPath, "", `{"model":"c","messages":[{"role":"user","content":"q"}]}`},
		{"chat in a stream", chatPath, "", `{"model":"c","stream":true,"messages":[{"role":"user","content":"q"}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, model := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("They"), llmtest.Stall())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Accept", test.accept)
			go func() {
				response, err := server.Client().Do(request)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			}()
			until(t, func() bool { return model.Open() == 1 })
			cancel()
			until(t, func() bool { return model.Open() == 0 })
		})
	}
}

func until(t *testing.T, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
	}
}

func TestTooManyAnswers(t *testing.T) {
	server, model := answering(t, &oracle{hits: kites()}, func(_ *Deps, o *Options, _ *llm.Config) { o.MaxAnswers = 1 }, llmtest.Say("They"), llmtest.Stall())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+askPath, strings.NewReader(`{"query":"q"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	go func() {
		if response, err := server.Client().Do(request); err == nil {
			response.Body.Close()
		}
	}()
	until(t, func() bool { return model.Open() == 1 })
	status, header, body := post(t, server, askPath, "", `{"query":"q"}`)
	if status != 429 || header.Get("Retry-After") == "" || !strings.Contains(body, "too_many_answers") {
		t.Errorf("%d %s", status, body)
	}
	cancel()
	until(t, func() bool { return model.Open() == 0 })
	model.Play(llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	until(t, func() bool {
		status, _, _ := post(t, server, askPath, "", `{"query":"q"}`)
		return status == 200
	})
}

// TestSilentLLMKeepsTheStreamOpen: comments come while nothing else does.
func TestSilentLLMKeepsTheStreamOpen(t *testing.T) {
	pace := defaultPace()
	pace.beat = 40 * time.Millisecond
	server, _ := answeringAt(t, pace, &oracle{hits: kites()}, nil, llmtest.Wait(300*time.Millisecond), llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	_, _, body := post(t, server, askPath, "text/event-stream", `{"query":"q"}`)
	if n := strings.Count(body, ": still there\n\n"); n < 2 || !strings.Contains(body, "event: done") {
		t.Errorf("%d comments in %s", n, body)
	}
}

// TestClientThatDoesNotRead is dropped when it has taken nothing for a while, and the LLM with it.
func TestClientThatDoesNotRead(t *testing.T) {
	pace := defaultPace()
	pace.write = 200 * time.Millisecond
	script := make([]llmtest.Step, 0, 1001)
	for range 1000 { // 64 MB, more than the buffers between hold
		script = append(script, llmtest.Say(strings.Repeat("kite ", 13000)))
	}
	server, model := answeringAt(t, pace, &oracle{hits: kites()}, nil, append(script, llmtest.Stall())...)
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"query":"q"}`
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: %d\r\n\r\n%s", askPath, len(body), body); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return len(model.Requests()) == 1 })
	until(t, func() bool { return model.Open() == 0 })
}
