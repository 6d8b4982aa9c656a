package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// serve starts a stand-in server and gives a client of it.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return New(s.URL+"/", "rk_secret")
}

func problem(w http.ResponseWriter, status int, detail string, retryAfter int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"detail":%q,"code":"a_code","request_id":"R1","retry_after":%d}`, status, detail, retryAfter)
}

func TestRequestsAndAnswers(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.RequestURI + " " + string(body)
		if r.Header.Get("Authorization") != "Bearer rk_secret" {
			t.Errorf("Authorization is %q", r.Header.Get("Authorization"))
		}
		if r.URL.Path == "/version" {
			fmt.Fprint(w, `{"version":"v"}`)
			return
		}
		if r.URL.Path == "/api/v1/jobs" {
			fmt.Fprint(w, `{"jobs":[]}`)
			return
		}
		fmt.Fprint(w, `{"name":"n","document_id":"d","id":7,"next":"k","text":"t","ranked_by":"blend"}`)
	})
	ctx := t.Context()
	tests := []struct {
		name string
		ask  func() (string, error)
		want string // the request
		says string // read from the answer
	}{
		{"collection", func() (string, error) { x, err := c.Collection(ctx, "a/b c"); return x.Name, err }, "GET /api/v1/collections/a%2Fb%20c ", "n"},
		{"document", func() (string, error) { x, err := c.Document(ctx, "c", "sub/c++.md"); return x.DocumentID, err }, "GET /api/v1/collections/c/documents/sub%2Fc%2B%2B.md ", "d"},
		{"documents", func() (string, error) { x, err := c.Documents(ctx, "c", rag.StatusFailed, "k1"); return x.Next, err }, "GET /api/v1/collections/c/documents?after=k1&status=failed ", "k"},
		{"text", func() (string, error) {
			var b strings.Builder
			err := c.Text(ctx, "c", "a/b", 3, 9, &b)
			return b.String()[2:6], err
		}, "GET /api/v1/collections/c/documents/a%2Fb/text?end=9&start=3 ", "name"},
		{"deletion", func() (string, error) { x, err := c.DeleteDocument(ctx, "c", "d"); return fmt.Sprint(x.ID), err }, "DELETE /api/v1/collections/c/documents/d ", "7"},
		{"job", func() (string, error) { x, err := c.Job(ctx, 7, 0); return fmt.Sprint(x.ID), err }, "GET /api/v1/jobs/7 ", "7"},
		{"jobs", func() (string, error) {
			x, err := c.Jobs(ctx, JobSelection{State: rag.JobFailed, Collection: "a b", To: time.Unix(0, 0).UTC(), Limit: 2})
			return fmt.Sprint(len(x.Jobs)), err
		}, "GET /api/v1/jobs?collection=a+b&created_before=1970-01-01T00%3A00%3A00Z&limit=2&state=failed ", "0"},
		{"cancel", func() (string, error) { x, err := c.CancelJob(ctx, 7); return fmt.Sprint(x.ID), err }, "POST /api/v1/jobs/7:cancel ", "7"},
		{"retry", func() (string, error) { x, err := c.RetryJob(ctx, 7); return fmt.Sprint(x.ID), err }, "POST /api/v1/jobs/7:retry ", "7"},
		{"search", func() (string, error) {
			x, err := c.Search(ctx, "c", api.Search{Query: "q"})
			return x.RankedBy, err
		}, `POST /api/v1/collections/c/search {"query":"q"}`, "blend"},
		{"context", func() (string, error) {
			x, err := c.Context(ctx, "c", api.ContextRequest{Search: api.Search{Query: "q"}, MaxTokens: 9})
			return x.Text, err
		}, `POST /api/v1/collections/c/context {"query":"q","max_tokens":9}`, "t"},
		{"version", func() (string, error) { x, err := c.Version(ctx); return x.Version, err }, "GET /version ", "v"},
	}
	for _, test := range tests {
		says, err := test.ask()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff([]string{test.want, test.says}, []string{got, says}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		kind   error
		says   string
	}{
		{"not found", func(w http.ResponseWriter, _ *http.Request) { problem(w, 404, "no such collection", 0) }, rag.ErrNotFound, "no such collection (404 a_code, request R1)"},
		{"conflict", func(w http.ResponseWriter, _ *http.Request) { problem(w, 409, "there is one", 0) }, rag.ErrConflict, "there is one (409 a_code, request R1)"},
		{"invalid", func(w http.ResponseWriter, _ *http.Request) { problem(w, 400, "bad filter", 0) }, rag.ErrInvalid, "bad filter (400 a_code, request R1)"},
		{"a proxy's page", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, nil, "502 Bad Gateway"},
		{"an answer that is cut", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"name":`) }, nil, "read answer of /api/v1/collections/c"},
	}
	for _, test := range tests {
		_, err := serve(t, test.answer).Collection(t.Context(), "c")
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("%s: %v is not %v", test.name, err, test.kind)
		}
	}
}

