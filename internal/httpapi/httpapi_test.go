package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

var update = flag.Bool("update", false, "rewrite docs/openapi.json and the files in testdata")

// world is a fake of what the server serves: one collection, and what a test puts in.
type world struct {
	searchErr error
	staged    []ingest.Upload
	read      int64 // bytes of uploads
	searching chan struct{}
	mode      rag.Mode       // of the collection
	asked     retrieve.Query // the last search
}

func (w *world) Create(_ context.Context, tenant string, n api.NewCollection) (rag.Collection, error) {
	return rag.Collection{Tenant: tenant, Name: n.Name}, nil
}

func (w *world) Collection(_ context.Context, tenant, name string) (rag.Collection, error) {
	if name != "c" || tenant != rag.DefaultTenant {
		return rag.Collection{}, rag.NotFound("there is no collection %q", name)
	}
	return rag.Collection{ID: 1, Tenant: tenant, Name: name, Mode: w.mode}, nil
}

func (w *world) Change(ctx context.Context, tenant, name string, asked api.CollectionPatch) (rag.Collection, error) {
	if asked.Mode != nil {
		w.mode = *asked.Mode
	}
	c, err := w.Collection(ctx, tenant, name)
	if err == nil && asked.Chunking != nil {
		c.Chunking, err = w.Chunking(ctx, c, *asked.Chunking)
	}
	return c, err
}

func (w *world) Chunking(_ context.Context, c rag.Collection, asked api.NewChunking) (rag.Chunking, error) {
	return chunk.Settle(rag.NewChunking(asked), c.Chunking, 510)
}

func (w *world) DeleteCollection(context.Context, string, string) (rag.Job, error) {
	return rag.Job{ID: 9}, nil
}
func (w *world) Collections(context.Context, string) ([]rag.Collection, error) { return nil, nil }
func (w *world) Counts(context.Context, rag.CollectionID) (rag.Counts, error) {
	return rag.Counts{}, nil
}
func (w *world) QueueDepth(context.Context) (map[rag.JobState]int, error)      { return nil, nil }
func (w *world) DocumentsByStatus(context.Context) (map[rag.Status]int, error) { return nil, nil }
func (w *world) Discard(context.Context, []ingest.Staged)                      {}
func (w *world) Models(context.Context) []api.Model                            { return nil }

func (w *world) Stage(_ context.Context, _ rag.Collection, u ingest.Upload) (ingest.Staged, error) {
	if u.Body != nil {
		n, err := io.Copy(io.Discard, u.Body)
		if w.read += n; err != nil {
			return ingest.Staged{}, err
		}
		if n == 0 {
			return ingest.Staged{}, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty_file", Message: u.Filename + " is empty"}
		}
	}
	w.staged = append(w.staged, u)
	return ingest.Staged{Upload: u}, nil
}

func (w *world) Commit(_ context.Context, _ rag.Collection, staged []ingest.Staged) ([]ingest.Accepted, error) {
	var out []ingest.Accepted
	for i, s := range staged {
		out = append(out, ingest.Accepted{Document: rag.Document{ExternalID: s.Upload.ExternalID, Status: rag.StatusQueued}, Job: rag.Job{ID: rag.JobID(i + 1), State: rag.JobQueued}})
	}
	return out, nil
}

func (w *world) Search(ctx context.Context, q retrieve.Query) (retrieve.Result, error) {
	w.asked = q
	if w.searching != nil {
		w.searching <- struct{}{}
		<-ctx.Done()
	}
	return retrieve.Result{RankedBy: rag.RankedByDense}, w.searchErr
}

func (w *world) Authenticate(_ context.Context, secret string) (rag.Principal, error) {
	if secret == "good" {
		return rag.Principal{Tenant: rag.DefaultTenant, Key: "k1"}, nil
	}
	if secret == "reader" {
		return rag.Principal{Tenant: rag.DefaultTenant, Key: "k3", Scope: rag.ScopeRead}, nil
	}
	if secret == "other" {
		return rag.Principal{Tenant: "other", Key: "k2"}, nil
	}
	return rag.Principal{}, &rag.Problem{Kind: rag.ErrUnauthorized, Code: "invalid_api_key", Message: "the API key is not valid"}
}

