package redkite

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
)

// Filter is a condition on metadata, such as {"type": "eq", "key": "lang", "value": "en"}; docs/api.md has its language.
type Filter map[string]any

// Message is one turn of a conversation. Role is user, assistant or system.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Search says what to look for. Members that are left out have the collection's or the server's defaults.
type Search struct {
	Query        string    `json:"query,omitempty"`
	Messages     []Message `json:"messages,omitempty"` // a conversation in place of Query, the last message the user's
	TopK         int       `json:"top_k,omitempty"`
	Filter       Filter    `json:"filter,omitempty"`
	Rerank       *bool     `json:"rerank,omitempty"`        // false is quicker and less exact
	MinRelevance *float64  `json:"min_relevance,omitempty"` // 0 to 1; hits with less are left out
	DeadlineMS   int       `json:"deadline_ms,omitempty"`   // for the search
}

// SearchResult is what a search found, best first.
type SearchResult struct {
	Hits     []Hit    `json:"hits"`
	Degraded []string `json:"degraded"` // what could not be done
}

// Hit is a chunk found.
type Hit struct {
	DocumentID string         `json:"document_id"`
	ChunkID    int64          `json:"chunk_id"`
	Title      string         `json:"title"`
	Text       string         `json:"text"`
	Headings   []string       `json:"headings"`
	PageStart  int            `json:"page_start"` // from 1; 0 where the format has no pages
	PageEnd    int            `json:"page_end"`
	Span       Span           `json:"span"`
	Metadata   map[string]any `json:"metadata"`
	Scores     Scores         `json:"scores"`
}

// Scores say why a hit stands where it does.
type Scores struct {
	Relevance *float64 `json:"relevance"` // 0 to 1; nil where the cross-encoder did not read the hit
	Dense     *float64 `json:"dense"`     // cosine similarity; nil where the bi-encoder did not find it
}

// Span is a place in a text, in Unicode code points, the end exclusive.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// ContextQuery asks for text that is ready for a prompt.
type ContextQuery struct {
	Search
	Format    string `json:"format,omitempty"`     // text (the default) or openai
	MaxTokens int    `json:"max_tokens,omitempty"` // of the passages; defaults to 2000
}

// Context is ready for a prompt.
type Context struct {
	Text     string    `json:"text"`     // of format text: the passages under their numbers
	Messages []Message `json:"messages"` // of format openai
	Sources  []Source  `json:"sources"`
	Tokens   int       `json:"tokens"`
	Degraded []string  `json:"degraded"`
}

// Source is a passage, and what its number points to.
type Source struct {
	Number     int            `json:"number"`
	DocumentID string         `json:"document_id"`
	Title      string         `json:"title"`
	Text       string         `json:"text"`
	PageStart  int            `json:"page_start"` // from 1; 0 where the format has no pages
	PageEnd    int            `json:"page_end"`
	Span       Span           `json:"span"`
	Metadata   map[string]any `json:"metadata"`
}

// Question asks for an answer.
type Question struct {
	Search
	MaxContextTokens int      `json:"max_context_tokens,omitempty"`
	MaxAnswerTokens  int      `json:"max_answer_tokens,omitempty"`
	Temperature      *float64 `json:"temperature,omitempty"`
}

// Answer is a cited answer. Every [n] in its text is one of its citations.
type Answer struct {
	Answer    string     `json:"answer"`
	Citations []Citation `json:"citations"`
	Shown
	Done
}

// Shown is what the LLM is shown.
type Shown struct {
	Passages  []Source `json:"passages"`
	QueryUsed string   `json:"query_used"` // what was searched for
	Degraded  []string `json:"degraded"`
}

// Citation is an [n] in an answer.
type Citation struct {
	Number     int    `json:"number"`
	At         Span   `json:"at"` // of the [n] in the answer
	DocumentID string `json:"document_id"`
	Title      string `json:"title"`
	PageStart  int    `json:"page_start"` // from 1; 0 where the format has no pages
	PageEnd    int    `json:"page_end"`
	Span       Span   `json:"span"` // of the passage in the document's text
	URL        string `json:"url"`  // the document's own, or a path on the server
}

