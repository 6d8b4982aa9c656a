package client

import (
	"bufio"
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

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// JobSelection says which jobs to list; empty members ask nothing.
type JobSelection struct {
	State      rag.JobState
	Kind       rag.JobKind
	Collection string
	Document   string // by its id; the collection has to be named too
	Batch      rag.BatchID
	From, To   time.Time // made in this time; a zero one asks nothing
	Before     rag.JobID
	Limit      int
}

// Jobs lists jobs, newest first.
func (c *Client) Jobs(ctx context.Context, s JobSelection) (api.Jobs, error) {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			query.Set(name, value)
		}
	}
	set("state", string(s.State))
	set("kind", string(s.Kind))
	set("collection", s.Collection)
	set("document", s.Document)
	set("batch", strconv.FormatInt(int64(s.Batch), 10))
	for name, at := range map[string]time.Time{"created_from": s.From, "created_before": s.To} {
		if !at.IsZero() {
			query.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	set("before", strconv.FormatInt(int64(s.Before), 10))
	set("limit", strconv.Itoa(s.Limit))
	var out api.Jobs
	err := c.call(ctx, http.MethodGet, "/api/v1/jobs?"+query.Encode(), nil, &out)
	return out, err
}

// Collections lists the collections.
func (c *Client) Collections(ctx context.Context) (api.Collections, error) {
	var out api.Collections
	err := c.call(ctx, http.MethodGet, "/api/v1/collections", nil, &out)
	return out, err
}

// Reconcile begins to compare a collection with Milvus, and to repair what differs unless it is a dry run.
func (c *Client) Reconcile(ctx context.Context, collection string, dryRun, originals bool) (api.Job, error) {
	var out api.Job
	err := c.call(ctx, http.MethodPost, collectionPath(collection)+":reconcile?dry_run="+strconv.FormatBool(dryRun)+"&originals="+strconv.FormatBool(originals), nil, &out)
	return out, err
}

// Rebuild begins to make a collection anew in Milvus.
func (c *Client) Rebuild(ctx context.Context, collection string) (api.Job, error) {
	var out api.Job
	err := c.call(ctx, http.MethodPost, collectionPath(collection)+":rebuild", nil, &out)
	return out, err
}

// CancelJob ends an ingest job that is not over.
func (c *Client) CancelJob(ctx context.Context, id rag.JobID) (api.Job, error) {
	return c.controlJob(ctx, id, "cancel")
}

// RetryJob runs a job that failed or was canceled once more.
func (c *Client) RetryJob(ctx context.Context, id rag.JobID) (api.Job, error) {
	return c.controlJob(ctx, id, "retry")
}

func (c *Client) controlJob(ctx context.Context, id rag.JobID, verb string) (api.Job, error) {
	var out api.Job
	err := c.call(ctx, http.MethodPost, "/api/v1/jobs/"+strconv.FormatInt(int64(id), 10)+":"+verb, nil, &out)
	return out, err
}

// maxEvent bounds an event's data, in bytes: the passages of an answer are one event.
const maxEvent = 16 << 20

// FollowJob calls see with what a job goes through until it is over, and returns the job as it was then. Where a stream
// breaks off, because the server starts anew, say, it is opened again.
func (c *Client) FollowJob(ctx context.Context, id rag.JobID, see func(api.JobProgress)) (api.JobProgress, error) {
	return follow(ctx, c, "/api/v1/jobs/"+strconv.FormatInt(int64(id), 10), see)
}

// follow reads the events of what is at path, which are of type T.
func follow[T any](ctx context.Context, c *Client, path string, see func(T)) (T, error) {
	var last T
	seen, over := false, false
	for failures := 1; ; failures++ {
		err := again(ctx, func() error {
			return c.stream(ctx, http.MethodGet, path+"/events", nil, func(name string, data []byte) error {
				var event T
				if err := json.Unmarshal(data, &event); err != nil {
					return fmt.Errorf("read event of %s: %w", path, err)
				}
				last = event
				seen, over, failures = true, name == "end", 0
				see(last)
				return nil
			})
		})
		var refused *Error
		switch {
		case over:
			return last, nil
		case ctx.Err() != nil:
			return last, ctx.Err()
		case err != nil && (!seen || errors.As(err, &refused)):
			return last, err
		case failures == attempts:
			return last, fmt.Errorf("the events of %s break off again and again: %w", path, errors.Join(err, io.ErrUnexpectedEOF))
		}
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}

// followPause is the time before a stream that broke off is opened again.
const followPause = time.Second

// stream sends a request and reads server-sent events until they end.
func (c *Client) stream(ctx context.Context, method, path string, body io.Reader, see func(name string, data []byte) error) error {
	mediaType := ""
	if body != nil {
		mediaType = "application/json"
	}
	request, err := c.request(ctx, method, path, mediaType, body)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := c.http.Do(request)
	if err != nil {
		return c.reached(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		raw, err := io.ReadAll(io.LimitReader(response.Body, maxEvent))
		if err != nil {
			return fmt.Errorf("read answer of %s: %w", path, err)
		}
		return refusal(method+" "+c.base+path, response, raw)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxEvent)
	name, data := "", []byte(nil)
	for lines.Scan() {
		line := lines.Text()
		if value, ok := strings.CutPrefix(line, "event: "); ok {
			name = value
		} else if value, ok := strings.CutPrefix(line, "data: "); ok {
			data = append(data, value...)
		} else if line == "" && data != nil {
			if err := see(name, data); err != nil {
				return err
			}
			name, data = "", nil
		}
	}
	return lines.Err()
}
