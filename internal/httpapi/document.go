package httpapi

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
)

// settleDocument writes into the OpenAPI document what holds for every operation of the native API. Its errors are
// Problems, where huma would describe its own: each operation lists the statuses that are its own, and leaves the others,
// which any may have, to "default". And what answers 202 answers 200 where the client waited long enough.
func settleDocument(document *huma.OpenAPI) {
	schemas := document.Components.Schemas
	problem := map[string]*huma.MediaType{"application/problem+json": {Schema: schemas.Schema(reflect.TypeFor[api.Problem](), true, "")}}
	for path, item := range document.Paths {
		if !strings.HasPrefix(path, apiBase+"/") {
			continue
		}
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op != nil {
				settleResponses(op, problem)
			}
		}
	}
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
}

// settleResponses is settleDocument for one operation.
func settleResponses(op *huma.Operation, problem map[string]*huma.MediaType) {
	for status, response := range op.Responses {
		if status >= "400" && response.Content != nil && !ownProblem(response) { // "default" too
			response.Content = problem
		}
	}
	if op.Responses["default"] == nil {
		op.Responses["default"] = &huma.Response{Description: "Refused.", Content: problem}
	}
	accepted := op.Responses["202"]
	if accepted == nil || op.Responses["200"] != nil {
		return
	}
	for _, p := range op.Parameters {
		if p.Name == "wait" {
			op.Responses["200"] = &huma.Response{Description: "Done: the job is over.", Content: accepted.Content, Headers: accepted.Headers}
		}
	}
}

// ownProblem reports whether an error is described by a type of ours, such as AskProblem, which has more members.
func ownProblem(response *huma.Response) bool {
	own := response.Content["application/problem+json"]
	return own != nil && own.Schema != nil && strings.HasSuffix(own.Schema.Ref, "Problem")
}
