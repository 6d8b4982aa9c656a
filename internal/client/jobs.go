package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// JobSelection says which jobs to list; empty members ask nothing.
type JobSelection struct {
	State      rag.JobState
	Kind       rag.JobKind
	Collection string
	Document   string // by its id; the collection has to be named too
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
func (c *Client) Reconcile(ctx context.Context, collection string, dryRun bool) (api.Job, error) {
	var out api.Job
	err := c.call(ctx, http.MethodPost, collectionPath(collection)+":reconcile?dry_run="+strconv.FormatBool(dryRun), nil, &out)
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
