package llm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/llm/llmtest"
)

func TestRewrite(t *testing.T) {
	c, server := scripted(t, nil, llmtest.Say("\"How high do", " red kites\n fly?\" "), llmtest.Done("stop", 0, 0))
	r := Rewriter{LLM: c, Timeout: 5 * time.Second}
	conversation := []answer.Message{{Role: "system", Content: "x"}, {Role: "user", Content: "What is a red kite?"}, {Role: "assistant", Content: "A bird."}, {Role: "user", Content: "How high do they fly?"}}
	got, err := r.Rewrite(t.Context(), conversation)
	if err != nil || got != "How high do red kites fly?" {
		t.Errorf("got %q, %v", got, err)
	}
	asked := server.Requests()[0].Messages
	if want := "user: What is a red kite?\nassistant: A bird.\nuser: How high do they fly?\n"; len(asked) != 2 || asked[1].Content != want {
		t.Errorf("asked %+v", asked)
	}
	if got, err = r.Rewrite(t.Context(), conversation[:2]); err != nil || got != "What is a red kite?" || len(server.Requests()) != 1 {
		t.Errorf("a first question: %q, %v, %d requests", got, err, len(server.Requests()))
	}
	server.Play(llmtest.Stall())
	r.Timeout = 100 * time.Millisecond
	if _, err = r.Rewrite(t.Context(), conversation); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an LLM that stalls: %v", err)
	}
	if _, err = r.Rewrite(t.Context(), nil); err == nil {
		t.Error("no message: no error")
	}
}

func TestHypothesisAndVariants(t *testing.T) {
	c, server := scripted(t, nil, llmtest.Say("1. How high do kites rise?\n- \"Up to what height do kites fly?\"\n\n", "3) Kites' altitude\n"), llmtest.Done("stop", 0, 0))
	r := Rewriter{LLM: c, Timeout: 5 * time.Second}
	got, err := r.Variants(t.Context(), "How high do kites fly?", 2)
	if diff := cmp.Diff([]string{"How high do kites rise?", "Up to what height do kites fly?"}, got); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	if asked := server.Requests()[0]; asked.MaxTokens != 2*rewriteTokens || !strings.Contains(asked.Messages[1].Content, "wordings: 2\nHow high") {
		t.Errorf("asked %+v", asked)
	}
	server.Play(llmtest.Say(" Kites fly up to 500 m. "), llmtest.Done("stop", 0, 0))
	if text, err := r.Hypothesis(t.Context(), "How high do kites fly?"); err != nil || text != "Kites fly up to 500 m." {
		t.Errorf("got %q, %v", text, err)
	}
	server.Play(llmtest.Say(" \n"), llmtest.Done("stop", 0, 0))
	if _, err := r.Hypothesis(t.Context(), "q"); err == nil {
		t.Error("nothing was taken for a passage")
	}
	if _, err := r.Variants(t.Context(), "q", 2); err == nil {
		t.Error("nothing was taken for variants")
	}
}
