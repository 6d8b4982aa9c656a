package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	shapes "github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/llm"
	"github.com/redkite/redkite/internal/llm/llmtest"
)

// sdk is OpenAI's own client of a server.
func sdk(server *httptest.Server, options ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(server.URL + "/v1"), option.WithAPIKey("good"), option.WithMaxRetries(0)}, options...)...)
}

func question(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "c", Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(text)}}
}

func TestChatWithOpenAIsClient(t *testing.T) {
	server, model := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("They glide [", "1][7]."), llmtest.Done("stop", 40, 8))
	client := sdk(server)
	params := question("What do kites do?")
	params.Temperature, params.MaxCompletionTokens, params.Stop = openai.Float(0.3), openai.Int(55), openai.ChatCompletionNewParamsStopUnion{OfString: openai.String("END")}
	got, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	message := got.Choices[0].Message
	if message.Content != "They glide [1]." || got.Choices[0].FinishReason != "stop" || got.Model != "c" || got.Usage.PromptTokens != 40 || got.Usage.TotalTokens != 48 || !strings.HasPrefix(got.ID, "chatcmpl-") || got.Object != "chat.completion" || got.Created == 0 {
		t.Errorf("got %s", got.RawJSON())
	}
	if len(message.Annotations) != 1 {
		t.Fatalf("annotations %+v", message.Annotations)
	}
	cited := message.Annotations[0].URLCitation
	if cited.URL != "https://example.org/kite" || cited.Title != "Red kite" || message.Content[cited.StartIndex:cited.EndIndex] != "[1]" {
		t.Errorf("annotation %+v", cited)
	}
	var sources shapes.ChatSources
	if err := json.Unmarshal([]byte(got.JSON.ExtraFields["sources"].Raw()), &sources); err != nil || len(sources.Passages.Passages) != 2 || len(sources.Citations) != 1 || sources.Citations[0].DocumentID != "kite" {
		t.Errorf("sources %+v, %v", sources, err)
	}
	asked := model.Requests()[0]
	if asked.MaxTokens != 55 || *asked.Temperature != 0.3 || !strings.HasSuffix(asked.Messages[0].Content, "\n\nBe brief.") {
		t.Errorf("asked %+v", asked)
	}
}

