package httpapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestLongestAddress: what the OpenAPI document lets a client put into an address reaches the server, which says what is
// wrong with it. A limit of net/http's own would be answered by net/http, in words that no document describes.
func TestLongestAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, ended := newServer(t, &world{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- s.Serve(ctx, listener) }()
	defer func() {
		cancel()
		<-ended
	}()
	filter := strings.Repeat("\U0001AAAA", 8000)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+"/api/v1/collections/c/documents?filter="+url.QueryEscape(filter), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusBadRequest || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s %.200s %v", response.StatusCode, response.Header.Get("Content-Type"), body, err)
	}
}
