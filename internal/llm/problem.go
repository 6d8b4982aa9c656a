package llm

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"github.com/redkite/redkite/internal/rag"
)

// errCut is a stream that ends before its answer does.
var errCut = errors.New("the stream ended before the answer")

// problemOf says what became of an LLM's answer. What its server says in words may hold what is not for the client, such as
// parts of a key or names of accounts: it goes into the log only.
func problemOf(err, cause error, began bool) error {
	var refused *openai.Error
	var told *ssestream.StreamError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(cause, errTimeout):
		return unavailable("llm_timeout", cause, "the LLM did not end its answer in time; ask for a shorter one, or allow more with the setting llm-timeout")
	case errors.Is(cause, errStalled) && !began:
		return unavailable("llm_stalled", cause, "the LLM began no answer in time; try again, or allow more with the setting llm-first-token-timeout")
	case errors.Is(cause, errStalled):
		return unavailable("llm_stalled", cause, "the LLM stopped in the middle of its answer; try again")
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.As(err, &told):
		if isTooLong(told.Message) {
			return tooLong(told)
		}
		return unavailable("llm_failed", err, "the LLM reported an error in its answer; the server's log has it. Try again")
	case errors.As(err, &syntax), errors.As(err, &kind), errors.Is(err, bufio.ErrTooLong):
		return unavailable("llm_garbled", err, "the LLM's answer can't be read; check that llm-url is the base of an OpenAI-compatible API")
	case errors.Is(err, errCut) && !began:
		return unavailable("llm_garbled", err, "the LLM's server sent no answer that can be read; check that llm-url is the base of an OpenAI-compatible API")
	case errors.Is(err, errCut) || began:
		return unavailable("llm_cut", err, "the LLM's answer was cut off; try again")
	}
	return unavailable("llm_unavailable", err, "the LLM can't be reached; check that its server runs at llm-url, and try again")
}

// refusal is an answer of the LLM's server that is an error.
func refusal(e *openai.Error) error {
	said := clip(string(e.DumpResponse(true)), saidRunes) // not all servers put their words where OpenAI does
	cause := errors.New(strings.TrimSpace(e.Error() + " " + said))
	switch {
	case e.Code == "context_length_exceeded" || e.StatusCode == http.StatusRequestEntityTooLarge || e.StatusCode < http.StatusInternalServerError && isTooLong(said):
		return tooLong(cause)
	case e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden:
		return unavailable("llm_refused", cause, "the LLM's server refused the key; check the setting llm-key")
	case e.StatusCode == http.StatusNotFound:
		return unavailable("llm_refused", cause, "the LLM's server has no such model, or no chat completions there; check the settings llm-model and llm-url")
	case e.StatusCode == http.StatusTooManyRequests:
		p := unavailable("llm_overloaded", cause, "the LLM's server takes no more requests now; try again later")
		p.RetryAfter = retryAfter(e.Response)
		return p
	case e.StatusCode >= http.StatusInternalServerError:
		return unavailable("llm_unavailable", cause, "the LLM's server failed; try again in a moment")
	}
	return unavailable("llm_refused", cause, "the LLM's server refused the request; the log has its reason")
}

// saidRunes is how much of what a server said is kept for the log.
const saidRunes = 2000

// tooLong is a prompt beyond the LLM's context.
func tooLong(cause error) error {
	return &rag.Problem{Kind: rag.ErrTooLarge, Code: "prompt_too_long", Err: cause, Message: "passages, conversation and question are more than the LLM reads; ask for fewer tokens of passages, or send fewer messages"}
}

// isTooLong knows the words of OpenAI, vLLM, llama.cpp and Ollama.
func isTooLong(message string) bool {
	message = strings.ToLower(message)
	for _, words := range []string{"maximum context length", "context length", "context window", "available context size", "prompt is too long", "input is too long"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

const defaultRetryAfter = 5 * time.Second

func retryAfter(response *http.Response) time.Duration {
	if response != nil {
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			return time.Duration(seconds) * time.Second
		}
	}
	return defaultRetryAfter
}