func newServer(t *testing.T, w *world) *Server {
	t.Helper()
	s, err := New(Deps{
		Collections: w, Chunkings: w, Overview: w, Intake: w, Retriever: w, Keys: w, Models: w, Tools: w, Stats: w, Log: slog.New(slog.DiscardHandler),
		Checks: []Check{{Name: "milvus", Run: func(context.Context) (string, error) { return "2.6.0", w.searchErr }}},
	}, Options{Version: "test", API: true, LoopbackWithoutKey: true, MaxSearches: 1, SearchDeadline: time.Second, DrainTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request as the local operator, changed by change.
func ask(s *Server, method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "127.0.0.1:8080"
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, r)
	return answer
}

func problem(t *testing.T, answer *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || p.Status != answer.Code || p.RequestID == "" || p.Detail == "" ||
		answer.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s is no proper problem: %s (%v)", answer.Code, answer.Header().Get("Content-Type"), answer.Body, err)
	}
	return p
}

func TestEveryKindOfErrorHasItsStatus(t *testing.T) {
	tests := []struct {
		err    error
		status int
		retry  bool
	}{
		{rag.ErrInvalid, 400, false}, {rag.ErrUnauthorized, 401, false}, {rag.ErrForbidden, 403, false}, {rag.ErrNotFound, 404, false},
		{rag.ErrConflict, 409, false}, {rag.ErrTooLarge, 413, false}, {rag.ErrUnsupported, 415, false}, {rag.ErrOverloaded, 429, true},
		{rag.NoSpace("the catalog", errors.New("full")), 507, true},
		{rag.Unavailable("milvus", errors.New("refused")), 503, true}, {context.DeadlineExceeded, 504, false}, {context.Canceled, 499, false},
		{errors.New("secret: /etc/passwd"), 500, false},
	}
	for _, test := range tests {
		answer := ask(newServer(t, &world{searchErr: fmt.Errorf("search: %w", test.err)}), "POST", "/api/v1/collections/c/search", `{"query":"q"}`, nil)
		p := problem(t, answer)
		if answer.Code != test.status || (answer.Header().Get("Retry-After") != "") != test.retry || strings.Contains(p.Detail, "secret") {
			t.Errorf("%v: got %d, Retry-After %q, %q", test.err, answer.Code, answer.Header().Get("Retry-After"), p.Detail)
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	bearer := func(key string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) }
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"the local operator", nil, 200},
		{"the local operator over IPv6", func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:1", "[::1]:8080" }, 200},
		{"another machine", func(r *http.Request) { r.RemoteAddr = "10.0.0.5:1" }, 401},
		{"another machine with a key", func(r *http.Request) { r.RemoteAddr = "10.0.0.5:1"; bearer("good")(r) }, 200},
		{"another machine that claims to be local", func(r *http.Request) { r.RemoteAddr = "10.0.0.5:1"; r.Header.Set("X-Forwarded-For", "127.0.0.1") }, 401},
		{"a wrong key", bearer("bad"), 401},
		{"no bearer", func(r *http.Request) { r.Header.Set("Authorization", "Basic Zm9v") }, 401},
		{"another tenant's key", bearer("other"), 404},
		{"a page whose name was made to point here", func(r *http.Request) { r.Host = "evil.example:8080" }, 401},
		{"a page of another site", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 401},
		{"a page of another site, as browsers mark it", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 401},
		{"our own page", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:8080") }, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := ask(newServer(t, &world{}), "POST", "/api/v1/collections/c/search", `{"query":"q"}`, test.change)
			if answer.Code != test.want {
				t.Errorf("got %d, want %d: %s", answer.Code, test.want, answer.Body)
			}
			if answer.Code == 401 && answer.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	search := "/api/v1/collections/c/search"
	documents := "/api/v1/collections/c/documents"
	tests := []struct {
		method, path, body string
		status             int
		pointer            string
	}{
		{"POST", search, `{"query":`, 400, ""},
		{"POST", search, `{}`, 400, ""},
		{"POST", search, `{"query":"q","top_k":1000}`, 400, "/top_k"},
		{"POST", search, `{"query":"q","tok":1}`, 400, "/tok"},
		{"POST", search, `{"query":"q","filter":{"type":"like"}}`, 400, "/filter/type"},
		{"POST", "/api/v1/collections", `{"name":"a b"}`, 400, "/name"},
		{"POST", documents, `{"documents":[]}`, 400, "/documents"},
		{"POST", documents, `{"documents":[{"id":"a","text":"x"},{"id":"b"}]}`, 400, "/documents/1"},
		{"POST", documents, `{"documents":[{"id":"a","text":"x","colour":"red"}]}`, 400, "/documents/0/colour"},
		{"POST", documents + "?wait=soon", `{"documents":[{"text":"x"}]}`, 400, "?wait"},
		{"PUT", documents + "/a", `{"id":"b","text":"x"}`, 400, "/id"},
		{"GET", "/api/v1/nothing", ``, 404, ""},
		{"PATCH", search, ``, 405, ""},
	}
	for _, test := range tests {
		answer := ask(newServer(t, &world{}), test.method, test.path, test.body, nil)
		p := problem(t, answer)
		if answer.Code != test.status || test.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != test.pointer) {
			t.Errorf("%s %s %s: got %d, %+v", test.method, test.path, test.body, answer.Code, p)
		}
	}
}

func TestUploadsStream(t *testing.T) {
	const size = 200 << 20
	w := &world{}
	head := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"empty.txt\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.txt\"\r\n\r\n"
	body := io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, size), strings.NewReader("\r\n--b--\r\n"))
	answer := ask(newServer(t, w), "POST", "/api/v1/collections/c/documents", "", func(r *http.Request) {
		r.Body = io.NopCloser(body)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	})
	var got api.Uploaded
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != 202 || w.read != size {
		t.Fatalf("got %d, %d bytes: %s", answer.Code, w.read, answer.Body)
	}
	if len(got.Documents) != 1 || len(got.Errors) != 1 || got.Errors[0].Code != "empty_file" || answer.Header().Get("Location") != "/api/v1/jobs/1" {
		t.Errorf("got %+v, Location %q", got, answer.Header().Get("Location"))
	}
}

