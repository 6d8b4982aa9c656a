package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/rag"
)

// route is one of a family's. Its handler gives the body of a 200, or nil where it has written the answer itself.
type route struct {
	method, path string // as gin has it, such as /v1/files/:file
	id, summary  string
	about        string
	tag          string
	query        []*huma.Param
	request      reflect.Type // of the body; nil for none
	form         *huma.Schema // in place of request
	response     reflect.Type // of the answer; nil where that is bytes
	or, orFails  reflect.Type // of another family's answers on this path; nil for none
	handle       func(c *gin.Context) (any, error)
}

// compatible adds the routes that other APIs' clients speak, and describes them from the types they read and write.
func (s *Server) compatible(service huma.API, group *gin.RouterGroup) {
	for _, routes := range [][]route{
		s.modelRoutes(), s.embeddingRoutes(), s.fileRoutes(), s.storeRoutes(), s.storeFileRoutes(), s.fileBatchRoutes(), s.rerankRoutes(), s.teiRoutes(),
	} {
		for _, r := range routes {
			group.Handle(r.method, r.path, func(c *gin.Context) {
				out, err := r.handle(c)
				switch {
				case err != nil:
					discard(c.Request.Body)
					s.fail(c, err)
				case out != nil:
					c.JSON(http.StatusOK, out)
				}
			})
			service.OpenAPI().AddOperation(s.describe(r))
		}
	}
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

// describe makes a route's part of the OpenAPI document.
func (s *Server) describe(r route) *huma.Operation {
	op := &huma.Operation{
		OperationID: r.id, Method: r.method, Path: pathParameter.ReplaceAllString(r.path, "{$1}"), Summary: r.summary, Description: r.about, Tags: []string{r.tag},
	}
	for _, name := range pathParameter.FindAllStringSubmatch(r.path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	op.Parameters = append(op.Parameters, r.query...)
	switch {
	case r.request != nil:
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: s.schemaOf(r.request, nil)}}}
	case r.form != nil:
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: r.form}}}
	}
	content := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	if r.response != nil {
		content = map[string]*huma.MediaType{"application/json": {Schema: s.schemaOf(r.response, r.or)}}
	}
	op.Responses = map[string]*huma.Response{
		"200":     {Description: "Done.", Content: content},
		"default": {Description: "Refused.", Content: map[string]*huma.MediaType{"application/json": {Schema: s.schemaOf(familyOf(r.path).errorType(), r.orFails)}}},
	}
	return op
}

// schemaOf describes a type, or either of two.
func (s *Server) schemaOf(t, or reflect.Type) *huma.Schema {
	schema := s.schemas.Schema(t, true, "")
	schema.Nullable = false // a list that is an answer is there
	if or != nil {
		schema = &huma.Schema{OneOf: []*huma.Schema{schema, s.schemas.Schema(or, true, "")}}
	}
	return schema
}

// maxTextsJSON bounds a request that brings texts to embed or rank, or files to attach, in bytes.
const maxTextsJSON = 32 << 20

// readJSON reads a request as other APIs' clients send it: members that into lacks are left alone. Sending may take time
// as long as bytes come.
func readJSON(c *gin.Context, limit int64, into any) error {
	body, done := uploadBody(c)
	defer done()
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, io.NopCloser(body), limit))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return &rag.Problem{Kind: rag.ErrTooLarge, Code: "body_too_large", Message: fmt.Sprintf("the request has more than %d bytes; send less at once", limit)}
	}
	if err != nil {
		return rag.Invalid("", "the request can't be read: %v", err)
	}
	return unmarshal(raw, "", into)
}

// oneOrMany reads a text or a list of texts.
func oneOrMany(raw json.RawMessage, at string) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil && len(raw) > 0 && raw[0] == '"' {
		return []string{one}, nil
	}
	var many []json.RawMessage
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, rag.Invalid(at, "%s must be a string or a list of strings", strings.TrimPrefix(at, "/"))
	}
	texts := make([]string, len(many))
	for i, item := range many {
		if len(item) == 0 || item[0] != '"' || json.Unmarshal(item, &texts[i]) != nil {
			return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: codeNotText, Pointer: at, Message: fmt.Sprintf(
				"%s must be a string or a list of strings; its item %d is %s", strings.TrimPrefix(at, "/"), i, clipped(string(item)))}
		}
	}
	return texts, nil
}

// codeNotText is the code of a list that has something else than texts.
const codeNotText = "not_text"

func clipped(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "..."
	}
	return text
}

// given reports whether a member that is refused unless null was sent.
func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// pageQuery describes the parameters of a list.
func pageQuery(most, usual int, more ...*huma.Param) []*huma.Param {
	low, high := 1.0, float64(most)
	text := &huma.Schema{Type: huma.TypeString}
	return append([]*huma.Param{
		{Name: "limit", In: "query", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: usual}},
		{Name: "order", In: "query", Description: "By age; newest first unless asc is asked for.", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"asc", "desc"}, Default: "desc"}},
		{Name: "after", In: "query", Description: "Id of the last of the page before.", Schema: text},
		{Name: "before", In: "query", Description: "Id of the first of the page after.", Schema: text},
	}, more...)
}

// cursor reads the parameters of a list; number finds the number of what an id names. The page is asked for with one more
// than limit, which tells whether there are more.
func cursor(c *gin.Context, most, usual int, number func(id string) (int64, error)) (at rag.Cursor, limit int, err error) {
	limit = usual
	if text := c.Query("limit"); text != "" {
		if _, err := fmt.Sscanf(text+"\n", "%d\n", &limit); err != nil || limit < 1 || limit > most {
			return at, 0, rag.Invalid("?limit", "limit must be a number from 1 to %d, not %q", most, clipped(text))
		}
	}
	at = rag.Cursor{Limit: limit + 1, Descending: true}
	switch c.Query("order") {
	case "", "desc":
	case "asc":
		at.Descending = false
	default:
		return at, 0, rag.Invalid("?order", "order must be asc or desc, not %q", clipped(c.Query("order")))
	}
	for name, place := range map[string]*int64{"after": &at.After, "before": &at.Before} {
		if id := c.Query(name); id != "" {
			if *place, err = number(id); err != nil {
				return at, 0, rag.Invalid("?"+name, "%s names %q, which is not in this list", name, clipped(id))
			}
		}
	}
	return at, limit, nil
}

// longest is how long a request may have the encoders at work.
const longest = 2 * time.Minute
