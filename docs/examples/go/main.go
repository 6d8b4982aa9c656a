// Command go is a client of redkite's native API in one file, on the standard library alone: copy what you need. It makes
// a collection, uploads a text, searches, and deletes what it made. REDKITE_SERVER and REDKITE_API_KEY say where the
// server is and who asks.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Client speaks to one server.
type Client struct {
	Base string // such as http://127.0.0.1:8080
	Key  string // an API key; may be empty on the server's own machine
	HTTP *http.Client
}

// Problem is a request that the server refused. Code is for programs, Detail for people.
type Problem struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s (%d %s, request %s)", p.Detail, p.Status, p.Code, p.RequestID)
}

// Document is a text to upload.
type Document struct {
	ID       string         `json:"id,omitempty"`
	Title    string         `json:"title,omitempty"`
	Text     string         `json:"text"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Search is a question. Filter is such as {"type":"eq","key":"lang","value":"en"}.
type Search struct {
	Query  string         `json:"query"`
	TopK   int            `json:"top_k,omitempty"`
	Filter map[string]any `json:"filter,omitempty"`
}

// Hit is a passage found.
type Hit struct {
	DocumentID string         `json:"document_id"`
	Title      string         `json:"title"`
	Text       string         `json:"text"`
	Metadata   map[string]any `json:"metadata"`
	Scores     struct {
		Relevance *float64 `json:"relevance"` // nil where the cross-encoder did not read it
	} `json:"scores"`
}

// CreateCollection makes a collection.
func (c *Client) CreateCollection(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPost, "/collections", map[string]any{"name": name}, nil)
}

// Upload adds documents, or replaces those of their ids, and waits for them to be searchable.
func (c *Client) Upload(ctx context.Context, collection string, documents ...Document) error {
	return c.do(ctx, http.MethodPost, "/collections/"+url.PathEscape(collection)+"/documents?wait=60s", map[string]any{"documents": documents}, nil)
}

// Search finds passages, best first.
func (c *Client) Search(ctx context.Context, collection string, s Search) ([]Hit, error) {
	var out struct{ Hits []Hit }
	err := c.do(ctx, http.MethodPost, "/collections/"+url.PathEscape(collection)+"/search", s, &out)
	return out.Hits, err
}

// DeleteCollection removes a collection and all in it.
func (c *Client) DeleteCollection(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/collections/"+url.PathEscape(name), nil, nil)
}

// do sends a request and reads the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Base+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.Key)
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		problem := &Problem{Detail: response.Status}
		_ = json.Unmarshal(raw, problem) // a proxy's answer has another shape
		problem.Status = response.StatusCode
		return problem
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := &Client{Base: os.Getenv("REDKITE_SERVER"), Key: os.Getenv("REDKITE_API_KEY"), HTTP: http.DefaultClient}
	const name = "go-birds"
	if err := c.CreateCollection(ctx, name); err != nil {
		return err
	}
	if err := c.Upload(ctx, name, Document{ID: "kite", Title: "Red kite", Text: "It has a forked tail."}, Document{ID: "robin", Text: "It sings at night."}); err != nil {
		return err
	}
	hits, err := c.Search(ctx, name, Search{Query: "Which bird has a forked tail?", TopK: 1})
	if err != nil {
		return err
	}
	if len(hits) != 1 || hits[0].DocumentID != "kite" {
		return fmt.Errorf("found %+v", hits)
	}
	fmt.Println("Search:", hits[0].Title, hits[0].Text)
	return c.DeleteCollection(ctx, name)
}
