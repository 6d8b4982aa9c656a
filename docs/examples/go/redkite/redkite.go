// Package redkite is a client of redkite's native HTTP API, with what a chatbot needs of it: put documents into a
// collection, search, and get contexts and cited answers. It uses the standard library alone. Members of the API that it
// leaves out are ignored in answers; docs/openapi.json has them all.
//
// Every call ends with its context; none has a deadline of its own, so give it one. A call that the server puts off (429
// or 503 with Retry-After) has not been carried out, and is made again; one that only reads is made again, too, where the
// connection breaks. Calls that change something are not: ask what became of them.
package redkite

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options say how a Client speaks to its server.
type Options struct {
	Key      string       // an API key; may be empty on the server's own machine
	HTTP     *http.Client // defaults to http.DefaultClient; a Timeout of it ends streams too
	Attempts int          // most tries of one call; defaults to 4, and 1 never tries again
}

// Client speaks to one server. It may be used by several goroutines at once.
type Client struct {
	base    string
	options Options
}

// New makes a client of the server at base, such as http://127.0.0.1:8080.
func New(base string, o Options) *Client {
	o.HTTP, o.Attempts = cmp.Or(o.HTTP, http.DefaultClient), cmp.Or(o.Attempts, 4)
	return &Client{base: strings.TrimRight(base, "/"), options: o}
}

// Error is a call that the server refused, or an answer that failed on its way.
type Error struct {
	Status     int           // of HTTP; of a stream's 'error' event, what it would have been
	Code       string        // for programs, such as not_found; empty where something before the server answered
	Message    string        // what happened, to what, and what to do
	RequestID  string        // to look for in the server's log
	RetryAfter time.Duration // when to try again; 0 where the server does not say
	Passages   []Source      // what was found, where only the LLM failed
}

// Error gives the message, status, code and request id.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (%d %s, request %s)", e.Message, e.Status, e.Code, e.RequestID)
}

// problem is an Error as the server writes it (RFC 9457).
type problem struct {
	Status     int      `json:"status"`
	Code       string   `json:"code"`
	Detail     string   `json:"detail"`
	RequestID  string   `json:"request_id"`
	RetryAfter int      `json:"retry_after"`
	Passages   []Source `json:"passages"`
}

func (p problem) asError() *Error {
	return &Error{Status: p.Status, Code: p.Code, Message: p.Detail, RequestID: p.RequestID, RetryAfter: time.Duration(p.RetryAfter) * time.Second, Passages: p.Passages}
}

// What a call waits before it is made again, and how much of an answer is held, in bytes.
const (
	firstPause = 250 * time.Millisecond // doubled each time, where the server names no time
	mostPause  = 30 * time.Second       // a server that asks for more gets no second call
	maxAnswer  = 64 << 20
	api        = "/api/v1"
)

// body is what a call sends: open gives it anew for each try. A nil open is no body.
type body struct {
	mediaType string
	size      int64 // in bytes; 0 where that is not known
	open      func() (io.ReadCloser, error)
}

func jsonBody(value any) (body, error) {
	raw, err := json.Marshal(value)
	return body{"application/json", int64(len(raw)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }}, err
}

// call sends value as JSON, unless it is nil, and reads the answer into into, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, value, into any) error {
	var b body
	if value != nil {
		var err error
		if b, err = jsonBody(value); err != nil {
			return fmt.Errorf("write the request of %s %s: %w", method, path, err)
		}
	}
	return c.exchange(ctx, method, path, b, into)
}

func (c *Client) exchange(ctx context.Context, method, path string, b body, into any) error {
	response, err := c.do(ctx, method, path, "application/json", b)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", method, path, err)
	}
	return nil
}

// do makes a call, again where that is safe. The answer is no refusal; its body is to be closed.
func (c *Client) do(ctx context.Context, method, path, accept string, b body) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		response, err := c.once(ctx, method, path, accept, b)
		if err == nil {
			return response, nil
		}
		pause, again := pauseAfter(method, err, attempt)
		if deadline, ok := ctx.Deadline(); !again || attempt >= c.options.Attempts || ctx.Err() != nil || ok && time.Until(deadline) <= pause {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// pauseAfter tells whether a call that failed may be made again, and when.
func pauseAfter(method string, err error, attempt int) (pause time.Duration, again bool) {
	backoff, refused := firstPause<<(attempt-1), (*Error)(nil)
	if !errors.As(err, &refused) {
		return backoff, method == http.MethodGet // it may have reached the server
	}
	switch refused.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if refused.RetryAfter > 0 {
			return refused.RetryAfter, refused.RetryAfter <= mostPause
		}
		return backoff, method == http.MethodGet
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return backoff, method == http.MethodGet
	}
	return 0, false
}

func (c *Client) once(ctx context.Context, method, path, accept string, b body) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+api+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	if b.open != nil {
		if request.Body, err = b.open(); err != nil {
			return nil, fmt.Errorf("read what %s %s is to send: %w", method, path, err)
		}
		request.GetBody, request.ContentLength = b.open, b.size
		request.Header.Set("Content-Type", b.mediaType)
	}
	request.Header.Set("Accept", accept)
	if c.options.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	response, err := c.options.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	defer response.Body.Close()
	return nil, refusal(response)
}

// refusal reads an answer that is an error; one that is no problem of the server comes from something before it.
func refusal(response *http.Response) *Error {
	var p problem
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Code == "" {
		p = problem{Detail: response.Request.Method + " " + response.Request.URL.String() + ": " + response.Status}
	}
	p.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && p.RetryAfter == 0 {
		p.RetryAfter = seconds
	}
	return p.asError()
}

// in is the path of a collection, and of what is below it. A plus sign is escaped too: some servers read it as a blank.
func in(collection string, below ...string) string {
	path := "/collections/" + strings.ReplaceAll(url.PathEscape(collection), "+", "%2B")
	for _, part := range below {
		path += "/" + strings.ReplaceAll(url.PathEscape(part), "+", "%2B")
	}
	return path
}
