// Package client speaks redkite's native API from Go. The command line goes through it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// Client speaks to one server.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New makes a client of the server at base, such as http://127.0.0.1:8080. key may be empty on the server's machine.
func New(base, key string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), key: key, http: &http.Client{}}
}

// Error is a request that the server refused.
type Error struct{ api.Problem }

// Error gives what the server said, with the request's id to look for in its log.
func (e *Error) Error() string {
	if e.RequestID == "" { // not redkite's own words: a proxy answered
		return e.Detail
	}
	return fmt.Sprintf("%s (%d %s, request %s)", e.Detail, e.Status, e.Code, e.RequestID)
}

// Is lets errors.Is tell what is missing and what is there already.
func (e *Error) Is(target error) bool {
	return target == rag.ErrNotFound && e.Status == http.StatusNotFound ||
		target == rag.ErrConflict && e.Status == http.StatusConflict ||
		target == rag.ErrInvalid && e.Status == http.StatusBadRequest
}

// A request that may be repeated is tried again while the server is overloaded or waits for a service.
const (
	attempts  = 6
	mostPause = 10 * time.Second
)

// call sends a request with a JSON body and decodes the JSON answer.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return fmt.Errorf("write request: %w", err)
		}
	}
	return again(ctx, func() error {
		return c.send(ctx, method, path, "application/json", bytes.NewReader(raw), into)
	})
}

