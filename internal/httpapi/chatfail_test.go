package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	shapes "github.com/redkite/redkite/internal/api/openai"
)

// TestChatWithLLMThatFails: in OpenAI's shape, with the status and the passages where no text has come before it; in a
// stream that has begun as an event of that shape, passages too, without a finish reason and without [DONE].
func TestChatWithLLMThatFails(t *testing.T) {
	for _, test := range failures() {
		t.Run(test.name, func(t *testing.T) {
			server, _ := answering(t, &oracle{hits: kites()}, test.change, test.script...)
			plain := func(stream string) {
				t.Helper()
				status, header, body := post(t, server, chatPath, "", `{"model":"c","stream":`+stream+`,"messages":[{"role":"user","content":"q"}]}`)
				var got shapes.ChatError
				decodeInto(t, body, &got)
				if status != test.status || got.Error.Code == nil || *got.Error.Code != test.code || got.Error.Message == "" || got.Error.Type == "" ||
					got.Sources == nil || len(got.Sources.Passages.Passages) != 2 || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
					t.Errorf("stream %s: %d %s", stream, status, body)
				}
			}
			plain("false")
			if test.said == "" {
				plain("true")
				return
			}
			status, header, body := post(t, server, chatPath, "", `{"model":"c","stream":true,"messages":[{"role":"user","content":"q"}]}`)
			if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") || strings.Contains(body, "[DONE]") {
				t.Fatalf("%d %s", status, body)
			}
			said, last := chatStream(t, body)
			if said != test.said || last.Error.Code == nil || *last.Error.Code != test.code || last.Error.Type != "server_error" || last.Error.Message == "" || last.Sources == nil || len(last.Sources.Passages.Passages) != 2 {
				t.Errorf("%q, then %+v", said, last)
			}
		})
	}
}

// chatStream reads a stream that fails: its text, and its last event. No chunk may say that the answer is whole.
func chatStream(t *testing.T, body string) (said string, last shapes.ChatError) {
	t.Helper()
	var raw string
	for event := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok {
			continue // a comment
		}
		raw = data
		var chunk struct {
			Choices []struct {
				Delta        struct{ Content string }
				FinishReason *string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		for _, choice := range chunk.Choices {
			said += choice.Delta.Content
			if choice.FinishReason != nil {
				t.Errorf("an answer that failed has the finish reason %s", *choice.FinishReason)
			}
		}
	}
	decodeInto(t, raw, &last)
	return said, last
}
