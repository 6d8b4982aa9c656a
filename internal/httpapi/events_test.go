package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// shop is a fake of what jobs are: one job, number 7 of the default tenant, that is as next says.
type shop struct {
	mu   sync.Mutex
	next func(asked int) rag.Job
	n    int
	did  []string
	last JobQuery
}

func (s *shop) Job(_ context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tenant != rag.DefaultTenant || id != 7 {
		return rag.Job{}, rag.NotFound("there is no job %d", id)
	}
	s.n++
	j := s.next(s.n)
	j.ID = id
	return j, nil
}

func (s *shop) JobPage(ctx context.Context, tenant string, q JobQuery) ([]rag.Job, error) {
	if len(q.IDs) > 0 {
		job, err := s.Job(ctx, tenant, q.IDs[0])
		return []rag.Job{job}, err
	}
	s.last = q
	return []rag.Job{{ID: 9, ExternalID: "d", Name: "c"}, {ID: 8}}[:min(2, q.Limit)], nil
}

func (s *shop) WaitJob(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	return s.Job(ctx, tenant, id)
}

func (s *shop) control(verb, tenant string, id rag.JobID) (rag.Job, error) {
	s.did = append(s.did, fmt.Sprint(verb, " ", tenant, " ", id))
	if tenant != rag.DefaultTenant || id != 7 {
		return rag.Job{}, rag.NotFound("there is no job %d", id)
	}
	return rag.Job{ID: id, State: rag.JobQueued}, nil
}

func (s *shop) CancelJob(_ context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	return s.control("cancel", tenant, id)
}

func (s *shop) RetryJob(_ context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	return s.control("retry", tenant, id)
}

func (s *shop) RetryDocument(_ context.Context, tenant string, c rag.CollectionID, externalID string) (rag.Job, error) {
	return s.control(fmt.Sprintf("retry %q of %d in", externalID, c), tenant, 7)
}

func (s *shop) Attempts(context.Context, string, rag.JobID) ([]rag.Attempt, map[rag.AttemptOutcome]int, error) {
	return nil, nil, nil
}

// newShop serves a job that is as next says.
func newShop(t *testing.T, next func(asked int) rag.Job) (*Server, *shop) {
	t.Helper()
	jobs := &shop{next: next}
	s := newServer(t, &world{})
	s.deps.Jobs, s.deps.JobControl, s.deps.Retries = jobs, jobs, jobs
	s.watch = newWatch(jobs)
	s.pace.poll = time.Millisecond
	return s, jobs
}

// listen serves s over a real connection.
func listen(t *testing.T, s *Server) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server
}

const events = "/api/v1/jobs/7/events"