// Done says how an answer ended.
type Done struct {
	FinishReason string `json:"finish_reason"` // stop, length, content_filter, or no_relevant_passage: then no LLM was asked
	Model        string `json:"model"`         // the LLM
	Usage        Usage  `json:"usage"`
}

// Usage counts the LLM's tokens.
type Usage struct {
	PromptTokens int `json:"prompt_tokens"`
	AnswerTokens int `json:"answer_tokens"`
}

// Event is a piece of an answer as it comes: one member is set. Passages come first, Done last.
type Event struct {
	Passages *Shown
	Delta    string // text, to be put after that before it
	Citation *Citation
	Done     *Done
}

// Search finds passages.
func (c *Client) Search(ctx context.Context, collection string, s Search) (SearchResult, error) {
	var out SearchResult
	err := c.call(ctx, http.MethodPost, in(collection, "search"), s, &out)
	return out, err
}

// Context finds passages and packs them for a prompt of your own.
func (c *Client) Context(ctx context.Context, collection string, q ContextQuery) (Context, error) {
	var out Context
	err := c.call(ctx, http.MethodPost, in(collection, "context"), q, &out)
	return out, err
}

// Ask has the server's LLM answer, and returns when the answer is whole. Where the LLM fails, the Error has the passages.
func (c *Client) Ask(ctx context.Context, collection string, q Question) (Answer, error) {
	var out Answer
	err := c.call(ctx, http.MethodPost, in(collection, "ask"), q, &out)
	return out, err
}

// Stream has the server's LLM answer, and gives the answer as it comes. An error is the last that comes, also where the
// answer breaks off; what came before it stands. To leave the loop ends the answer on the server too.
func (c *Client) Stream(ctx context.Context, collection string, q Question) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		path := in(collection, "ask")
		b, err := jsonBody(q)
		if err != nil {
			yield(Event{}, fmt.Errorf("write the request of POST %s: %w", path, err))
			return
		}
		response, err := c.do(ctx, http.MethodPost, path, "text/event-stream", b)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer response.Body.Close()
		for name, data := range events(response.Body, &err) {
			event, known, broken := eventOf(name, data)
			if broken != nil {
				yield(Event{}, broken)
				return
			}
			if known && !yield(event, nil) || event.Done != nil {
				return
			}
		}
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(Event{}, fmt.Errorf("the answer of POST %s broke off: %w", path, err))
	}
}

// eventOf reads an event. The event 'error' is an *Error; events that are not known are passed over.
func eventOf(name, data string) (e Event, known bool, err error) {
	var failed problem
	delta := struct {
		Text *string `json:"text"`
	}{&e.Delta}
	into := map[string]any{"passages": &e.Passages, "delta": &delta, "citation": &e.Citation, "done": &e.Done, "error": &failed}[name]
	if into == nil {
		return e, false, nil
	}
	if err := json.Unmarshal([]byte(data), into); err != nil {
		return e, false, fmt.Errorf("read event %s: %w", name, err)
	}
	if name == "error" {
		return e, false, failed.asError()
	}
	return e, true, nil
}

// events reads server-sent events, and puts what ends them too early into failed.
func events(r io.Reader, failed *error) iter.Seq2[string, string] {
	return func(yield func(name, data string) bool) {
		lines, name, data := bufio.NewScanner(r), "", []string(nil)
		lines.Buffer(nil, maxAnswer)
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case lines.Text() == "":
				if data != nil && !yield(name, strings.Join(data, "\n")) {
					return
				}
				name, data = "", nil
			case field == "event":
				name = value
			case field == "data":
				data = append(data, value)
			}
		}
		*failed = lines.Err()
	}
}
