package redkite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/docs/examples/go/redkite"
)

// collect gives the events of an answer, and the error that ended it.
func collect(events iter.Seq2[redkite.Event, error]) (all []redkite.Event, err error) {
	for event, failed := range events {
		if failed != nil {
			err = failed
			continue
		}
		all = append(all, event)
	}
	return all, err
}

func TestStream(t *testing.T) {
	passages := `event: passages` + "\n" + `data: {"passages":[{"number":1,"document_id":"d"}],"query_used":"q"}` + "\n\n"
	delta := ": still there\n\nevent: delta\r\ndata: {\"text\":\"They [1]\"}\r\n\r\n"
	citation := "event: citation\ndata: {\"number\":1,\ndata: \"at\":{\"start\":5,\"end\":8}}\n\nevent: of_tomorrow\ndata: {\n\n"
	seen := []redkite.Event{
		{Passages: &redkite.Shown{Passages: []redkite.Source{{Number: 1, DocumentID: "d"}}, QueryUsed: "q"}},
		{Delta: "They [1]"},
		{Citation: &redkite.Citation{Number: 1, At: redkite.Span{Start: 5, End: 8}}},
	}
	for _, test := range []struct {
		name, body string
		want       []redkite.Event
		kind       error
		says       string
	}{
		{"whole", passages + delta + citation + "event: done\ndata: {\"finish_reason\":\"stop\",\"usage\":{\"answer_tokens\":3}}\n\n",
			append(seen[:3:3], redkite.Event{Done: &redkite.Done{FinishReason: "stop", Usage: redkite.Usage{AnswerTokens: 3}}}), nil, ""},
		{"cut between events", passages + delta + citation, seen, io.ErrUnexpectedEOF, "the answer of POST /collections/c/ask broke off: unexpected EOF"},
		{"cut in an event", passages + delta + "event: citation\ndata: {\"num", seen[:2], io.ErrUnexpectedEOF, "broke off"},
		{"garbage", passages + "event: delta\ndata: }{\n\n", seen[:1], nil, "read event delta: invalid character"},
		{"an LLM that stalls", passages + delta + "event: error\ndata: {\"status\":502,\"code\":\"llm_stalled\",\"detail\":\"it stalls\",\"request_id\":\"R1\"}\n\n", seen[:2], nil, "it stalls (502 llm_stalled, request R1)"},
	} {
		c := answers(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Accept") != "text/event-stream" {
				t.Errorf("it accepts %q", r.Header.Get("Accept"))
			}
			return answer(r, 200, test.body), nil
		}).client()
		got, err := collect(c.Stream(t.Context(), "c", redkite.Question{}))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) || test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestLeavingAStream ends the request on the server; so does a context that is over.
func TestLeavingAStream(t *testing.T) {
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "event: delta\ndata: {\"text\":\"a\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		over <- struct{}{}
	}))
	defer s.Close()
	c := redkite.New(s.URL, redkite.Options{})
	for event, err := range c.Stream(t.Context(), "c", redkite.Question{}) {
		if err != nil || event.Delta != "a" {
			t.Errorf("%+v, %v", event, err)
		}
		break
	}
	<-over
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Stream(ctx, "c", redkite.Question{}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the stream ended with %v", last)
	}
	<-over
}
