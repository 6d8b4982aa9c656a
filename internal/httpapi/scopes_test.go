package httpapi

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// withoutKey are the routes that need no key.
func withoutKey() []string {
	return []string{
		"GET /livez", "GET /readyz", "GET /metrics", "GET /version", "GET /openapi.json", "GET /openapi.yaml",
		"GET /docs", "GET /docs/docs.js", "GET /docs/docs.css",
	}
}

// TestEveryRouteHasItsScope compares the scopes of all routes with testdata/scopes.golden, so that a new route is looked
// at, and asks each of them with a key that may only read.
func TestEveryRouteHasItsScope(t *testing.T) {
	s := newServer(t, &world{})
	var lines []string
	parameter := regexp.MustCompile(`:\w+`)
	for _, route := range s.engine.Routes() {
		name := route.Method + " " + route.Path
		scope := "none"
		if !slices.Contains(withoutKey(), name) {
			scope = string(scopeOf(route.Method, route.Path))
		}
		lines = append(lines, name+" "+scope)
		if scope != string(rag.ScopeWrite) {
			continue
		}
		answer := ask(s, route.Method, parameter.ReplaceAllString(route.Path, "1"), "{}", func(r *http.Request) { r.Header.Set("Authorization", "Bearer reader") })
		if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "key_read_only") {
			t.Errorf("%s with a key that may only read: %d %s", name, answer.Code, answer.Body)
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/scopes.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the routes or their scopes have changed; where that is meant, run go test ./internal/httpapi -update:\n%s", diff)
	}
}

func TestKeyThatMayOnlyRead(t *testing.T) {
	reader := func(r *http.Request) { r.Header.Set("Authorization", "Bearer reader") }
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"search":            {"POST", "/api/v1/collections/c/search", `{"query":"q"}`, 200, "hits"},
		"list":              {"GET", "/api/v1/collections", "", 200, "collections"},
		"who asks":          {"GET", "/api/v1/key", "", 200, `"scope":"read"`},
		"make a collection": {"POST", "/api/v1/collections", `{"name":"x"}`, 403, "key_read_only"},
		"a verb":            {"POST", "/api/v1/collections/c:rebuild", "", 403, "/api/v1/collections/c:rebuild changes data"},
		"upload":            {"POST", "/api/v1/collections/c/documents", `{"documents":[{"text":"x"}]}`, 403, "key_read_only"},
		"no such route":     {"POST", "/api/v1/nothing", "", 404, "no_route"},
	} {
		answer := ask(newServer(t, &world{}), test.method, test.path, test.body, reader)
		if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.says) {
			t.Errorf("%s: got %d %s", name, answer.Code, answer.Body)
		}
	}
	if answer := ask(newServer(t, &world{}), "GET", "/api/v1/key", "", nil); !strings.Contains(answer.Body.String(), `"scope":"write"`) || strings.Contains(answer.Body.String(), "key_id") {
		t.Errorf("the local operator: %s", answer.Body)
	}
}
