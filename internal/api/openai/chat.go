package openai

import (
	"encoding/json"

	"github.com/redkite/redkite/internal/api"
)

// ChatRequest asks a collection as OpenAI's chat completions are asked.
type ChatRequest struct {
	_                   struct{}        `json:"-" additionalProperties:"true"`
	Model               string          `json:"model" doc:"Name of the collection." example:"handbook"`
	Messages            []ChatMessage   `json:"messages" doc:"The conversation; its last message, the user's, is the question. System messages are put after the collection's own instructions." minItems:"1" maxItems:"200"`
	Stream              bool            `json:"stream,omitempty"`
	StreamOptions       *StreamOptions  `json:"stream_options,omitempty"`
	Temperature         *float64        `json:"temperature,omitempty" minimum:"0" maximum:"2"`
	TopP                *float64        `json:"top_p,omitempty" minimum:"0" maximum:"1"`
	MaxTokens           *int            `json:"max_tokens,omitempty" minimum:"1"`
	MaxCompletionTokens *int            `json:"max_completion_tokens,omitempty" minimum:"1"`
	Seed                *int64          `json:"seed,omitempty"`
	FrequencyPenalty    *float64        `json:"frequency_penalty,omitempty" minimum:"-2" maximum:"2"`
	PresencePenalty     *float64        `json:"presence_penalty,omitempty" minimum:"-2" maximum:"2"`
	Stop                json.RawMessage `json:"stop,omitempty" doc:"A string, or a list of up to 4."`
	N                   *int            `json:"n,omitempty" doc:"1 alone." minimum:"1" maximum:"1"`
	Tools               json.RawMessage `json:"tools,omitempty" doc:"Not taken, unless it is empty: answers come from passages."`
	ResponseFormat      *ResponseFormat `json:"response_format,omitempty"`
	Redkite             *ChatOptions    `json:"redkite,omitempty" doc:"What redkite takes besides; from OpenAI's Python client, extra_body={\"redkite\": {...}}."`
}

// ChatMessage is one of a conversation.
type ChatMessage struct {
	_       struct{}        `json:"-" additionalProperties:"true"`
	Role    string          `json:"role" enum:"system,developer,user,assistant"`
	Content json.RawMessage `json:"content" doc:"Text, or a list of parts of type text."`
}

// StreamOptions shape a stream.
type StreamOptions struct {
	_            struct{} `json:"-" additionalProperties:"true"`
	IncludeUsage bool     `json:"include_usage,omitempty" doc:"A last chunk has the usage."`
}

// ResponseFormat is the form of an answer.
type ResponseFormat struct {
	_    struct{} `json:"-" additionalProperties:"true"`
	Type string   `json:"type" enum:"text" doc:"Text alone: answers carry citations."`
}

// ChatOptions are those of a native question that OpenAI's request has no place for.
type ChatOptions struct {
	TopK             int             `json:"top_k,omitempty" default:"10" minimum:"1" maximum:"100"`
	Candidates       int             `json:"candidates,omitempty" default:"50" minimum:"1" maximum:"200"`
	Rerank           *bool           `json:"rerank,omitempty"`
	Filter           json.RawMessage `json:"filter,omitempty" doc:"Condition on metadata, as in a search."`
	MinRelevance     *float64        `json:"min_relevance,omitempty" minimum:"0" maximum:"1"`
	MaxContextTokens int             `json:"max_context_tokens,omitempty" default:"3000" minimum:"64" maximum:"200000"`
	Rewrite          *bool           `json:"rewrite,omitempty"`
	api.Packing
}

// ChatCompletion is a whole answer.
type ChatCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object" enum:"chat.completion"`
	Created int64        `json:"created" doc:"Unix seconds."`
	Model   string       `json:"model" doc:"Name of the collection."`
	Choices []ChatChoice `json:"choices"`
	Usage   ChatUsage    `json:"usage"`
	Sources ChatSources  `json:"sources"`
}

// ChatChoice is the one answer.
type ChatChoice struct {
	Index        int        `json:"index"`
	Message      ChatAnswer `json:"message"`
	Logprobs     *struct{}  `json:"logprobs"`
	FinishReason string     `json:"finish_reason" enum:"stop,length,content_filter"`
}

// ChatAnswer is the message of an answer.
type ChatAnswer struct {
	Role        string       `json:"role" enum:"assistant"`
	Content     string       `json:"content"`
	Refusal     *string      `json:"refusal"`
	Annotations []Annotation `json:"annotations"`
}

// Annotation is a citation, as OpenAI's answers from the web have them.
type Annotation struct {
	Type        string      `json:"type" enum:"url_citation"`
	URLCitation URLCitation `json:"url_citation"`
}

// URLCitation points from a place in an answer to an address. OpenAI's clients know the first four members.
type URLCitation struct {
	StartIndex int    `json:"start_index" doc:"First character of the [n], in Unicode code points."`
	EndIndex   int    `json:"end_index" doc:"The one after its last."`
	URL        string `json:"url" doc:"The document's own url where its metadata has one, else the address of the passage's text on this server."`
	Title      string `json:"title"`
	Number     int    `json:"number"`
	DocumentID string `json:"document_id"`
	PageStart  int    `json:"page_start,omitempty"`
	PageEnd    int    `json:"page_end,omitempty"`
	SpanStart  int    `json:"span_start" doc:"Place of the passage in the document's normalised text."`
	SpanEnd    int    `json:"span_end"`
}

// ChatUsage counts tokens.
type ChatUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// ChatSources are the passages that the LLM was shown, and what it cited of them.
type ChatSources struct {
	api.Passages
	Citations    []api.Citation `json:"citations"`
	FinishReason string         `json:"finish_reason" doc:"As in a native answer: no_relevant_passage where no LLM was asked."`
}

// ChatChunk is a piece of a streamed answer.
type ChatChunk struct {
	ID      string        `json:"id"`
	Object  string        `json:"object" enum:"chat.completion.chunk"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []ChunkChoice `json:"choices"`
	Usage   *ChatUsage    `json:"usage,omitempty" doc:"In the last chunk, where stream_options.include_usage asks for it."`
	Sources *ChatSources  `json:"sources,omitempty" doc:"In the chunk that has the finish_reason."`
}

// ChunkChoice is a piece of the one answer.
type ChunkChoice struct {
	Index        int       `json:"index"`
	Delta        ChatDelta `json:"delta"`
	Logprobs     *struct{} `json:"logprobs"`
	FinishReason *string   `json:"finish_reason" enum:"stop,length,content_filter"`
}

// ChatDelta is what a chunk adds.
type ChatDelta struct {
	Role        string       `json:"role,omitempty"`
	Content     *string      `json:"content,omitempty"`
	Annotations []Annotation `json:"annotations,omitempty" doc:"In the chunk that has the finish_reason."`
}

// ChatError is the body of an error answer; where the LLM failed it has the passages that it was to be shown.
type ChatError struct {
	OpenAIError
	Sources *ChatSources `json:"sources,omitempty"`
}
