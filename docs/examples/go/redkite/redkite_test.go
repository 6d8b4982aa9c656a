package redkite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/docs/examples/go/redkite"
)

// answers is a server in the client's own process.
type answers func(r *http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func (a answers) client() *redkite.Client {
	return redkite.New("http://redkite/", redkite.Options{Key: "rk_secret", HTTP: &http.Client{Transport: a}})
}

func answer(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func TestCalls(t *testing.T) {
	var got string
	c := answers(func(r *http.Request) (*http.Response, error) {
		got = r.Method + " " + r.URL.RequestURI()
		if r.Body != nil {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			got += " " + string(raw)
		}
		if r.Header.Get("Authorization") != "Bearer rk_secret" {
			t.Errorf("%s: Authorization is %q", got, r.Header.Get("Authorization"))
		}
		return answer(r, 200, `{"documents":[{"document_id":"d","job_id":7},{"document_id":"e","unchanged":true}],"document_id":"d","id":7,"state":"succeeded","hits":[{"document_id":"d","new_member":1}],"text":"t","answer":"a [1]","citations":[{"number":1}],"passages":[{"number":1}],"finish_reason":"stop"}`), nil
	}).client()
	ctx, yes := t.Context(), true
	for _, test := range []struct {
		name string
		call func() (any, error)
		want string // the request
		says any    // read from the answer
	}{
		{"CreateCollection", func() (any, error) {
			return nil, c.CreateCollection(ctx, redkite.NewCollection{Name: "c", Fields: []redkite.Field{{Name: "year", Type: "int"}}})
		}, `POST /api/v1/collections {"name":"c","fields":[{"name":"year","type":"int"}]}`, nil},
		{"DeleteCollection", func() (any, error) { return nil, c.DeleteCollection(ctx, "a/b c+d") }, "DELETE /api/v1/collections/a%2Fb%20c%2Bd", nil},
		{"PutText", func() (any, error) {
			u, err := c.PutText(ctx, "c", redkite.NewDocument{ID: "d", Text: "t"}, redkite.NewDocument{Chunks: []redkite.NewChunk{{Text: "x", Page: 2}}})
			return u.Jobs(), err
		}, `POST /api/v1/collections/c/documents {"documents":[{"id":"d","text":"t"},{"chunks":[{"text":"x","page":2}]}]}`, []int64{7}},
		{"Wait", func() (any, error) { return nil, c.Wait(ctx, 7) }, "GET /api/v1/jobs/7?wait=30s", nil},
		{"GetDocument", func() (any, error) { d, err := c.GetDocument(ctx, "c", "sub/c++.md"); return d.DocumentID, err }, "GET /api/v1/collections/c/documents/sub%2Fc%2B%2B.md", "d"},
		{"Delete", func() (any, error) { return nil, c.Delete(ctx, "c", "d") }, "DELETE /api/v1/collections/c/documents/d", nil},
		{"Search", func() (any, error) {
			r, err := c.Search(ctx, "c", redkite.Search{Query: "q", TopK: 3, Rerank: &yes, Filter: redkite.Filter{"type": "exists", "key": "k"}})
			return r.Hits[0].DocumentID, err
		}, `POST /api/v1/collections/c/search {"query":"q","top_k":3,"filter":{"key":"k","type":"exists"},"rerank":true}`, "d"},
		{"Context", func() (any, error) {
			r, err := c.Context(ctx, "c", redkite.ContextQuery{Search: redkite.Search{Query: "q"}, MaxTokens: 9})
			return r.Text, err
		}, `POST /api/v1/collections/c/context {"query":"q","max_tokens":9}`, "t"},
		{"Ask", func() (any, error) {
			a, err := c.Ask(ctx, "c", redkite.Question{Search: redkite.Search{Messages: []redkite.Message{{Role: "user", Content: "q"}}}, MaxAnswerTokens: 8})
			return fmt.Sprintln(a.Answer, len(a.Citations), len(a.Passages), a.FinishReason), err
		}, `POST /api/v1/collections/c/ask {"messages":[{"role":"user","content":"q"}],"max_answer_tokens":8}`, "a [1] 1 1 stop\n"},
	} {
		says, err := test.call()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff([]any{test.want, test.says}, []any{got, says}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

const overloaded = `{"status":503,"code":"milvus_unavailable","detail":"Milvus is away","request_id":"R1","retry_after":5}`

// TestWhatIsTriedAgain counts tries and the time they take: what may have been carried out is not asked for twice.
func TestWhatIsTriedAgain(t *testing.T) {
	read := func(ctx context.Context, c *redkite.Client) error {
		_, err := c.GetDocument(ctx, "c", "d")
		return err
	}
	write := func(ctx context.Context, c *redkite.Client) error {
		_, err := c.PutText(ctx, "c", redkite.NewDocument{Text: "t"})
		return err
	}
	broken := func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	says := func(status int, body string, header ...string) answers {
		return func(r *http.Request) (*http.Response, error) { return answer(r, status, body, header...), nil }
	}
	for _, test := range []struct {
		name   string
		call   func(context.Context, *redkite.Client) error
		answer answers
		tries  int
		takes  time.Duration
	}{
		{"a write that was put off", write, says(503, overloaded), 4, 15 * time.Second},
		{"a write put off by a proxy", write, says(429, "<html>", "Retry-After", "2"), 4, 6 * time.Second},
		{"a write put off for long", write, says(503, overloaded, "Retry-After", "60"), 4, 15 * time.Second}, // the server's own word counts
		{"a write put off for a minute", write, says(503, strings.Replace(overloaded, `:5}`, `:60}`, 1)), 1, 0},
		{"a write put off without a time", write, says(503, "<html>"), 1, 0},
		{"a write whose connection breaks", write, broken, 1, 0},
		{"a write behind a bad gateway", write, says(502, "<html>"), 1, 0},
		{"a read that was put off", read, says(503, overloaded), 4, 15 * time.Second},
		{"a read whose connection breaks", read, broken, 4, 1750 * time.Millisecond},
		{"a read behind a bad gateway", read, says(502, "<html>"), 4, 1750 * time.Millisecond},
		{"a read of nothing", read, says(404, `{"code":"not_found","detail":"no such document"}`), 1, 0},
		{"a read that is our mistake", read, says(500, `{"code":"internal","detail":"something went wrong"}`), 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			tries, from := 0, time.Now()
			err := test.call(t.Context(), answers(func(r *http.Request) (*http.Response, error) {
				tries++
				return test.answer(r)
			}).client())
			if err == nil || tries != test.tries || time.Since(from) != test.takes {
				t.Errorf("%s: %d tries in %s, %v; want %d in %s", test.name, tries, time.Since(from), err, test.tries, test.takes)
			}
		})
	}
}

// TestContextEndsTries: a call that its context leaves no time to repeat fails with what the server said, at once.
func TestContextEndsTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := answers(func(r *http.Request) (*http.Response, error) { return answer(r, 503, overloaded), nil }).client()
		from := time.Now()
		soon, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var refused *redkite.Error
		if _, err := c.Search(soon, "c", redkite.Search{Query: "q"}); !errors.As(err, &refused) || time.Since(from) != 0 {
			t.Errorf("%v after %s", err, time.Since(from))
		}
		gone, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Search(gone, "c", redkite.Search{Query: "q"}); !errors.Is(err, context.Canceled) || !errors.As(err, &refused) || time.Since(from) != time.Second {
			t.Errorf("%v after %s", err, time.Since(from))
		}
	})
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name, body string
		status     int
		want       redkite.Error
		says       string
	}{
		{"a problem", `{"status":404,"code":"not_found","detail":"no collection c","request_id":"R1"}`, 404,
			redkite.Error{Status: 404, Code: "not_found", Message: "no collection c", RequestID: "R1"}, "no collection c (404 not_found, request R1)"},
		{"an LLM that failed", `{"code":"llm_cut","detail":"cut","request_id":"R1","passages":[{"number":1,"document_id":"d"}]}`, 502,
			redkite.Error{Status: 502, Code: "llm_cut", Message: "cut", RequestID: "R1", Passages: []redkite.Source{{Number: 1, DocumentID: "d"}}}, "cut (502 llm_cut, request R1)"},
		{"a proxy's page", "<html>", 500, redkite.Error{Status: 500, Message: "POST http://redkite/api/v1/collections/c/ask: 500 Internal Server Error"},
			"POST http://redkite/api/v1/collections/c/ask: 500 Internal Server Error"},
		{"a proxy's JSON", `{"error":"x"}`, 500, redkite.Error{Status: 500, Message: "POST http://redkite/api/v1/collections/c/ask: 500 Internal Server Error"},
			"POST http://redkite/api/v1/collections/c/ask: 500 Internal Server Error"},
	} {
		c := answers(func(r *http.Request) (*http.Response, error) { return answer(r, test.status, test.body), nil }).client()
		_, whole := c.Ask(t.Context(), "c", redkite.Question{})
		_, streamed := collect(c.Stream(t.Context(), "c", redkite.Question{}))
		for _, err := range []error{whole, streamed} {
			var refused *redkite.Error
			if !errors.As(err, &refused) || err.Error() != test.says {
				t.Errorf("%s: %v", test.name, err)
			} else if diff := cmp.Diff(test.want, *refused); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		}
	}
	c := answers(func(r *http.Request) (*http.Response, error) { return answer(r, 200, `{"hits":[`), nil }).client()
	if _, err := c.Search(t.Context(), "c", redkite.Search{}); err == nil || !strings.Contains(err.Error(), "read the answer of POST /collections/c/search") {
		t.Errorf("an answer that is cut: %v", err)
	}
}

