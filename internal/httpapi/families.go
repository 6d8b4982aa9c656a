package httpapi

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/api/rerank"
)

// family is an API that clients speak. Every error is one problem; its family gives it shape and status.
type family int

// The families.
const (
	familyNative family = iota
	familyOpenAI
	familyCohere
	familyRerankV1 // Cohere's older API and Jina's, on one path
	familyTEI
)

// familyOf tells by its path whose clients ask, also where there is no such route.
func familyOf(path string) family {
	switch {
	case path == "/v1/rerank":
		return familyRerankV1
	case strings.HasPrefix(path, "/v1/"):
		return familyOpenAI
	case strings.HasPrefix(path, "/v2/"):
		return familyCohere
	case path == "/rerank" || path == "/embed" || path == "/info":
		return familyTEI
	}
	return familyNative
}

// keyFamily is where a handler notes that a request is of another family than its path says.
const keyFamily = "family"

func askedFamily(c *gin.Context) family {
	if f, ok := c.Get(keyFamily); ok {
		return f.(family)
	}
	return familyOf(c.Request.URL.Path)
}

// served reports whether a route is of the API, and not a page or a probe.
func served(route string) bool {
	return strings.HasPrefix(route, apiBase+"/") || familyOf(route) != familyNative
}

// body gives a problem the family's shape and status.
func (f family) body(p api.Problem) (int, any) {
	switch f {
	case familyOpenAI:
		return p.Status, openAIError(p)
	case familyCohere:
		return p.Status, rerank.CohereError{ID: p.RequestID, Message: p.Detail}
	case familyRerankV1:
		return p.Status, rerank.RerankErrorV1{Message: p.Detail, Detail: p.Detail}
	case familyTEI:
		status, kind := teiError(p)
		return status, rerank.TEIError{Error: p.Detail, ErrorType: kind}
	}
	return p.Status, p
}

// errorType is the type of what body gives.
func (f family) errorType() reflect.Type {
	switch f {
	case familyOpenAI:
		return reflect.TypeFor[openai.OpenAIError]()
	case familyCohere:
		return reflect.TypeFor[rerank.CohereError]()
	case familyRerankV1:
		return reflect.TypeFor[rerank.RerankErrorV1]()
	case familyTEI:
		return reflect.TypeFor[rerank.TEIError]()
	}
	return reflect.TypeFor[api.Problem]()
}

// openAIError has the types that OpenAI names for a status.
func openAIError(p api.Problem) openai.OpenAIError {
	out := openai.OpenAIErrorDetail{Message: p.Detail, Type: "invalid_request_error"}
	switch {
	case p.Status == http.StatusUnauthorized:
		out.Type = "authentication_error"
	case p.Status == http.StatusForbidden:
		out.Type = "permission_error"
	case p.Status == http.StatusNotFound:
		out.Type = "not_found_error"
	case p.Status == http.StatusTooManyRequests:
		out.Type = "rate_limit_error"
	case p.Status >= http.StatusInternalServerError:
		out.Type = "server_error"
	}
	switch code := p.Code; code {
	case "invalid":
	case "unauthorized":
		code = "invalid_api_key"
		out.Code = &code
	default:
		out.Code = &code
	}
	if len(p.Errors) > 0 {
		if param := memberOf(p.Errors[0].Pointer); param != "" {
			out.Param = &param
		}
	}
	return openai.OpenAIError{Error: out}
}

// memberOf writes a JSON pointer as OpenAI names a part of a request: /files/0/attributes is files[0].attributes.
func memberOf(pointer string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(pointer, "?"), "/"), "/") {
		switch {
		case part != "" && strings.Trim(part, "0123456789") == "":
			b.WriteString("[" + part + "]")
		case b.Len() > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}

// teiError has the statuses and types of Text Embeddings Inference.
func teiError(p api.Problem) (int, string) {
	switch p.Status {
	case http.StatusBadRequest:
		if p.Code == codeEmpty {
			return http.StatusBadRequest, "Empty"
		}
		return http.StatusUnprocessableEntity, "Validation"
	case http.StatusRequestEntityTooLarge:
		return p.Status, "Validation"
	case http.StatusTooManyRequests:
		return p.Status, "Overloaded"
	case http.StatusServiceUnavailable:
		return p.Status, "Unhealthy"
	case http.StatusInternalServerError, http.StatusGatewayTimeout:
		return http.StatusFailedDependency, "Backend"
	case http.StatusUnauthorized:
		return p.Status, "Unauthorized"
	}
	return p.Status, "Validation"
}

// codeEmpty is the code of a request that brings no text.
const codeEmpty = "empty_input"
