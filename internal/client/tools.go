package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// Over makes a client whose requests transport sends, such as one that has the server in its own process.
func Over(transport http.RoundTripper) *Client {
	return &Client{base: "http://redkite", http: &http.Client{Transport: transport}}
}

// Neighbours lists a chunk of a document with up to before chunks before it and after chunks after it, in order.
func (c *Client) Neighbours(ctx context.Context, collection, id string, around rag.ChunkID, before, after int) (api.Chunks, error) {
	var out api.Chunks
	path := collectionPath(collection, "documents", id, "chunks") + fmt.Sprintf("?around=%d&before=%d&after=%d", around, before, after)
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// Access says who the server takes the client for, and what it may do.
func (c *Client) Access(ctx context.Context) (api.Access, error) {
	var out api.Access
	err := c.call(ctx, http.MethodGet, "/api/v1/key", nil, &out)
	return out, err
}
