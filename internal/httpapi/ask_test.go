package httpapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/llm"
	"github.com/redkite/redkite/internal/llm/llmtest"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

func TestAskAsJSON(t *testing.T) {
	l := &oracle{hits: kites()}
	server, model := answering(t, l, nil, llmtest.Say("They glide [", "1", "2] well [1", "]."), llmtest.Done("stop", 100, 9))
	status, _, body := post(t, server, askPath, "", `{"query":"What do kites do?","order":"best_last"}`)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var got api.Answer
	decodeInto(t, body, &got)
	// best last: the owl is passage 1, the kite 2
	if got.Answer != "They glide well [1]." || got.FinishReason != "stop" || got.Model != "scripted" || got.CountedBy != llm.O200k || got.QueryUsed != "What do kites do?" {
		t.Errorf("got %+v", got)
	}
	want := []api.Citation{{Number: 1, At: rag.Span{Start: 16, End: 19}, DocumentID: "owl", Title: "owl.txt", Span: rag.Span{Start: 0, End: 19}, URL: "/api/v1/collections/c/documents/owl/text?start=0&end=19"}}
	if diff := cmp.Diff(want, got.Citations); diff != "" {
		t.Error(diff)
	}
	if got.Usage != (api.AnswerUsage{PromptTokens: 100, AnswerTokens: 9}) || got.FirstTokenMS <= 0 || got.TotalMS < got.FirstTokenMS || len(got.Passages.Passages) != 2 || got.Passages.Passages[1].PageStart != 3 {
		t.Errorf("got %+v", got)
	}
	if q := l.asked[0]; q.TopK != 10 || q.Candidates != 50 || !q.Rerank {
		t.Errorf("searched for %+v", q)
	}
	asked := model.Requests()[0].Messages
	if len(asked) != 2 || asked[0].Role != "system" || !strings.Contains(asked[0].Content, `collection "c"`) || !strings.Contains(asked[1].Content, "[1] owl.txt\nOwls hunt at night.") || !strings.HasSuffix(asked[1].Content, "What do kites do?") {
		t.Errorf("asked %+v", asked)
	}
}

func TestAskAsEvents(t *testing.T) {
	l := &oracle{hits: kites()}
	server, _ := answering(t, l, nil, llmtest.Say("They", " glide [", "1", "] [9", "].\n"), llmtest.Done("length", 0, 0))
	status, header, body := post(t, server, askPath, "text/event-stream", `{"query":"q"}`)
	if status != http.StatusOK || header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", status, header.Get("Content-Type"))
	}
	got := eventsOf(t, body)
	if diff := cmp.Diff([]string{"passages", "delta", "delta", "delta", "citation", "delta", "done"}, names(got)); diff != "" {
		t.Fatalf("%s\n%s", diff, body)
	}
	var text strings.Builder
	for _, e := range got {
		switch e.name {
		case "delta":
			var d api.Delta
			decodeInto(t, e.data, &d)
			text.WriteString(d.Text)
		case "citation":
			var c api.Citation
			decodeInto(t, e.data, &c)
			if c.Number != 1 || c.DocumentID != "kite" || c.PageStart != 3 || c.Span != (rag.Span{Start: 100, End: 116}) || c.URL != "https://example.org/kite" || text.String()[c.At.Start:c.At.End] != "[1]" {
				t.Errorf("citation %+v", c)
			}
		case "done":
			var d api.Done
			decodeInto(t, e.data, &d)
			if d.FinishReason != "length" || !d.Usage.Estimated || d.Usage.PromptTokens < 50 || d.Usage.AnswerTokens < 5 {
				t.Errorf("done %+v", d)
			}
		}
	}
	if text.String() != "They glide [1].\n" {
		t.Errorf("text %q", text.String())
	}
}

