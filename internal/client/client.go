// Package client speaks redkite's native API from Go. The command line goes through it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
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
	for attempt := 1; ; attempt++ {
		err := c.send(ctx, method, path, "application/json", bytes.NewReader(raw), into)
		var refused *Error
		if !errors.As(err, &refused) || refused.RetryAfter == 0 || attempt == attempts {
			return err
		}
		select {
		case <-time.After(min(time.Duration(refused.RetryAfter)*time.Second, mostPause)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends one request.
func (c *Client) send(ctx context.Context, method, path, mediaType string, body io.Reader, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", mediaType)
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := c.http.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no redkite answers at %s; start one with 'redkite serve', or name another with --server", c.base)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		refused := &Error{}
		if json.Unmarshal(raw, &refused.Problem) != nil || refused.Detail == "" {
			return fmt.Errorf("%s %s: %s", method, c.base+path, response.Status)
		}
		return refused
	}
	if into == nil || len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// collectionPath is the address of a collection, and of what is below it.
func collectionPath(name string, below ...string) string {
	path := "/api/v1/collections/" + url.PathEscape(name)
	for _, part := range below {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// CreateCollection makes a collection.
func (c *Client) CreateCollection(ctx context.Context, n api.NewCollection) (api.Collection, error) {
	var out api.Collection
	return out, c.call(ctx, http.MethodPost, "/api/v1/collections", n, &out)
}

// Collection shows a collection and its counts.
func (c *Client) Collection(ctx context.Context, name string) (api.Collection, error) {
	var out api.Collection
	return out, c.call(ctx, http.MethodGet, collectionPath(name), nil, &out)
}

// DeleteCollection removes a collection and all in it.
func (c *Client) DeleteCollection(ctx context.Context, name string) (api.Job, error) {
	var out api.Job
	return out, c.call(ctx, http.MethodDelete, collectionPath(name), nil, &out)
}

// UploadDocuments uploads documents as JSON; it does not wait for their jobs.
func (c *Client) UploadDocuments(ctx context.Context, collection string, documents []api.NewDocument) (api.Uploaded, error) {
	var out api.Uploaded
	return out, c.call(ctx, http.MethodPost, collectionPath(collection, "documents"), api.NewDocuments{Documents: documents}, &out)
}

// UploadFile creates or replaces a document from a file, which is streamed; it does not wait for the job.
func (c *Client) UploadFile(ctx context.Context, collection, id, filename string, content io.Reader) (api.Uploaded, error) {
	read, write := io.Pipe()
	form := multipart.NewWriter(write)
	go func() {
		part, err := form.CreateFormFile("file", filename)
		if err == nil {
			_, err = io.Copy(part, content)
		}
		write.CloseWithError(errors.Join(err, form.Close()))
	}()
	defer read.Close()
	var out api.Uploaded
	return out, c.send(ctx, http.MethodPut, collectionPath(collection, "documents", id), form.FormDataContentType(), read, &out)
}

// Document shows a document.
func (c *Client) Document(ctx context.Context, collection, id string) (api.Document, error) {
	var out api.Document
	return out, c.call(ctx, http.MethodGet, collectionPath(collection, "documents", id), nil, &out)
}

// DeleteDocument removes a document; search stops returning it at once.
func (c *Client) DeleteDocument(ctx context.Context, collection, id string) (api.Job, error) {
	var out api.Job
	return out, c.call(ctx, http.MethodDelete, collectionPath(collection, "documents", id), nil, &out)
}

// Job shows a job; with a wait, when it is over or the time is.
func (c *Client) Job(ctx context.Context, id rag.JobID, wait time.Duration) (api.Job, error) {
	path := "/api/v1/jobs/" + strconv.FormatInt(int64(id), 10)
	if wait > 0 {
		path += "?wait=" + wait.String()
	}
	var out api.Job
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}

// Search finds passages.
func (c *Client) Search(ctx context.Context, collection string, q api.Search) (api.SearchResult, error) {
	var out api.SearchResult
	return out, c.call(ctx, http.MethodPost, collectionPath(collection, "search"), q, &out)
}

// Context finds passages and packs them for a prompt.
func (c *Client) Context(ctx context.Context, collection string, q api.ContextRequest) (api.Context, error) {
	var out api.Context
	return out, c.call(ctx, http.MethodPost, collectionPath(collection, "context"), q, &out)
}

// Ready reports why the server is not ready, or nil.
func (c *Client) Ready(ctx context.Context) error {
	return c.send(ctx, http.MethodGet, "/readyz", "application/json", nil, nil)
}
