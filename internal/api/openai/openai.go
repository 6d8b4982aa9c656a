// Package openai holds the request and response bodies of the routes that OpenAI's clients speak, as JSON, and what of
// redkite they are made of. Requests leave alone members that they do not know, as those clients need.
//
//	collection -> vector store, and model for chat    file -> file    document -> vector store file
package openai

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