// again repeats a request for as long as the server asks for that: 429 or 503 with a time to wait, after which it has
// taken nothing of the request.
func again(ctx context.Context, request func() error) error {
	for attempt := 1; ; attempt++ {
		err := request()
		var refused *Error
		if !errors.As(err, &refused) || refused.RetryAfter <= 0 || attempt == attempts ||
			refused.Status != http.StatusTooManyRequests && refused.Status != http.StatusServiceUnavailable {
			return err
		}
		select {
		case <-time.After(min(time.Duration(refused.RetryAfter)*time.Second, mostPause)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends one request, and reads the answer's JSON into into unless that is nil.
func (c *Client) send(ctx context.Context, method, path, mediaType string, body io.Reader, into any) error {
	return c.exchange(ctx, method, path, mediaType, body, func(answer io.Reader) error {
		raw, err := io.ReadAll(answer)
		if err != nil || into == nil || len(raw) == 0 {
			return err
		}
		return json.Unmarshal(raw, into)
	})
}

// exchange sends one request, and has read take the answer's body unless that is a refusal.
func (c *Client) exchange(ctx context.Context, method, path, mediaType string, body io.Reader, read func(io.Reader) error) error {
	request, err := c.request(ctx, method, path, mediaType, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.reached(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			return fmt.Errorf("read answer of %s: %w", path, err)
		}
		return refusal(method+" "+c.base+path, response, raw)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// request makes a request with the key. mediaType is the body's.
func (c *Client) request(ctx context.Context, method, path, mediaType string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	return request, nil
}

// reached says what to do where no server answers.
func (c *Client) reached(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no redkite answers at %s; start one with 'redkite serve', or name another with --server: %w", c.base, err)
	}
	return err
}

// refusal reads an answer that is an error; one that is no problem+json comes from something before the server.
func refusal(request string, response *http.Response, raw []byte) error {
	refused := &Error{}
	if json.Unmarshal(raw, &refused.Problem) != nil || refused.Detail == "" {
		refused.Problem = api.Problem{Detail: request + ": " + response.Status}
	}
	refused.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && refused.RetryAfter == 0 {
		refused.RetryAfter = seconds
	}
	return refused
}

// collectionPath is the address of a collection, and of what is below it.
func collectionPath(name string, below ...string) string {
	path := "/api/v1/collections/" + escape(name)
	for _, part := range below {
		path += "/" + escape(part)
	}
	return path
}

// escape writes a part of a path. A plus sign is escaped too: servers that read it as a blank would find another name.
func escape(part string) string { return strings.ReplaceAll(url.PathEscape(part), "+", "%2B") }

// CreateCollection makes a collection.
func (c *Client) CreateCollection(ctx context.Context, n api.NewCollection) (api.Collection, error) {
	var out api.Collection
	err := c.call(ctx, http.MethodPost, "/api/v1/collections", n, &out)
	return out, err
}

// Collection shows a collection and its counts.
func (c *Client) Collection(ctx context.Context, name string) (api.Collection, error) {
	var out api.Collection
	err := c.call(ctx, http.MethodGet, collectionPath(name), nil, &out)
	return out, err
}

// SetChunking changes how documents are cut that are uploaded from now on.
func (c *Client) SetChunking(ctx context.Context, name string, chunking api.NewChunking) (api.Collection, error) {
	var out api.Collection
	err := c.call(ctx, http.MethodPatch, collectionPath(name), api.CollectionPatch{Chunking: &chunking}, &out)
	return out, err
}

// SetRetrieval changes how a collection's searches rank, where a request says nothing else.
func (c *Client) SetRetrieval(ctx context.Context, name string, retrieval api.NewRetrieval) (api.Collection, error) {
	var out api.Collection
	err := c.call(ctx, http.MethodPatch, collectionPath(name), api.CollectionPatch{Retrieval: &retrieval}, &out)
	return out, err
}

// DeleteCollection removes a collection and all in it.
func (c *Client) DeleteCollection(ctx context.Context, name string) (api.Job, error) {
	var out api.Job
	err := c.call(ctx, http.MethodDelete, collectionPath(name), nil, &out)
	return out, err
}

// Document shows a document.
func (c *Client) Document(ctx context.Context, collection, id string) (api.Document, error) {
	var out api.Document
	err := c.call(ctx, http.MethodGet, collectionPath(collection, "documents", id), nil, &out)
	return out, err
}

// Text writes the text of a document's live version, its code points from start up to and without end; an end of 0 is the
// text's end.
func (c *Client) Text(ctx context.Context, collection, id string, start, end int, into io.Writer) error {
	path := collectionPath(collection, "documents", id, "text")
	query := url.Values{}
	if start != 0 {
		query.Set("start", strconv.Itoa(start))
	}
	if end != 0 {
		query.Set("end", strconv.Itoa(end))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return again(ctx, func() error {
		return c.exchange(ctx, http.MethodGet, path, "", nil, func(answer io.Reader) error {
			_, err := io.Copy(into, answer)
			return err
		})
	})
}

// Documents lists a page of documents, those in one state or, with an empty one, all; after is the page before's Next.
func (c *Client) Documents(ctx context.Context, collection string, status rag.Status, after string) (api.Documents, error) {
	query := url.Values{}
	if status != "" {
		query.Set("status", string(status))
	}
	if after != "" {
		query.Set("after", after)
	}
	path := collectionPath(collection, "documents")
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var out api.Documents
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// DeleteDocument removes a document; search stops returning it at once.
func (c *Client) DeleteDocument(ctx context.Context, collection, id string) (api.Job, error) {
	var out api.Job
	err := c.call(ctx, http.MethodDelete, collectionPath(collection, "documents", id), nil, &out)
	return out, err
}

// Job shows a job; with a wait, when it is over or the time is.
func (c *Client) Job(ctx context.Context, id rag.JobID, wait time.Duration) (api.Job, error) {
	path := "/api/v1/jobs/" + strconv.FormatInt(int64(id), 10)
	if wait > 0 {
		path += "?wait=" + wait.String()
	}
	var out api.Job
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// Search finds passages.
func (c *Client) Search(ctx context.Context, collection string, q api.Search) (api.SearchResult, error) {
	var out api.SearchResult
	err := c.call(ctx, http.MethodPost, collectionPath(collection, "search"), q, &out)
	return out, err
}

// Context finds passages and packs them for a prompt.
func (c *Client) Context(ctx context.Context, collection string, q api.ContextRequest) (api.Context, error) {
	var out api.Context
	err := c.call(ctx, http.MethodPost, collectionPath(collection, "context"), q, &out)
	return out, err
}

// Models lists the models that a collection may name.
func (c *Client) Models(ctx context.Context) (api.Models, error) {
	var out api.Models
	err := c.call(ctx, http.MethodGet, "/api/v1/models", nil, &out)
	return out, err
}

// Version says what serves.
func (c *Client) Version(ctx context.Context) (api.Version, error) {
	var out api.Version
	err := c.call(ctx, http.MethodGet, "/version", nil, &out)
	return out, err
}

// Ready reports why the server is not ready, or nil.
func (c *Client) Ready(ctx context.Context) error {
	return c.send(ctx, http.MethodGet, "/readyz", "application/json", nil, nil)
}
