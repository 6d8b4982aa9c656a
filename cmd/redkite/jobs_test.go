package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// jobs is a stand-in server with one job, number 7, that ends in a state.
func jobs(t *testing.T, state string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		job := fmt.Sprintf(`{"id":7,"kind":"ingest","state":%q,"stage":"embed","done":3,"total":9,"attempts":2,"collection":"c","document_id":"d.md",
			"error":{"code":"c1","message":"broken"},"bad_attempts":[{"outcome":"waited","times":4,"worker":"host:12","error":{"code":"c2","message":"away"}}]}`, state)
		job = strings.Join(strings.Fields(job), " ")
		switch r.Method + " " + r.URL.RequestURI() {
		case "GET /api/v1/jobs?collection=c&document=d.md&limit=50&state=failed":
			fmt.Fprintf(w, `{"jobs":[%s]}`, job)
		case "GET /api/v1/jobs/7", "POST /api/v1/jobs/7:cancel", "POST /api/v1/jobs/7:retry":
			fmt.Fprint(w, job)
		case "GET /api/v1/jobs/7/events":
			fmt.Fprint(w, "event: progress\ndata: {\"id\":7,\"state\":\"running\",\"stage\":\"parse\"}\n\n")
			fmt.Fprint(w, "event: progress\ndata: {\"id\":7,\"state\":\"running\",\"stage\":\"embed\",\"done\":1,\"total\":9}\n\n")
			fmt.Fprintf(w, "event: end\ndata: %s\n\n", job)
		default:
			t.Errorf("asked %s %s", r.Method, r.URL.RequestURI())
		}
	})
}

func TestJobs(t *testing.T) {
	for _, test := range []struct {
		args  []string
		state string
		code  int
		out   []string
	}{
		{[]string{"list", "--state", "failed", "-c", "c", "--document", "d.md"}, "failed", 0, []string{"DOCUMENT", "7   ingest  failed  embed  3/9", "c/d.md", "broken"}},
		{[]string{"show", "7"}, "failed", 0, []string{"job 7, ingest c/d.md: failed at stage embed, 3 of 9 chunks", "c1: broken", "waited (4 times, last by host:12): c2: away"}},
		{[]string{"cancel", "7"}, "canceled", 0, []string{"canceled at stage embed"}},
		{[]string{"retry", "7"}, "queued", 0, []string{"queued at stage embed"}},
		{[]string{"watch", "7"}, "failed", 1, []string{"failed at stage embed"}},
		{[]string{"watch", "7"}, "succeeded", 0, []string{"succeeded at stage embed"}},
		{[]string{"watch", "7", "--json"}, "succeeded", 0, []string{`"stage":"parse"`, "}\n{", `"state":"succeeded"`}},
	} {
		code, stdout, stderr := command(t, jobs(t, test.state), append([]string{"jobs"}, test.args...)...)
		if code != test.code {
			t.Errorf("%v: exit %d\n%s", test.args, code, stderr)
		}
		for _, want := range test.out {
			if !strings.Contains(stdout, want) {
				t.Errorf("%v: no %q in\n%s", test.args, want, stdout)
			}
		}
	}
}
