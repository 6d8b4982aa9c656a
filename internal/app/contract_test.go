package app

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog/postgrestest"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/rag"
)

// How long the fuzzer of TestContract works, by where the catalog is.
var (
	contractTime     = flag.Duration("contract.time", 75*time.Second, "how long the fuzzer of TestContract works on a server with SQLite")
	contractPostgres = flag.Duration("contract.postgres", 20*time.Second, "how long it works on a server with PostgreSQL")
)

// installed gives the path of what .setup put under .deps, or under the folder that a variable names. Where it is missing,
// the test is skipped, unless a variable says that it must not be.
func installed(t *testing.T, parts ...string) string {
	t.Helper()
	folder := os.Getenv("REDKITE_TEST_VENVS")
	if folder == "" {
		folder = filepath.Join("..", "..", ".deps")
	}
	path, err := filepath.Abs(filepath.Join(folder, filepath.Join(parts...)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("REDKITE_TEST_CLIENTS") != "" {
			t.Fatalf("no %s, which REDKITE_TEST_CLIENTS asks for", path)
		}
		t.Skipf("no %s: 'make deps-test' makes it, where Python is 3.11 or later and Node.js 20", path)
	}
	return path
}

// TestContract lets a fuzzer that knows the OpenAPI document loose on a running server: whatever it sends, the answer has
// to be one that the document describes, and none may be our mistake.
func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	schemathesis := installed(t, "contract", "bin", "schemathesis")
	for name, test := range map[string]struct {
		catalog func(*testing.T) string
		works   time.Duration
	}{
		"sqlite":   {func(*testing.T) string { return "" }, *contractTime},
		"postgres": {func(t *testing.T) string { return postgrestest.Start(t).Database(t) }, *contractPostgres},
	} {
		t.Run(name, func(t *testing.T) {
			set := settings(t, t.TempDir())
			set.LoopbackWithoutKey, set.LogLevel, set.CatalogURL = false, "error", test.catalog(t)
			answersWith(&set, faltering(t, scriptedLLM(t)))
			fuzz(t, schemathesis, set, test.works)
		})
	}
}

// fuzz lets the fuzzer loose on a server of these settings.
func fuzz(t *testing.T, schemathesis string, set config.Settings, works time.Duration) {
	t.Helper()
	s := start(t, set)
	bearer := "Bearer " + s.key(rag.DefaultTenant, rag.ScopeWrite)
	s.seed(bearer)
	ctx, cancel := context.WithTimeout(t.Context(), 2*works+time.Minute)
	defer cancel()
	seconds := fmt.Sprint(int(works.Seconds()))
	config, err := filepath.Abs(filepath.Join("testdata", "contract.toml"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, schemathesis, "--no-color", "--config-file", config, "run", s.base+"/openapi.json",
		"--header", "Authorization: "+bearer, "--max-time", seconds, "--seed", "1", "--continue-on-failure",
		// One worker: Python 3.11's parser of its own source fails now and then where threads share it. What a schema can't say makes valid requests wrong, and null counts as left out: these two look at requests, not answers.
		"--exclude-checks", "positive_data_acceptance,negative_data_rejection")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.Dir = t.TempDir() // it leaves files where it runs
	command.Env = append(os.Environ(), "COLUMNS=160")
	err = command.Run()
	t.Log(output.String())
	if err != nil {
		t.Errorf("the fuzzer found answers that are not in the document, or was not done: %v", err)
	}
}

// faltering is an LLM of which every other answer, and the first, is garbage: what comes of that is described too.
func faltering(t *testing.T, llm string) string {
	t.Helper()
	address, err := url.Parse(strings.TrimSuffix(llm, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	proxy, asked := httputil.NewSingleHostReverseProxy(address), atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%2 == 0 {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: }{\n\n")
	}))
	t.Cleanup(func() {
		s.Close()
		t.Logf("the LLM was asked %d times", asked.Load())
	})
	return s.URL + "/v1"
}

// seed puts what the fuzzer's parameters name onto a server.
func (s *server) seed(bearer string) {
	s.t.Helper()
	post := func(want int, path, body string) {
		s.t.Helper()
		s.do(want, "POST", path, "application/json", bytes.NewReader([]byte(body)), "Authorization", bearer)
	}
	for _, name := range []string{"birds", "fishes"} {
		post(201, "/api/v1/collections", `{"name":"`+name+`","fields":[{"name":"year","type":"int"}]}`)
		post(200, "/api/v1/collections/"+name+"/documents?wait=60s", `{"documents":[{"id":"kite","title":"Red kite","text":"It has a forked tail.","metadata":{"year":1758}},{"id":"robin","text":"It sings at night."}]}`)
	}
}