func TestChatStreamsToOpenAIsClient(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("Owls", " hunt [", "2", "], kites [1]", "[12"), llmtest.Done("stop", 40, 8))
	client := sdk(server)
	params := question("q")
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	var whole openai.ChatCompletionAccumulator
	var chunks []openai.ChatCompletionChunk
	for stream.Next() {
		chunks = append(chunks, stream.Current())
		if !whole.AddChunk(stream.Current()) {
			t.Fatal("the client's accumulator refuses a chunk")
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if whole.Choices[0].Message.Content != "Owls hunt [2], kites [1]" || whole.Choices[0].FinishReason != "stop" || whole.Usage.TotalTokens != 48 || whole.Choices[0].Message.Role != "assistant" {
		t.Errorf("got %+v", whole.ChatCompletion)
	}
	if first := chunks[0].Choices[0].Delta; first.Role != "assistant" || first.Content != "Owls" {
		t.Errorf("first delta %+v", first)
	}
	tail, last := chunks[len(chunks)-1], chunks[len(chunks)-2]
	if len(tail.Choices) != 0 || tail.Usage.PromptTokens != 40 {
		t.Errorf("the usage chunk is %s", tail.RawJSON())
	}
	var sources shapes.ChatSources
	if err := json.Unmarshal([]byte(last.JSON.ExtraFields["sources"].Raw()), &sources); err != nil || last.Choices[0].FinishReason != "stop" || len(sources.Passages.Passages) != 2 || len(sources.Citations) != 2 {
		t.Errorf("the last chunk is %s", last.RawJSON())
	}
	var annotations []shapes.Annotation
	if err := json.Unmarshal([]byte(last.Choices[0].Delta.JSON.ExtraFields["annotations"].Raw()), &annotations); err != nil || len(annotations) != 2 ||
		annotations[0].URLCitation.URL != server.URL+"/api/v1/collections/c/documents/owl/text?start=0&end=19" {
		t.Errorf("annotations %+v, %v", annotations, err)
	}
}

func TestChatRefusals(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, nil, llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	const message = `"messages":[{"role":"user","content":"q"}]`
	tests := []struct {
		body        string
		status      int
		param, code string
	}{
		{`{"model":"c"}`, 400, "", ""},
		{`{"model":"c","messages":[]}`, 400, "messages", ""},
		{`{"model":"none",` + message + `}`, 404, "model", "model_not_found"},
		{`{"model":"c","messages":[{"role":"system","content":"q"}]}`, 400, "messages", ""},
		{`{"model":"c","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}`, 400, "messages[0].content[0]", ""},
		{`{"model":"c","messages":[{"role":"user","content":7}]}`, 400, "messages[0].content", ""},
		{`{"model":"c","n":2,` + message + `}`, 400, "n", ""},
		{`{"model":"c","temperature":3,` + message + `}`, 400, "temperature", ""},
		{`{"model":"c","stop":["a","b","c","d","e"],` + message + `}`, 400, "stop", ""},
		{`{"model":"c","tools":[{"type":"function"}],` + message + `}`, 400, "tools", "unsupported_parameter"},
		{`{"model":"c","response_format":{"type":"json_object"},` + message + `}`, 400, "response_format.type", ""},
		{`{"model":"c","redkite":{"colour":1},` + message + `}`, 400, "redkite.colour", ""},
		{`{"model":"c","redkite":{"templates":{"system":"{{.X}}"}},` + message + `}`, 400, "templates.system", ""},
		{`{"model":`, 400, "", ""},
		{`{"model":"c","messages":[{"role":"user","content":"` + strings.Repeat("x", maxChat) + `"}]}`, 413, "", "request_too_large"},
	}
	for _, test := range tests {
		status, header, body := post(t, server, chatPath, "", test.body)
		var got shapes.OpenAIError
		decodeInto(t, body, &got)
		param, code := "", ""
		if got.Error.Param != nil {
			param = *got.Error.Param
		}
		if got.Error.Code != nil {
			code = *got.Error.Code
		}
		if status != test.status || param != test.param || code != test.code || got.Error.Message == "" || got.Error.Type == "" || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
			t.Errorf("%.80s: %d %s", test.body, status, body)
		}
	}
	for _, body := range []string{ // what clients send besides
		`{"model":"c","tools":[],"tool_choice":"none","user":"u","metadata":{"a":"b"},"logprobs":false,"response_format":{"type":"text"},` + message + `}`,
		`{"model":"c","messages":[{"role":"developer","content":"x"},{"role":"user","name":"Ann","content":[{"type":"text","text":"q"}]}]}`,
		`{"model":"c","redkite":{"top_k":3,"filter":{"type":"eq","key":"a","value":"b"},"tokenizer":"cl100k_base"},` + message + `}`,
	} {
		if status, _, text := post(t, server, chatPath, "", body); status != 200 {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

func TestChatErrorsInOpenAIsClient(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, func(_ *Deps, _ *Options, c *llm.Config) { c.Stall = 200 * time.Millisecond }, llmtest.Say("They"), llmtest.Stall())
	var refused *openai.Error
	none := question("q")
	none.Model = "none"
	good, bad := sdk(server), sdk(server, option.WithAPIKey("bad"))
	if _, err := good.Chat.Completions.New(t.Context(), none); !errors.As(err, &refused) || refused.StatusCode != 404 || refused.Code != "model_not_found" {
		t.Errorf("an unknown model: %v", err)
	}
	if _, err := bad.Chat.Completions.New(t.Context(), question("q")); !errors.As(err, &refused) || refused.StatusCode != 401 || refused.Type != "authentication_error" {
		t.Errorf("a wrong key: %v", err)
	}
	if _, err := good.Chat.Completions.New(t.Context(), question("q")); !errors.As(err, &refused) || refused.StatusCode != 502 || refused.Code != "llm_stalled" || refused.Type != "server_error" {
		t.Errorf("an LLM that stalls: %v", err)
	}
	stream := good.Chat.Completions.NewStreaming(t.Context(), question("q"))
	var text string
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Delta.Content
		}
	}
	if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "llm_stalled") || text != "They" {
		t.Errorf("in a stream: %q, %v", text, err)
	}
}

// TestChatWithLLMDown: before any text a stream is a plain 502, and the passages come with it.
func TestChatWithLLMDown(t *testing.T) {
	server, _ := answering(t, &oracle{hits: kites()}, nil, llmtest.Refuse(500, "{}"))
	for _, stream := range []string{"false", "true"} {
		status, header, body := post(t, server, chatPath, "", `{"model":"c","stream":`+stream+`,"messages":[{"role":"user","content":"q"}]}`)
		var got shapes.ChatError
		decodeInto(t, body, &got)
		if status != http.StatusBadGateway || got.Error.Type != "server_error" || got.Sources == nil || len(got.Sources.Passages.Passages) != 2 || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
			t.Errorf("stream %s: %d %s", stream, status, body)
		}
	}
}

func TestChatWithNothingRelevant(t *testing.T) {
	server, model := answering(t, &oracle{}, nil, llmtest.Say("x"), llmtest.Done("stop", 1, 1))
	client := sdk(server)
	got, err := client.Chat.Completions.New(t.Context(), question("q"))
	if err != nil || got.Choices[0].FinishReason != "stop" || !strings.HasPrefix(got.Choices[0].Message.Content, "I found no passage") || len(model.Requests()) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if diff := cmp.Diff(int64(0), got.Usage.TotalTokens); diff != "" {
		t.Error(diff)
	}
}
