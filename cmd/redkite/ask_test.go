package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/api"
)

// sage answers as a server does, and remembers what it was asked.
type sage struct {
	asked  api.Ask
	events string
}

func (s *sage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := json.NewDecoder(r.Body).Decode(&s.asked); err != nil || r.URL.Path != "/api/v1/collections/books/ask" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	if r.Header.Get("Accept") != "text/event-stream" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"answer":"Yes [1].","citations":[],"passages":[],"finish_reason":"stop"}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, s.events)
}

const sageEvents = `event: passages
data: {"passages":[]}

event: delta
data: {"text":"They "}

: still there

event: delta
data: {"text":"glide [1].\u001b[2J"}

event: citation
data: {"number":1,"document_id":"kite","title":"Red kite","page_start":3,"span":{"start":10,"end":20}}

event: citation
data: {"number":1,"document_id":"kite","title":"Red kite","page_start":3,"span":{"start":10,"end":20}}

`

func TestAsk(t *testing.T) {
	template := filepath.Join(t.TempDir(), "s.tmpl")
	if err := os.WriteFile(template, []byte("Be brief."), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &sage{events: sageEvents + "event: done\ndata: {\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":9,\"answer_tokens\":3}}\n\n"}
	code, out, errs := command(t, s, "ask", "Do they?", "-c", "books", "--order", "best_last", "--min-relevance", "0.4", "--template", "system="+template)
	if code != 0 || out != "They glide [1].[2J\n" || !strings.Contains(errs, "[1] Red kite, page 3: kite, characters 10 to 20\nstop, 9 + 3 tokens") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if s.asked.Query != "Do they?" || s.asked.Order != "best_last" || *s.asked.MinRelevance != 0.4 || s.asked.Templates.System != "Be brief." || s.asked.TopK != 10 {
		t.Errorf("asked %+v", s.asked)
	}
	if code, out, _ := command(t, s, "ask", "Do they?", "-c", "books", "--json"); code != 0 || !strings.Contains(out, `"answer": "Yes [1]."`) {
		t.Errorf("%d %q", code, out)
	}
	for what, events := range map[string]string{
		"an error event": sageEvents + "event: error\ndata: {\"status\":502,\"code\":\"llm_cut\",\"detail\":\"the LLM's answer was cut off\",\"request_id\":\"R\"}\n\n",
		"no end":         sageEvents,
	} {
		s.events = events
		code, out, errs := command(t, s, "ask", "Do they?", "-c", "books")
		if code != 1 || !strings.HasPrefix(out, "They glide [1].") || !strings.Contains(errs, "cut off") && !strings.Contains(errs, "broke off") {
			t.Errorf("%s: %d %q %q", what, code, out, errs)
		}
	}
	if code, _, errs := command(t, s, "ask", "q", "-c", "books", "--template", "other=x"); code != 1 || !strings.Contains(errs, "there is no template") {
		t.Errorf("%d %q", code, errs)
	}
}
