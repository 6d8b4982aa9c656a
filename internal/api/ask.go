package api

import "github.com/redkite/redkite/internal/rag"

// Templates take the place of a collection's own for one request. Each is text with variables, as docs/answers.md lists
// them.
type Templates struct {
	System  string `json:"system,omitempty" doc:"The LLM's instructions. Variables: .Collection, .Fence." maxLength:"32768"`
	User    string `json:"user,omitempty" doc:"The passages and the question. Variables: .Context, .Question, .Collection, .Fence." maxLength:"32768"`
	Passage string `json:"passage,omitempty" doc:"One passage, inside its fence. Variables: .Number, .Name, .Document, .Title, .Filename, .Headings, .Section, .PageStart, .PageEnd, .Pages, .Text." maxLength:"32768"`
	Nothing string `json:"nothing,omitempty" doc:"The answer where no passage is relevant. Variables: .Collection, .Question." maxLength:"32768"`
}

// Named gives those that are there, by name.
func (t *Templates) Named() map[string]string {
	named := map[string]string{}
	if t == nil {
		return named
	}
	for name, text := range map[string]string{"system": t.System, "user": t.User, "passage": t.Passage, "nothing": t.Nothing} {
		if text != "" {
			named[name] = text
		}
	}
	return named
}

// Packing says how passages are packed.
type Packing struct {
	Tokenizer string     `json:"tokenizer,omitempty" enum:"auto,o200k_base,cl100k_base,encoder" default:"auto" doc:"What counts tokens: auto suits the server's LLM; encoder is the collection's bi-encoder's."`
	Order     string     `json:"order,omitempty" enum:"best_first,best_last" default:"best_first" doc:"Where the best document stands. The passages of a document are together, in its own order."`
	Templates *Templates `json:"templates,omitempty" doc:"In place of the collection's."`
}

// Ask asks a collection a question that an LLM answers from what is found.
type Ask struct {
	Search
	Packing
	Query            string    `json:"query,omitempty" doc:"The question; left out where messages has it." maxLength:"8000" example:"How do I rotate an API key?"`
	Messages         []Message `json:"messages,omitempty" doc:"The conversation, in place of query; its last message, the user's, is the question." maxItems:"200"`
	MaxContextTokens int       `json:"max_context_tokens,omitempty" doc:"Most tokens of passages." default:"3000" minimum:"64" maximum:"200000"`
	MaxAnswerTokens  int       `json:"max_answer_tokens,omitempty" doc:"Most tokens of the answer. Defaults to the server's llm_max_tokens." minimum:"1" maximum:"100000"`
	Temperature      *float64  `json:"temperature,omitempty" doc:"How freely the LLM writes. Defaults to its server's." minimum:"0" maximum:"2"`
	Rewrite          *bool     `json:"rewrite,omitempty" doc:"false searches for the last message as it is. Defaults to true: where a conversation came before it, the LLM first writes it so that it can be understood alone."`
	MinRelevance     *float64  `json:"min_relevance,omitempty" doc:"Relevance that a hit needs to be shown to the LLM; where none has it, the answer is that nothing was found, and no LLM is asked. Defaults to the server's ask_min_relevance." minimum:"0" maximum:"1"`
}

// Passages are what an LLM is shown; the data of the event 'passages', and part of an answer.
type Passages struct {
	Passages  []Source `json:"passages" doc:"By number."`
	QueryUsed string   `json:"query_used" doc:"What was searched for."`
	Tokens    int      `json:"tokens" doc:"Of the passages as they are shown."`
	CountedBy string   `json:"counted_by" doc:"The tokenizer that counted them."`
	Truncated bool     `json:"truncated" doc:"Hits were left out or cut to stay inside max_context_tokens."`
	Degraded  []string `json:"degraded" doc:"What could not be done: as in a search; and relevance_unknown, where min_relevance could not be applied because nothing was reranked."`
	SearchMS  Timings  `json:"search_ms"`
}

// Answer answers an Ask.
type Answer struct {
	Answer    string     `json:"answer" doc:"The text. Every [n] in it is a citation of a passage that was shown."`
	Citations []Citation `json:"citations" doc:"Every [n] of the answer, in order."`
	Passages
	Done
}

// Delta is the data of the event 'delta'.
type Delta struct {
	Text string `json:"text" doc:"A piece of the answer, to be put after those before it."`
}

// Citation is an [n] in an answer; the data of the event 'citation', which follows the delta that has it.
type Citation struct {
	Number     int      `json:"number"`
	At         rag.Span `json:"at" doc:"Place of the [n] in the answer, in Unicode code points."`
	DocumentID string   `json:"document_id"`
	Title      string   `json:"title"`
	PageStart  int      `json:"page_start,omitempty" doc:"First page, from 1; left out where the format has no pages."`
	PageEnd    int      `json:"page_end,omitempty"`
	Span       rag.Span `json:"span" doc:"Place of the passage in the document's normalised text."`
	URL        string   `json:"url" doc:"The document's own url where its metadata has one, else the path of the passage's text on this server."`
}

// Done says how an answer ended; the data of the event 'done'.
type Done struct {
	FinishReason string      `json:"finish_reason" enum:"stop,length,content_filter,no_relevant_passage" doc:"no_relevant_passage: no LLM was asked."`
	Model        string      `json:"model,omitempty" doc:"The LLM, as its server names it."`
	Usage        AnswerUsage `json:"usage"`
	FirstTokenMS float64     `json:"first_token_ms" doc:"From the request's arrival to the first text of the answer."`
	LLMFirstMS   float64     `json:"llm_first_token_ms" doc:"Of that, the time from asking the LLM."`
	TotalMS      float64     `json:"total_ms"`
}

// AnswerUsage counts an LLM's tokens.
type AnswerUsage struct {
	PromptTokens int  `json:"prompt_tokens"`
	AnswerTokens int  `json:"answer_tokens"`
	Estimated    bool `json:"estimated,omitempty" doc:"Counted by redkite, because the LLM's server did not say."`
}

// AskProblem is a Problem of an answer; where the LLM failed it brings what it was to be shown.
type AskProblem struct {
	Problem
	Passages []Source `json:"passages,omitempty" doc:"What was found, where the LLM failed."`
}
