package httpapi

import (
	"net/http"
	"strings"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/api/openai"
)

// family is an API that clients speak. Every error is one problem; its family gives it shape and status.
type family int

// The families.
const (
	familyNative family = iota
	familyOpenAI
)

// familyOf tells by its path whose clients ask, also where there is no such route.
func familyOf(path string) family {
	if strings.HasPrefix(path, "/v1/") {
		return familyOpenAI
	}
	return familyNative
}

// body gives a problem the family's shape and status.
func (f family) body(p api.Problem) (int, any) {
	if f == familyOpenAI {
		return p.Status, openAIError(p)
	}
	return p.Status, p
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
		if param := strings.ReplaceAll(strings.TrimPrefix(p.Errors[0].Pointer, "/"), "/", "."); param != "" {
			out.Param = &param
		}
	}
	return openai.OpenAIError{Error: out}
}
