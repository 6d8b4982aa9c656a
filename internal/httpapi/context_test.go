package httpapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
)

func TestContextFormats(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, nil)
	get := func(body string) api.Context {
		t.Helper()
		status, _, raw := post(t, server, "/api/v1/collections/c/context", "", body)
		if status != 200 {
			t.Fatalf("%s: %d %s", body, status, raw)
		}
		var c api.Context
		decodeInto(t, raw, &c)
		return c
	}
	text := get(`{"query":"q"}`)
	if text.Text != "[1] Red kite, page 3\nRed kites glide.\n\n[2] owl.txt\nOwls hunt at night." || text.CountedBy != "o200k_base" || text.Tokens < 15 || len(text.Sources) != 2 {
		t.Errorf("text: %+v", text)
	}
	if short := get(`{"query":"q","max_tokens":16}`); len(short.Sources) != 1 || !short.Truncated || short.Tokens > 16 {
		t.Errorf("16 tokens: %+v", short)
	}
	messages := get(`{"query":"What do kites do?","format":"openai","templates":{"system":"Be good. {{.Fence}}"}}`)
	if len(messages.Messages) != 2 || messages.Text != "" || !strings.HasPrefix(messages.Messages[0].Content, "Be good. ") {
		t.Fatalf("openai: %+v", messages)
	}
	fence := strings.TrimPrefix(messages.Messages[0].Content, "Be good. ")
	if !strings.HasPrefix(messages.Messages[1].Content, "<<<passage 1 "+fence+">>>\n[1] Red kite") || !strings.HasSuffix(messages.Messages[1].Content, "What do kites do?") {
		t.Errorf("openai: %s", messages.Messages[1].Content)
	}
	want := []api.SearchResultBlock{
		{Type: "search_result", Source: "https://example.org/kite", Title: "Red kite", Content: []api.TextBlock{{Type: "text", Text: "Red kites glide."}}, Citations: api.BlockCitations{Enabled: true}},
		{Type: "search_result", Source: "/api/v1/collections/c/documents/owl/text?start=0&end=19", Title: "owl.txt", Content: []api.TextBlock{{Type: "text", Text: "Owls hunt at night."}}, Citations: api.BlockCitations{Enabled: true}},
	}
	if diff := cmp.Diff(want, get(`{"query":"q","format":"anthropic"}`).SearchResults); diff != "" {
		t.Errorf("anthropic: %s", diff)
	}
	cohere := get(`{"query":"q","format":"cohere"}`).Documents
	if len(cohere) != 2 || cohere[0].ID != "1" || cohere[0].Data["text"] != "Red kites glide." || cohere[0].Data["pages"] != "page 3" || cohere[0].Data["document_id"] != "kite" {
		t.Errorf("cohere: %+v", cohere)
	}
	if status, _, raw := post(t, server, "/api/v1/collections/c/context", "", `{"query":"q","templates":{"passage":"{{.Text}}"}}`); status != 400 || !strings.Contains(raw, "/templates/passage") {
		t.Errorf("%d %s", status, raw)
	}
}
