// Package openai holds the request and response bodies of the routes that OpenAI's clients speak, as JSON, and what of
// redkite they are made of. Requests leave alone members that they do not know, as those clients need.
//
//	collection -> vector store, and model for chat    file -> file    document -> vector store file
package openai

import (
	"encoding/json"

	"github.com/redkite/redkite/internal/rag"
)

// OpenAIError is the body of an error answer.
type OpenAIError struct {
	Error OpenAIErrorDetail `json:"error"`
}

// OpenAIErrorDetail says what is wrong.
type OpenAIErrorDetail struct {
	Message string  `json:"message" doc:"What happened, to what, and what to do."`
	Type    string  `json:"type" enum:"invalid_request_error,authentication_error,permission_error,not_found_error,rate_limit_error,server_error"`
	Param   *string `json:"param" doc:"Member of the request that is to blame."`
	Code    *string `json:"code" doc:"For programs to switch on."`
}

// Page is a list of things, or a part of one.
type Page[T any] struct {
	Object  string  `json:"object" enum:"list"`
	Data    []T     `json:"data"`
	FirstID *string `json:"first_id" doc:"Id of the first of data."`
	LastID  *string `json:"last_id" doc:"Id of the last of data: give it as 'after' for the next page."`
	HasMore bool    `json:"has_more"`
}

// PageOf makes a page of a list that was asked for with one more than limit; id gives the id of a thing. A page that was
// asked for by 'before' has that one at its start.
func PageOf[T any](list []T, limit int, before bool, id func(T) string) Page[T] {
	p := Page[T]{Object: "list", Data: []T{}, HasMore: len(list) > limit}
	switch {
	case p.HasMore && before:
		list = list[len(list)-limit:]
	case p.HasMore:
		list = list[:limit]
	}
	if len(list) > 0 {
		first, last := id(list[0]), id(list[len(list)-1])
		p.Data, p.FirstID, p.LastID = list, &first, &last
	}
	return p
}

// Deleted says that something was deleted.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

// ModelObject is a collection, for chat, or an encoder, for embeddings and reranking.
type ModelObject struct {
	ID      string `json:"id" doc:"Name of the collection or encoder."`
	Object  string `json:"object" enum:"model"`
	Created int64  `json:"created" doc:"Unix time in seconds; 0 for encoders."`
	OwnedBy string `json:"owned_by" enum:"redkite:collection,redkite:bi-encoder,redkite:cross-encoder" doc:"What it is: a collection answers chats, a bi-encoder embeds, a cross-encoder reranks."`
}

// ModelList lists models.
type ModelList struct {
	Object string        `json:"object" enum:"list"`
	Data   []ModelObject `json:"data"`
}

// OwnerCollection and those of encoders are what ModelObject.OwnedBy can be.
const (
	OwnerCollection = "redkite:collection"
	ownerPrefix     = "redkite:"
)

// CollectionModel is a collection as a model.
func CollectionModel(c rag.Collection) ModelObject {
	return ModelObject{ID: c.Name, Object: "model", Created: c.CreatedAt.Unix(), OwnedBy: OwnerCollection}
}

// EncoderModel is an encoder as a model; kind is bi-encoder or cross-encoder.
func EncoderModel(name, kind string) ModelObject {
	return ModelObject{ID: name, Object: "model", OwnedBy: ownerPrefix + kind}
}

// EmbeddingRequest asks for embeddings.
type EmbeddingRequest struct {
	_              struct{}        `json:"-" additionalProperties:"true"`
	Input          json.RawMessage `json:"input" doc:"A text, or a list of up to 2,048. Token ids are refused: they are those of another model."`
	Model          string          `json:"model" doc:"Bi-encoder, by name."`
	EncodingFormat string          `json:"encoding_format,omitempty" enum:"float,base64" doc:"base64 is that of little-endian float32. Defaults to float."`
	Dimensions     *int            `json:"dimensions,omitempty" doc:"Must be the model's own."`
	InputType      string          `json:"input_type,omitempty" enum:"query,passage,document,search_query,search_document" doc:"What the texts are, which decides on the model's prefix. Defaults to passage."`
	User           string          `json:"user,omitempty" doc:"Ignored."`
}

// EmbeddingList answers an EmbeddingRequest.
type EmbeddingList struct {
	Object string            `json:"object" enum:"list"`
	Data   []EmbeddingObject `json:"data"`
	Model  string            `json:"model"`
	Usage  EmbeddingUsage    `json:"usage"`
}

// EmbeddingObject is one embedding.
type EmbeddingObject struct {
	Object    string `json:"object" enum:"embedding"`
	Index     int    `json:"index" doc:"Place of its text in the input, from 0."`
	Embedding any    `json:"embedding" doc:"List of numbers, or base64."`
}

// EmbeddingUsage counts what was read.
type EmbeddingUsage struct {
	PromptTokens int `json:"prompt_tokens" doc:"Tokens that the model read, prefixes and special tokens included."`
	TotalTokens  int `json:"total_tokens"`
}

// FileObject is an uploaded file.
type FileObject struct {
	ID        string `json:"id"`
	Object    string `json:"object" enum:"file"`
	Bytes     int64  `json:"bytes"`
	CreatedAt int64  `json:"created_at" doc:"Unix time in seconds."`
	ExpiresAt *int64 `json:"expires_at" doc:"Always null: files stay until they are deleted."`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status" enum:"processed" doc:"Whether it can be read is said where it is attached."`
}

// FileOf writes a file.
func FileOf(f rag.File) FileObject {
	return FileObject{
		ID: f.ID.String(), Object: "file", Bytes: f.Size, CreatedAt: f.CreatedAt.Unix(), Filename: f.Filename, Purpose: f.Purpose, Status: "processed",
	}
}

// Purposes lists what a client may say that a file is for.
func Purposes() []string {
	return []string{"assistants", "user_data", "batch", "fine-tune", "vision", "evals"}
}
