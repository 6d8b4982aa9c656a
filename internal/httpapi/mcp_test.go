package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/api"
)

// ServeTools tells who the caller is, as the server and its native API see it.
func (w *world) ServeTools(out http.ResponseWriter, r *http.Request, by Caller) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	told := map[string]any{"body": len(body), "writes": by.MayWrite}
	for name, request := range map[string]*http.Request{
		"key":    httptest.NewRequest("GET", "http://redkite/api/v1/key", nil),
		"search": httptest.NewRequest("POST", "http://redkite/api/v1/collections/c/search", strings.NewReader(`{"query":"q"}`)),
		"create": httptest.NewRequest("POST", "http://redkite/api/v1/collections", strings.NewReader(`{"name":"x"}`)),
		"verb":   httptest.NewRequest("POST", "http://redkite/api/v1/collections/c:rebuild", nil),
		"none":   httptest.NewRequest("GET", "http://redkite/api/v1/nothing", nil),
	} {
		request.RemoteAddr = "10.0.0.5:1"
		request.Header.Set("Content-Type", "application/json")
		answer, err := by.Native.RoundTrip(request.WithContext(r.Context()))
		if err != nil {
			told[name] = err.Error()
			continue
		}
		raw, _ := io.ReadAll(answer.Body)
		told[name] = fmt.Sprint(answer.StatusCode)
		if name == "key" {
			told[name] = json.RawMessage(raw)
		}
		if answer.Header.Get(headerRequestID) != out.Header().Get(headerRequestID) {
			told[name] = "another request id"
		}
	}
	_ = json.NewEncoder(out).Encode(told)
}

// TestToolsAskAsTheirCaller looks at what the native API lets a caller of /mcp do.
func TestToolsAskAsTheirCaller(t *testing.T) {
	type told struct {
		Body                       int
		Writes                     bool
		Key                        api.Access
		Search, Create, Verb, None string
	}
	for name, test := range map[string]struct {
		key  string
		want told
	}{
		"the local operator": {"", told{2, false, api.Access{Tenant: "default", Scope: "write"}, "200", "201", "500", "404"}}, // no Upkeep is there
		"a key":              {"good", told{2, true, api.Access{Tenant: "default", KeyID: "k1", Scope: "write"}, "200", "201", "500", "404"}},
		"a reader":           {"reader", told{2, false, api.Access{Tenant: "default", KeyID: "k3", Scope: "read"}, "200", "403", "403", "404"}},
		"another tenant":     {"other", told{2, true, api.Access{Tenant: "other", KeyID: "k2", Scope: "write"}, "404", "201", "500", "404"}},
	} {
		answer := ask(newServer(t, &world{}), "POST", "/mcp", "{}", func(r *http.Request) {
			if test.key != "" {
				r.Header.Set("Authorization", "Bearer "+test.key)
			}
		})
		var got told
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || got != test.want {
			t.Errorf("%s: %v, got %+v, want %+v", name, err, got, test.want)
		}
	}
	if answer := ask(newServer(t, &world{}), "POST", "/mcp", "{}", func(r *http.Request) { r.RemoteAddr = "10.0.0.5:1" }); answer.Code != 401 {
		t.Errorf("another machine without a key: %d", answer.Code)
	}
	long := bytes.Repeat([]byte("x"), maxMCP+1)
	if answer := ask(newServer(t, &world{}), "POST", "/mcp", string(long), nil); answer.Code != 413 || problem(t, answer).Code != "too_large" {
		t.Errorf("a long message: %d", answer.Code)
	}
}