func TestNothingRelevantAsksNoLLM(t *testing.T) {
	tests := []struct {
		name, body string
		hits       []rag.Hit
		asked      bool
		degraded   string
	}{
		{"no hits", `{"query":"q"}`, nil, false, ""},
		{"all below the least relevance", `{"query":"q","min_relevance":0.95}`, kites(), false, ""},
		{"one above it", `{"query":"q","min_relevance":0.5}`, kites(), true, ""},
		{"relevance not known", `{"query":"q","min_relevance":0.95}`, []rag.Hit{{Document: 1, ExternalID: "d", Chunk: rag.Chunk{Text: "t"}}}, true, "relevance_unknown"},
		{"a template of its own", `{"query":"q","min_relevance":1,"templates":{"nothing":"{{.Collection}} has nothing on {{.Question}}"}}`, kites(), false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, model := answering(t, &oracle{hits: test.hits}, nil, llmtest.Say("Yes [1][2]."), llmtest.Done("stop", 1, 1))
			status, _, body := post(t, server, askPath, "", test.body)
			var got api.Answer
			decodeInto(t, body, &got)
			if asked := len(model.Requests()) > 0; status != 200 || asked != test.asked {
				t.Fatalf("%d, asked %v: %s", status, asked, body)
			}
			if !test.asked && (got.FinishReason != answer.FinishNothing || got.Answer == "" || len(got.Citations)+len(got.Passages.Passages) > 0) {
				t.Errorf("got %+v", got)
			}
			if test.name == "a template of its own" && got.Answer != "c has nothing on q" {
				t.Errorf("got %q", got.Answer)
			}
			if test.name == "one above it" && (got.Answer != "Yes [1]." || len(got.Passages.Passages) != 1) {
				t.Errorf("got %+v", got)
			}
			if strings.Join(got.Degraded, ",") != test.degraded {
				t.Errorf("degraded %v", got.Degraded)
			}
		})
	}
}

func TestConversations(t *testing.T) {
	l := &oracle{hits: kites()}
	server, model := answering(t, l, nil, llmtest.Say("ok"), llmtest.Done("stop", 1, 1))
	body := `{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is a kite?"},{"role":"assistant","content":"A bird [1], or a toy [2]."},{"role":"user","content":"How high does it fly?"}]}`
	if status, _, text := post(t, server, askPath, "", body); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	asked := model.Requests()[0].Messages
	if len(asked) != 4 || !strings.HasSuffix(asked[0].Content, "\n\nBe brief.") || asked[2].Content != "A bird, or a toy." || !strings.HasSuffix(asked[3].Content, "How high does it fly?") || l.asked[0].Text != "How high does it fly?\nWhat is a kite?" {
		t.Errorf("searched for %q, asked %+v", l.asked[0].Text, asked)
	}
}

func TestQuestionsOfConversationsAreRewritten(t *testing.T) {
	body := `{"messages":[{"role":"user","content":"What is a kite?"},{"role":"assistant","content":"A bird."},{"role":"user","content":"How high does it fly?"}]`
	tests := []struct {
		name, body string
		rewriter   rewriter
		query      string
		degraded   string
	}{
		{"rewritten", body + `}`, rewriter{"How high does a kite fly?", nil}, "How high does a kite fly?", ""},
		{"as it is", body + `,"rewrite":false}`, rewriter{"x", nil}, "How high does it fly?", ""},
		{"the rewriter fails", body + `}`, rewriter{"", errors.New("down")}, "How high does it fly?\nWhat is a kite?", "rewrite_failed"},
		{"a first question", `{"query":"How high?"}`, rewriter{"x", nil}, "How high?", ""},
	}
	for _, test := range tests {
		l := &oracle{hits: kites()}
		server, _ := answering(t, l, func(d *Deps, _ *Options, _ *llm.Config) { d.Answering.Rewriter = test.rewriter }, llmtest.Say("ok"), llmtest.Done("stop", 1, 1))
		_, _, raw := post(t, server, askPath, "", test.body)
		var got api.Answer
		decodeInto(t, raw, &got)
		if got.QueryUsed != test.query || l.asked[0].Text != test.query || strings.Join(got.Degraded, ",") != test.degraded {
			t.Errorf("%s: searched for %q, says %q, degraded %v", test.name, l.asked[0].Text, got.QueryUsed, got.Degraded)
		}
	}
}

