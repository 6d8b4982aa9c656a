// Package rerank holds the request and response bodies of the rerank and embedding routes that Cohere's, Jina's and Text
// Embeddings Inference's clients speak, as JSON. Requests leave alone members that they do not know.
package rerank

import "encoding/json"

// CohereRerank is the request of Cohere's /v2/rerank.
type CohereRerank struct {
	_               struct{} `json:"-" additionalProperties:"true"`
	Model           string   `json:"model" doc:"The server's cross-encoder, by name."`
	Query           string   `json:"query"`
	Documents       []string `json:"documents" doc:"Up to 1,000 texts."`
	TopN            *int     `json:"top_n,omitempty" doc:"Results wanted. Defaults to all." minimum:"1"`
	MaxTokensPerDoc *int     `json:"max_tokens_per_doc,omitempty" doc:"Tokens of a document that count, from its start. Defaults to 4096. What is longer than the cross-encoder reads at once is read in parts, and the best counts." minimum:"1"`
	Priority        *int     `json:"priority,omitempty" doc:"Ignored."`
}

// RerankV1 is the request of /v1/rerank, which Cohere's older API and Jina's share. A request with rank_fields,
// max_chunks_per_doc or max_tokens_per_doc is taken as Cohere's, any other as Jina's.
type RerankV1 struct {
	_               struct{}          `json:"-" additionalProperties:"true"`
	Model           string            `json:"model,omitempty" doc:"The server's cross-encoder, by name. Defaults to it."`
	Query           json.RawMessage   `json:"query" doc:"A text, or an object with a text."`
	Documents       []json.RawMessage `json:"documents" doc:"Up to 1,000 texts, or objects with a text."`
	TopN            *int              `json:"top_n,omitempty" doc:"Results wanted. Defaults to all." minimum:"1"`
	ReturnDocuments *bool             `json:"return_documents,omitempty" doc:"Whether results bring their documents. Defaults to true for Jina's requests and to false for Cohere's."`
	MaxTokensPerDoc *int              `json:"max_tokens_per_doc,omitempty" doc:"Cohere's: as in /v2/rerank." minimum:"1"`
	MaxChunksPerDoc *int              `json:"max_chunks_per_doc,omitempty" doc:"Cohere's: parts of a long document that are read; the best counts. Defaults to 10." minimum:"1"`
	RankFields      []string          `json:"rank_fields,omitempty" doc:"Cohere's: members of document objects that are read, in this order. Defaults to text."`
	MaxDocLength    *int              `json:"max_doc_length,omitempty" doc:"Jina's: tokens of a document that count." minimum:"1"`
}

// RerankResult is one document's place and score.
type RerankResult struct {
	Index          int     `json:"index" doc:"Place in the request's documents, from 0."`
	RelevanceScore float64 `json:"relevance_score" doc:"Logistic of the cross-encoder's logit, 0 to 1."`
}

// RerankedDocument is a result that may bring its document.
type RerankedDocument struct {
	RerankResult
	Document any `json:"document,omitempty" doc:"The document, as an object with its text."`
}

// CohereReranked answers a CohereRerank.
type CohereReranked struct {
	ID      string         `json:"id" doc:"The request's id."`
	Results []RerankResult `json:"results" doc:"Best first."`
	Meta    RerankMeta     `json:"meta"`
}

// RerankedV1 answers a RerankV1: it has the members of both APIs.
type RerankedV1 struct {
	ID      string             `json:"id" doc:"Cohere's: the request's id."`
	Model   string             `json:"model" doc:"Jina's."`
	Object  string             `json:"object" enum:"list" doc:"Jina's."`
	Usage   RerankUsage        `json:"usage" doc:"Jina's."`
	Results []RerankedDocument `json:"results" doc:"Best first."`
	Meta    RerankMeta         `json:"meta" doc:"Cohere's."`
}

// RerankMeta says what was billed: nothing, in truth.
type RerankMeta struct {
	APIVersion  APIVersion  `json:"api_version"`
	BilledUnits BilledUnits `json:"billed_units"`
}

// APIVersion is the version of Cohere's API that answers.
type APIVersion struct {
	Version string `json:"version"`
}

// BilledUnits count as Cohere does: a unit is a query with up to 100 documents, of 500 tokens each.
type BilledUnits struct {
	SearchUnits int `json:"search_units"`
}

// RerankUsage counts what was read.
type RerankUsage struct {
	TotalTokens  int `json:"total_tokens" doc:"That the cross-encoder read, the query with every document."`
	PromptTokens int `json:"prompt_tokens"`
}

// CohereError is the body of an error answer of Cohere's API.
type CohereError struct {
	ID      string `json:"id" doc:"The request's id."`
	Message string `json:"message"`
}

