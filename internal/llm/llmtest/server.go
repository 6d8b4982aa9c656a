// Package llmtest is a scripted OpenAI-compatible server: it says what a test tells it to, and fails as real ones do.
package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Request is what the server was asked.
type Request struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
	MaxTokens           int      `json:"max_tokens"`
	MaxCompletionTokens int      `json:"max_completion_tokens"`
	Temperature         *float64 `json:"temperature"`
	Key                 string   `json:"-"` // the Authorization header
}

// Step is one thing that the server does with an answer. An answer ends after its last step: cut off, unless a step
// was Done.
type Step func(s *Stream)

// Stream is an answer in the making.
type Stream struct {
	w       http.ResponseWriter
	r       *http.Request
	release chan struct{}
}

// Server answers /v1/chat/completions by its script.
type Server struct {
	*httptest.Server
	mu       sync.Mutex
	script   []Step
	requests []Request
	open     int           // answers in the making
	release  chan struct{} // closed when the server is
}

// New starts a server with a script, which every request is answered by. Close ends answers that stall.
func New(script ...Step) *Server {
	s := &Server{script: script, release: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	return s
}

// BaseURL is what redkite calls llm-url.
func (s *Server) BaseURL() string { return s.URL + "/v1" }

// Play changes the script.
func (s *Server) Play(script ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Close ends the server and every answer in the making.
func (s *Server) Close() {
	close(s.release)
	s.Server.CloseClientConnections()
	s.Server.Close()
}

// Requests are those that came so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Open counts the answers in the making.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/chat/completions" {
		http.NotFound(w, r)
		return
	}
	request := Request{Key: r.Header.Get("Authorization")}
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(raw, &request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	script := s.script
	s.requests = append(s.requests, request)
	s.open++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	stream := &Stream{w: w, r: r, release: s.release}
	for _, step := range script {
		step(stream)
	}
}

// write sends text as it is.
func (s *Stream) write(text string) {
	if _, err := io.WriteString(s.w, text); err != nil {
		panic(http.ErrAbortHandler)
	}
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (s *Stream) chunk(delta map[string]any, finish any) {
	raw, err := json.Marshal(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	})
	if err != nil {
		panic(err)
	}
	s.write("data: " + string(raw) + "\n\n")
}

// Say sends deltas.
func Say(deltas ...string) Step {
	return func(s *Stream) {
		for _, delta := range deltas {
			s.chunk(map[string]any{"role": "assistant", "content": delta}, nil)
		}
	}
}

// Think sends a thought as vLLM and DeepSeek do, which is no part of the answer.
func Think(thought string) Step {
	return func(s *Stream) { s.chunk(map[string]any{"reasoning_content": thought}, nil) }
}

// Wait pauses for a time.
func Wait(d time.Duration) Step {
	return func(s *Stream) {
		select {
		case <-time.After(d):
		case <-s.r.Context().Done():
		case <-s.release:
		}
	}
}

// Stall says nothing more until the client goes.
func Stall() Step {
	return func(s *Stream) {
		s.write(": still there\n\n")
		select {
		case <-s.r.Context().Done():
		case <-s.release:
		}
	}
}

// Done ends an answer well, with how many tokens it took; with 0 the server does not say.
func Done(finish string, promptTokens, answerTokens int) Step {
	return func(s *Stream) {
		s.chunk(map[string]any{}, finish)
		if promptTokens > 0 {
			s.write(fmt.Sprintf("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"scripted\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
				promptTokens, answerTokens, promptTokens+answerTokens))
		}
		s.write("data: [DONE]\n\n")
	}
}

// Raw sends text as it is: garbage, half a chunk, an error event.
func Raw(text string) Step { return func(s *Stream) { s.write(text) } }

// Cut breaks the connection.
func Cut() Step { return func(*Stream) { panic(http.ErrAbortHandler) } }

// Refuse answers with a status and a body.
func Refuse(status int, body string) Step {
	return func(s *Stream) {
		s.w.Header().Set("Content-Type", "application/json")
		s.w.WriteHeader(status)
		s.write(body)
	}
}
