package main

import "github.com/redkite/redkite/internal/client"

// connection says which server a command speaks to.
type connection struct {
	Server string `default:"http://127.0.0.1:8080" help:"Address of the server (REDKITE_SERVER)."`
	APIKey string `name:"api-key" help:"API key; none is needed on the server's own machine (REDKITE_API_KEY)."`
}

func (c connection) client() *client.Client { return client.New(c.Server, c.APIKey) }