// TestFormThatIsCut must not be taken for one that is whole.
func TestFormThatIsCut(t *testing.T) {
	whole := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\ntext\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.txt\"\r\n\r\ntext\r\n--b--\r\n"
	for cut := 1; cut < len(whole)-4; cut++ { // without the line end a form is whole
		answer := ask(newServer(t, &world{}), "POST", "/api/v1/collections/c/documents", whole[:cut], func(r *http.Request) {
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		})
		if answer.Code < 400 {
			t.Fatalf("cut after %d of %d bytes: %d %s", cut, len(whole), answer.Code, answer.Body)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestTooManySearchesAreRefused(t *testing.T) {
	w := &world{searching: make(chan struct{})}
	s := newServer(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(s, "POST", "/api/v1/collections/c/search", `{"query":"q"}`, func(r *http.Request) { *r = *r.WithContext(ctx) })
	}()
	<-w.searching
	if answer := ask(s, "POST", "/api/v1/collections/c/search", `{"query":"q"}`, nil); answer.Code != 429 || answer.Header().Get("Retry-After") == "" {
		t.Errorf("got %d", answer.Code)
	}
	cancel()
	<-done
}

func TestReadiness(t *testing.T) {
	if answer := ask(newServer(t, &world{}), "GET", "/readyz?verbose", "", nil); answer.Code != 200 || answer.Body.String() != "ok   milvus: 2.6.0\n" {
		t.Errorf("got %d %q", answer.Code, answer.Body)
	}
	down := newServer(t, &world{searchErr: errors.New("connection refused")})
	if answer := ask(down, "GET", "/readyz?verbose", "", nil); answer.Code != 503 || !strings.HasPrefix(answer.Body.String(), "fail milvus") {
		t.Errorf("got %d %q", answer.Code, answer.Body)
	}
	if answer := ask(down, "GET", "/livez", "", nil); answer.Code != 200 {
		t.Errorf("liveness hangs on Milvus: %d", answer.Code)
	}
}

// TestReadinessNamesNobodyElse gives checks the tenant of who asks, and none where it can't be told.
func TestReadinessNamesNobodyElse(t *testing.T) {
	named := newServer(t, &world{})
	named.deps.Checks = []Check{{Name: "who", Run: func(ctx context.Context) (string, error) { return "<" + Tenant(ctx) + ">", nil }}}
	key := func(secret string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = "10.0.0.7:80"; r.Header.Set("Authorization", "Bearer "+secret) }
	}
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"the local operator": {nil, "<" + rag.DefaultTenant + ">"},
		"a probe":            {func(r *http.Request) { r.RemoteAddr = "10.0.0.7:80" }, "<>"},
		"a wrong key":        {key("bad"), "<>"},
		"another tenant":     {key("other"), "<other>"},
	} {
		if answer := ask(named, "GET", "/readyz?verbose", "", test.change); answer.Code != 200 || !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s: got %d %q, want %s", name, answer.Code, answer.Body, test.want)
		}
	}
	named.options.API, named.deps.Keys = false, nil // a worker
	if answer := ask(named, "GET", "/readyz?verbose", "", key("good")); answer.Code != 200 || !strings.Contains(answer.Body.String(), "<>") {
		t.Errorf("a worker: %d %q", answer.Code, answer.Body)
	}
}

