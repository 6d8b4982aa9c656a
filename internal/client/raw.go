package client

import (
	"context"
	"net/http"

	"github.com/redkite/redkite/internal/api"
)

// SearchRaw searches with a request's members as they are and reads the answer into into: for callers that do not name each
// member, such as measurements of whatever a server takes.
func (c *Client) SearchRaw(ctx context.Context, collection string, request, into any) error {
	return c.call(ctx, http.MethodPost, collectionPath(collection, "search"), request, into)
}

// Fingerprint tells a collection's content from another's.
func (c *Client) Fingerprint(ctx context.Context, collection string) (api.Fingerprint, error) {
	var out api.Fingerprint
	err := c.call(ctx, http.MethodGet, collectionPath(collection, "fingerprint"), nil, &out)
	return out, err
}

// PatchCollection changes members of a collection.
func (c *Client) PatchCollection(ctx context.Context, collection string, patch any) (api.Collection, error) {
	var out api.Collection
	err := c.call(ctx, http.MethodPatch, collectionPath(collection), patch, &out)
	return out, err
}