type rewriter struct {
	query string
	err   error
}

func (r rewriter) Rewrite(_ context.Context, asked retrieve.Rewriting) ([]string, error) {
	want := retrieve.Rewriting{Task: retrieve.TaskStandalone, Count: 1, Turns: []retrieve.Turn{
		{Role: "user", Text: "What is a kite?"}, {Role: "assistant", Text: "A bird."}, {Role: "user", Text: "How high does it fly?"},
	}}
	if diff := cmp.Diff(want, asked); diff != "" {
		return nil, errors.New(diff)
	}
	return []string{r.query}, r.err
}

func TestAskRefusals(t *testing.T) {
	tests := []struct {
		body    string
		status  int
		pointer string
	}{
		{`{}`, 400, "/query"},
		{`{"query":"  "}`, 400, "/query"},
		{`{"query":"q","messages":[{"role":"user","content":"x"}]}`, 400, "/messages"},
		{`{"messages":[{"role":"assistant","content":"x"}]}`, 400, "/messages"},
		{`{"messages":[{"role":"tool","content":"x"}]}`, 400, "/messages/0/role"},
		{`{"query":"q","top":1}`, 400, "/top"},
		{`{"query":"q","filter":{"type":"like"}}`, 400, "/filter/type"},
		{`{"query":"q","tokenizer":"gpt2"}`, 400, "/tokenizer"},
		{`{"query":"q","templates":{"system":"{{.Secret}}"}}`, 400, "/templates/system"},
		{`{"query":"q","templates":{"other":"x"}}`, 400, "/templates/other"},
		{`{"query":"q","min_relevance":2}`, 400, "/min_relevance"},
		{`{"query":"q","max_context_tokens":64,"templates":{"passage":"` + strings.Repeat("word ", 100) + `{{.Number}} {{.Text}}"}}`, 400, "/max_context_tokens"},
	}
	server, model := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	for _, test := range tests {
		status, header, body := post(t, server, askPath, "text/event-stream", test.body)
		var p api.Problem
		decodeInto(t, body, &p)
		if status != test.status || len(p.Errors) == 0 || p.Errors[0].Pointer != test.pointer || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", test.body, status, body)
		}
	}
	if n := len(model.Requests()); n > 0 {
		t.Errorf("the LLM was asked %d times", n)
	}
	if status, _, body := post(t, server, "/api/v1/collections/none/ask", "", `{"query":"q"}`); status != 404 {
		t.Errorf("%d %s", status, body)
	}
}

func TestWithoutLLM(t *testing.T) {
	templates, err := answer.DefaultTemplates()
	if err != nil {
		t.Fatal(err)
	}
	l := &oracle{}
	s, err := New(Deps{Collections: l, Chunkings: l, Overview: l, Intake: l, Retriever: l, Keys: l, Models: l, Stats: l, Log: slog.New(slog.DiscardHandler), Answering: Answering{Templates: templates, Counters: l}},
		Options{API: true, LoopbackWithoutKey: true, MaxSearches: 1, SearchDeadline: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if answer := ask(s, "POST", askPath, `{"query":"q"}`, nil); answer.Code != 501 || problem(t, answer).Code != "no_llm" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := ask(s, "POST", chatPath, `{"model":"c","messages":[{"role":"user","content":"q"}]}`, nil); answer.Code != 501 || !strings.Contains(answer.Body.String(), `"code":"no_llm"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestAnswersAreCounted(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	post(t, server, askPath, "", `{"query":"q"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`redkite_answers_total{reason="stop"} 1`, `redkite_answer_seconds_count{stage="first_token"} 1`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}