// open opens the job's stream.
func open(t *testing.T, ctx context.Context, base string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+events, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func running(int) rag.Job {
	return rag.Job{State: rag.JobRunning, Stage: rag.StageEmbed, Done: 1, Total: 9}
}

// untilDone is a job that does a chunk each time it is asked for, nine in all.
func untilDone(asked int) rag.Job {
	if asked > 9 {
		return rag.Job{State: rag.JobSucceeded, Stage: rag.StageDone, Done: 9, Total: 9, Attempts: 1}
	}
	return rag.Job{State: rag.JobRunning, Stage: rag.StageEmbed, Done: asked, Total: 9}
}

func TestEventsTellProgressAndEnd(t *testing.T) {
	s, _ := newShop(t, untilDone)
	server := listen(t, s)
	answer := open(t, t.Context(), server.URL)
	if h := answer.Header; answer.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" ||
		!strings.Contains(h.Get("Cache-Control"), "no-transform") {
		t.Errorf("%s, %v", answer.Status, h)
	}
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if n := strings.Count(text, "event: progress\n"); n != 9 || strings.Count(text, "event: end\n") != 1 {
		t.Errorf("%d events of progress:\n%s", n, text)
	}
	for _, want := range []string{`"done":1,`, `"done":9,`, `"chunks_a_second":`, `"seconds_left":`, `"state":"succeeded"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	_, id, _ := strings.Cut(text, "\nid: ")
	id, _, _ = strings.Cut(id, "\n")
	if again := open(t, t.Context(), server.URL, "Last-Event-ID", id); again.StatusCode != 204 {
		t.Errorf("a client that had the end %q is answered %s", id, again.Status)
	}
	if again := open(t, t.Context(), server.URL, "Last-Event-ID", "of another attempt"); again.StatusCode != 200 {
		t.Errorf("one that had another end is answered %s", again.Status)
	}
}

func TestEventsAreTheTenantsOwn(t *testing.T) {
	s, _ := newShop(t, running)
	server := listen(t, s)
	if answer := open(t, t.Context(), server.URL, "Authorization", "Bearer other"); answer.StatusCode != 404 {
		t.Errorf("another tenant is answered %s", answer.Status)
	}
	if answer := open(t, t.Context(), server.URL, "Authorization", "Bearer bad"); answer.StatusCode != 401 {
		t.Errorf("a wrong key is answered %s", answer.Status)
	}
}

func TestEventsBeat(t *testing.T) {
	s, _ := newShop(t, running)
	s.pace.beat = 5 * time.Millisecond
	lines := bufio.NewScanner(open(t, t.Context(), listen(t, s).URL).Body)
	progress, beats := 0, 0
	for beats < 3 && lines.Scan() {
		switch text := lines.Text(); {
		case text == "event: progress":
			progress++
		case strings.HasPrefix(text, ":"):
			beats++
		}
	}
	if progress != 1 || beats != 3 {
		t.Errorf("%d events and %d comments of a job that does not change", progress, beats)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s, _ := newShop(t, running)
	s.streams = make(chan struct{}, 1)
	base := listen(t, s).URL
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open(t, ctx, base)
	if answer := open(t, t.Context(), base); answer.StatusCode != 429 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("one too many is answered %s", answer.Status)
	}
	cancel()
	within(t, "the stream of a client that is gone", func() bool { return len(s.streams) == 0 })
	if answer := open(t, t.Context(), base); answer.StatusCode != 200 {
		t.Errorf("with a place free: %s", answer.Status)
	}
}

// within waits until a server has come to something that it does not tell.
func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatalf("%s does not end", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestClientThatReadsNothing opens a stream of large events and takes none of them.
func TestClientThatReadsNothing(t *testing.T) {
	long := strings.Repeat("long ", 200_000)
	s, _ := newShop(t, func(asked int) rag.Job {
		return rag.Job{State: rag.JobRunning, Done: asked, Error: &rag.Failure{Code: "c", Message: long}}
	})
	s.pace.write = 50 * time.Millisecond
	server := listen(t, s)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", events)
	within(t, "the request", func() bool { return len(s.streams) == 1 })
	within(t, "the stream of a client that reads nothing", func() bool { return len(s.streams) == 0 })
}

// TestStreamsEndWithTheServer stops a server with a stream open. It must not wait for that stream.
func TestStreamsEndWithTheServer(t *testing.T) {
	s, _ := newShop(t, running)
	s.options.DrainTimeout = time.Minute
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	answer := open(t, t.Context(), "http://"+listener.Addr().String())
	cancel()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server waits for the stream")
	}
}

// TestLongStreamEnds bounds a stream's life, so that a key that was revoked does not listen for ever.
func TestLongStreamEnds(t *testing.T) {
	s, _ := newShop(t, running)
	s.pace.longest = 20 * time.Millisecond
	raw, err := io.ReadAll(open(t, t.Context(), listen(t, s).URL).Body)
	if err != nil || strings.Contains(string(raw), "event: end") {
		t.Errorf("%v:\n%s", err, raw)
	}
}

func TestJobsByParameters(t *testing.T) {
	s, jobs := newShop(t, running)
	const at = "2026-11-24T10:00:00Z"
	answer := ask(s, "GET", "/api/v1/jobs?state=failed&kind=ingest&collection=c&document=d&created_from="+at+"&created_before="+at+"&before=99&limit=2", "", nil)
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	want := JobQuery{Kind: rag.JobIngest, State: rag.JobFailed, Collection: 1, Document: "d", From: when, To: when, Before: 99, Limit: 2}
	if answer.Code != 200 || !cmp.Equal(jobs.last, want) || !strings.Contains(answer.Body.String(), `"next":8`) || !strings.Contains(answer.Body.String(), `"document_id":"d"`) {
		t.Errorf("got %d %s, asked for %+v", answer.Code, answer.Body, jobs.last)
	}
	for query, status := range map[string]int{
		"state=odd": 400, "kind=odd": 400, "created_from=yesterday": 400, "created_before=1": 400, "before=x": 400, "limit=0": 400, "limit=1001": 400,
		"document=d": 400, "colour=red": 400, "collection=none": 404,
	} {
		if answer := ask(s, "GET", "/api/v1/jobs?"+query, "", nil); answer.Code != status {
			t.Errorf("%s: got %d, want %d: %s", query, answer.Code, status, answer.Body)
		} else {
			problem(t, answer)
		}
	}
}

func TestVerbs(t *testing.T) {
	s, jobs := newShop(t, running)
	other := func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") }
	for _, test := range []struct {
		path   string
		change func(*http.Request)
		status int
		did    string
	}{
		{"/api/v1/jobs/7:cancel", nil, 202, "cancel default 7"},
		{"/api/v1/jobs/7:retry", nil, 202, "retry default 7"},
		{"/api/v1/jobs/7%3Aretry", nil, 202, "retry default 7"},
		{"/api/v1/jobs/8:retry", nil, 404, "retry default 8"},
		{"/api/v1/jobs/7:cancel", other, 404, "cancel other 7"},
		{"/api/v1/jobs/x:cancel", nil, 400, ""},
		{"/api/v1/jobs/7:explode", nil, 405, ""},
		{"/api/v1/collections/c/documents/a%2Fb:retry", nil, 202, `retry "a/b" of 1 in default 7`},
		{"/api/v1/collections/c/documents/a:retry:retry", nil, 202, `retry "a:retry" of 1 in default 7`},
		{"/api/v1/collections/c/documents/a:%3Aretry", nil, 202, `retry "a:" of 1 in default 7`},
		{"/api/v1/collections/c/documents/a%3A:retry", nil, 202, `retry "a:" of 1 in default 7`},
		{"/api/v1/collections/c/documents/d:retry", other, 404, ""},
	} {
		jobs.did = nil
		answer := ask(s, "POST", test.path, "", test.change)
		if answer.Code != test.status || strings.Join(jobs.did, "") != test.did {
			t.Errorf("%s: got %d, did %q: %s", test.path, answer.Code, jobs.did, answer.Body)
		}
		if answer.Code == 202 && answer.Header().Get("Location") != "/api/v1/jobs/7" {
			t.Errorf("%s: Location %q", test.path, answer.Header().Get("Location"))
		}
	}
}