// TestFollowJob follows a job over a stream that breaks off once.
func TestFollowJob(t *testing.T) {
	t.Parallel()
	streams := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if streams++; streams == 1 {
			fmt.Fprint(w, "event: progress\ndata: {\"state\":\"running\",\"done\":1}\n\n: still there\n\nevent: progress\ndata: {\"sta")
			return
		}
		fmt.Fprint(w, "event: progress\ndata: {\"state\":\"running\",\"done\":2,\"chunks_a_second\":3}\n\n")
		fmt.Fprint(w, "event: end\nid: x\ndata: {\"state\":\"failed\",\"done\":3}\n\n")
	})
	var done []int
	job, err := c.FollowJob(t.Context(), 7, func(p api.JobProgress) { done = append(done, p.Done) })
	if diff := cmp.Diff([]int{1, 2, 3}, done); err != nil || diff != "" || job.State != rag.JobFailed || streams != 2 {
		t.Errorf("%d streams, %+v, %v (-want +got):\n%s", streams, job, err, diff)
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { problem(w, 404, "there is no job", 0) })
	if _, err := c.FollowJob(t.Context(), 7, func(api.JobProgress) {}); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("of no job: %v", err)
	}
}

func TestNoServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close() // its port is free again
	_, err := New(s.URL, "").Version(t.Context())
	if err == nil || !strings.Contains(err.Error(), "redkite serve") || !strings.Contains(err.Error(), s.URL) {
		t.Errorf("got %v", err)
	}
}

// busy refuses the first requests and takes those after them. Its wait is the shortest that HTTP can say, a second.
func busy(refusals int, take http.HandlerFunc) (handler http.HandlerFunc, requests *int) {
	requests = new(int)
	return func(w http.ResponseWriter, r *http.Request) {
		if *requests++; *requests <= refusals {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		take(w, r)
	}, requests
}

func TestBusyServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	handler, requests := busy(1, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"ranked_by":%q}`, body)
	})
	got, err := serve(t, handler).Search(t.Context(), "c", api.Search{Query: "q"})
	if err != nil || *requests != 2 || got.RankedBy != `{"query":"q"}` {
		t.Errorf("after %d requests %+v, %v", *requests, got, err)
	}
}

func TestOnlyBusyServersAreAskedAgain(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		problem(w, 500, "broken", 1)
	})
	if _, err := c.Version(t.Context()); err == nil || requests != 1 {
		t.Errorf("%d requests, error %v", requests, err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		problem(w, 429, "busy", 3600)
		cancel()
	})
	if _, err := c.Version(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// takeForm answers an upload with what it brought.
func takeForm(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	file, header, err := r.FormFile("file")
	if err != nil {
		problem(w, 400, err.Error(), 0)
		return
	}
	if cut := r.FormValue("chunking"); cut != "" && cut != `{"strategy":"row","max_tokens":64}` {
		problem(w, 400, cut, 0)
		return
	}
	if how := r.FormValue("on_duplicate") + " by " + r.FormValue("duplicate_by"); how != "skip by content" && how != " by " {
		problem(w, 400, how, 0)
		return
	}
	content, err := io.ReadAll(file)
	if err != nil {
		problem(w, 400, err.Error(), 0)
		return
	}
	fmt.Fprintf(w, `{"documents":[{"document_id":%q,"filename":%q,"status":%q}]}`, id, header.Filename, content)
}

func TestUploadFile(t *testing.T) {
	t.Parallel()
	want := []api.UploadedDocument{{DocumentID: "sub folder/c++ #1%.md", Filename: "c++ #1%.md", Status: "the text"}}
	rows, most := rag.StrategyRow, 64
	chunking := &api.NewChunking{Strategy: &rows, MaxTokens: &most}
	upload := func(handler http.HandlerFunc, content io.Reader) ([]api.UploadedDocument, error) {
		got, err := serve(t, handler).UploadFile(t.Context(), "c", "sub folder/c++ #1%.md", "c++ #1%.md", content, Manner{Duplicates: Duplicates{On: "skip", By: "content"}, Chunking: chunking})
		return got.Documents, err
	}
	got, err := upload(takeForm, iotest.OneByteReader(strings.NewReader("the text")))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("a stream: %v (-want +got):\n%s", err, diff)
	}
	handler, _ := busy(1, takeForm)
	got, err = upload(handler, strings.NewReader("the text"))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("a file, sent again from its start: %v (-want +got):\n%s", err, diff)
	}
	handler, requests := busy(1, takeForm)
	if _, err = upload(handler, iotest.OneByteReader(strings.NewReader("the text"))); err == nil || *requests != 1 {
		t.Errorf("a stream can't be sent again, yet: %v after %d requests", err, *requests)
	}
}

func TestUploadFileThatBreaks(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, err := serve(t, takeForm).UploadFile(t.Context(), "c", "d", "d.md", io.MultiReader(strings.NewReader("the"), iotest.ErrReader(broken)), Manner{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	refuse := func(w http.ResponseWriter, _ *http.Request) { problem(w, 413, "too large", 0) }
	large := bytes.NewReader(make([]byte, 64<<20)) // more than sockets hold, so that the server answers in the middle
	_, err = serve(t, refuse).UploadFile(t.Context(), "c", "d", "d.md", large, Manner{})
	if err == nil {
		t.Error("a refused upload gave no error")
	}
}
