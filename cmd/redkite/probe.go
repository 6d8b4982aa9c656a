package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// probeCommand asks a server whether it is ready.
type probeCommand struct {
	URL string `arg:"" optional:"" default:"http://127.0.0.1:8080/readyz" help:"Address to ask."`
}

// Run fails unless the answer is 200.
func (c probeCommand) Run(ctx context.Context, o output) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("probe %s: %w", c.URL, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("probe %s: answered %s", c.URL, response.Status)
	}
	fmt.Fprintln(o.out, "ready")
	return nil
}