// RerankErrorV1 is the body of an error answer of /v1/rerank: it has the members of both APIs.
type RerankErrorV1 struct {
	Message string `json:"message" doc:"As Cohere has it."`
	Detail  string `json:"detail" doc:"As Jina has it."`
}

// TEIRerank is the request of Text Embeddings Inference's /rerank.
type TEIRerank struct {
	_                   struct{} `json:"-" additionalProperties:"true"`
	Query               string   `json:"query"`
	Texts               []string `json:"texts" doc:"Up to max_client_batch_size of /info."`
	RawScores           bool     `json:"raw_scores,omitempty" doc:"true gives logits, false their logistic."`
	ReturnText          bool     `json:"return_text,omitempty"`
	Truncate            *bool    `json:"truncate,omitempty" doc:"What is too long is cut; without it, it is refused. Defaults to false."`
	TruncationDirection string   `json:"truncation_direction,omitempty" doc:"right cuts off the end, left the start. Defaults to right."`
}

// RerankRequest is the request of /rerank: with texts it is a TEIRerank, with documents a RerankV1.
type RerankRequest struct {
	_                   struct{}          `json:"-" additionalProperties:"true"`
	Query               json.RawMessage   `json:"query"`
	Texts               []string          `json:"texts,omitempty" doc:"Up to max_client_batch_size of /info."`
	RawScores           bool              `json:"raw_scores,omitempty" doc:"true gives logits, false their logistic."`
	ReturnText          bool              `json:"return_text,omitempty"`
	Truncate            *bool             `json:"truncate,omitempty" doc:"What is too long is cut; without it, it is refused. Defaults to false."`
	TruncationDirection string            `json:"truncation_direction,omitempty" doc:"right cuts off the end, left the start. Defaults to right."`
	Documents           []json.RawMessage `json:"documents,omitempty" doc:"Makes this a request as for /v1/rerank."`
}

// TEIRank is one text's place and score.
type TEIRank struct {
	Index int     `json:"index" doc:"Place in the request's texts, from 0."`
	Score float64 `json:"score"`
	Text  *string `json:"text,omitempty"`
}

// TEIEmbed is the request of Text Embeddings Inference's /embed.
type TEIEmbed struct {
	_                   struct{}        `json:"-" additionalProperties:"true"`
	Inputs              json.RawMessage `json:"inputs" doc:"A text, or a list of up to max_client_batch_size of /info."`
	Normalize           *bool           `json:"normalize,omitempty" doc:"false leaves embeddings as the model gives them. Defaults to true."`
	Truncate            *bool           `json:"truncate,omitempty" doc:"What is too long is cut; without it, it is refused. Defaults to false."`
	TruncationDirection string          `json:"truncation_direction,omitempty" doc:"right cuts off the end, left the start. Defaults to right."`
	PromptName          *string         `json:"prompt_name,omitempty" enum:"query,passage,document" doc:"The model's prefix to put before the texts. Defaults to none."`
	Dimensions          *int            `json:"dimensions,omitempty" doc:"Must be the model's own."`
}

// TEIInfo says what serves /embed and /rerank.
type TEIInfo struct {
	ModelID               string         `json:"model_id"`
	ModelSHA              *string        `json:"model_sha" doc:"SHA-256 of the graph's file."`
	ModelDType            string         `json:"model_dtype"`
	ModelType             map[string]any `json:"model_type" doc:"embedding, with its pooling."`
	MaxConcurrentRequests int            `json:"max_concurrent_requests"`
	MaxInputLength        int            `json:"max_input_length" doc:"Tokens, special tokens included."`
	MaxBatchTokens        int            `json:"max_batch_tokens"`
	MaxBatchRequests      *int           `json:"max_batch_requests"`
	MaxClientBatchSize    int            `json:"max_client_batch_size"`
	AutoTruncate          bool           `json:"auto_truncate"`
	TokenizationWorkers   int            `json:"tokenization_workers"`
	Version               string         `json:"version" doc:"Of redkite."`
	SHA                   *string        `json:"sha"`
	DockerLabel           *string        `json:"docker_label"`
	Reranker              TEIReranker    `json:"reranker" doc:"redkite's own: what serves /rerank."`
}

// TEIReranker is the cross-encoder beside TEIInfo's bi-encoder.
type TEIReranker struct {
	ModelID        string `json:"model_id"`
	ModelSHA       string `json:"model_sha"`
	MaxInputLength int    `json:"max_input_length"`
}

// TEIError is the body of an error answer of Text Embeddings Inference.
type TEIError struct {
	Error     string `json:"error"`
	ErrorType string `json:"error_type" enum:"Unhealthy,Backend,Overloaded,Validation,Tokenizer,Empty,Unauthorized"`
}