func TestJobThatFails(t *testing.T) {
	states := []string{"queued", "running", "failed"}
	c := answers(func(r *http.Request) (*http.Response, error) {
		state := states[0]
		states = states[1:]
		return answer(r, 200, `{"id":7,"document_id":"d","state":"`+state+`","error":{"code":"damaged","message":"the file is damaged"}}`), nil
	}).client()
	err := c.Wait(t.Context(), 7, 8)
	var failed *redkite.JobError
	if !errors.As(err, &failed) || failed.Job.Error.Code != "damaged" || err.Error() != `job 7 of document "d" failed: the file is damaged (damaged)` || len(states) != 0 {
		t.Errorf("%v, %v left", err, states)
	}
}

// TestUpload sends a file to a server that puts the first try off: the second brings it whole.
func TestUpload(t *testing.T) {
	content, opened, closed := strings.Repeat("kites\n", 100000), 0, make(chan struct{}, 2)
	var got map[string][]string
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			t.Error(err)
			return
		}
		got = r.MultipartForm.Value
		file, header, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		raw, err := io.ReadAll(file)
		if err != nil || string(raw) != content || header.Filename != `a "b".txt` {
			t.Errorf("%s came with %d bytes, %v", header.Filename, len(raw), err)
		}
		fmt.Fprint(w, `{"documents":[{"document_id":"d","job_id":7}]}`)
	}))
	defer s.Close()
	u, err := redkite.New(s.URL, redkite.Options{}).Upload(t.Context(), "c", redkite.File{ID: "d", Name: `a "b".txt`, Title: "T", Metadata: map[string]any{"year": 1758}, Open: func() (io.ReadCloser, error) {
		opened++
		return closing{strings.NewReader(content), closed}, nil
	}})
	if err != nil || len(u.Documents) != 1 || u.Documents[0].DocumentID != "d" || opened != 2 {
		t.Errorf("%+v, %v, opened %d times", u, err, opened)
	}
	for range 2 {
		<-closed
	}
	if diff := cmp.Diff(map[string][]string{"id": {"d"}, "title": {"T"}, "metadata": {`{"year":1758}`}}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if _, err := redkite.New(s.URL, redkite.Options{}).Upload(t.Context(), "c", redkite.FileAt("testdata/none.pdf")); err == nil || !strings.Contains(err.Error(), "none.pdf") {
		t.Errorf("a file that is not there: %v", err)
	}
}

type closing struct {
	io.Reader
	closed chan<- struct{}
}

func (c closing) Close() error {
	c.closed <- struct{}{}
	return nil
}