type words struct {
	state rag.Lexical
	err   error
}

func (w words) Lexical(context.Context, rag.Collection) (rag.Lexical, error) { return w.state, w.err }

// TestCollectionShowsItsLexicalSearch, and is shown all the same where Milvus does not answer.
func TestCollectionShowsItsLexicalSearch(t *testing.T) {
	s := newServer(t, &world{})
	for _, test := range []struct {
		words words
		want  rag.Lexical
	}{
		{words{state: rag.LexicalReady}, "ready"}, {words{state: rag.LexicalNeedsRebuild}, "needs_rebuild"},
		{words{state: rag.LexicalUnsupported}, "unsupported"}, {words{err: errors.New("connection refused")}, ""},
	} {
		s.deps.Lexical = test.words
		for _, answer := range []*httptest.ResponseRecorder{
			ask(s, "GET", "/api/v1/collections/c", "", nil), ask(s, "PATCH", "/api/v1/collections/c", `{"mode":"hybrid"}`, nil),
		} {
			var c api.Collection
			if err := json.Unmarshal(answer.Body.Bytes(), &c); err != nil || answer.Code != 200 || c.Lexical != test.want {
				t.Errorf("%d %s, want %q", answer.Code, answer.Body, test.want)
			}
		}
	}
}

func TestMetricsNameNobody(t *testing.T) {
	s := newServer(t, &world{})
	ask(s, "POST", "/api/v1/collections/c/search", `{"query":"q"}`, nil)
	text := ask(s, "GET", "/metrics", "", nil).Body.String()
	if !strings.Contains(text, `redkite_http_requests_total{method="POST",route="/api/v1/collections/:collection/search",status="200"} 1`) {
		t.Errorf("the search was not counted:\n%s", text)
	}
	for _, label := range regexp.MustCompile(`[{,]([a-z_]+)="`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains([]string{"route", "method", "status", "stage", "reason", "state", "le", "quantile", "version"}, label[1]) {
			t.Errorf("label %q may name somebody", label[1])
		}
	}
}

// TestOpenAPIIsComplete compares the routes with the document, and the document with the one checked in.
func TestOpenAPIIsComplete(t *testing.T) {
	s := newServer(t, &world{})
	raw := ask(s, "GET", "/openapi.json", "", nil).Body.Bytes()
	var spec struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(raw, &spec); err != nil || !strings.HasPrefix(spec.OpenAPI, "3.1") {
		t.Fatalf("OpenAPI %q: %v", spec.OpenAPI, err)
	}
	var described, routed []string
	for path, operations := range spec.Paths {
		for method := range operations {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	parameter := regexp.MustCompile(`:(\w+)`)
	for _, route := range s.engine.Routes() {
		if served(route.Path) {
			path := parameter.ReplaceAllString(route.Path, "{$1}")
			for _, verb := range verbs() {
				if resource, ok := strings.CutSuffix(path, "/"+verb); ok && familyOf(path) == familyNative {
					path = resource + ":" + verb
				}
			}
			routed = append(routed, route.Method+" "+path)
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if diff := cmp.Diff(routed, described); diff != "" {
		t.Errorf("routes and OpenAPI differ: %s", diff)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(tree, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "../../docs/openapi.json"
	if *update {
		if err := os.WriteFile(golden, append(pretty, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(pretty)+"\n"); diff != "" {
		t.Errorf("the API has changed; if that is meant, run go test ./internal/httpapi -update:\n%s", diff)
	}
}
