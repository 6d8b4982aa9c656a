package httpapi

import (
	_ "embed"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
)

//go:embed docs.html
var docsHTML []byte

//go:embed docs.js
var docsJS []byte

//go:embed docs.css
var docsCSS []byte

// docsPage serves the page that shows the OpenAPI document; it loads nothing from elsewhere.
func (s *Server) docsPage() {
	serve := func(mediaType string, content []byte) gin.HandlerFunc {
		return func(c *gin.Context) { c.Data(http.StatusOK, mediaType, content) }
	}
	s.engine.GET("/docs", serve("text/html; charset=utf-8", docsHTML))
	s.engine.GET("/docs/docs.js", serve("text/javascript; charset=utf-8", docsJS))
	s.engine.GET("/docs/docs.css", serve("text/css; charset=utf-8", docsCSS))
}

// chunkingDoc describes a chunking outside of a JSON body.
const chunkingDoc = `How the files are cut, where not as the collection says: a NewChunking as JSON, such as {"strategy":"row"}.`

// uploadRoutes adds the routes that stream, and describes them from the types they read and write.
func (s *Server) uploadRoutes(service huma.API, group *gin.RouterGroup) {
	s.schemas = service.OpenAPI().Components.Schemas
	const documents = apiBase + "/collections/:collection/documents"
	group.POST(documents, s.postDocuments)
	group.PUT(documents+"/:document", s.putDocument)

	file := &huma.Schema{Type: huma.TypeString, Format: "binary", Description: "A file: plain text, Markdown, HTML or PDF, told by its bytes."}
	fields := map[string]*huma.Schema{
		"id":           {Type: huma.TypeString, Description: "Your id of the document, where there is one file."},
		"title":        {Type: huma.TypeString, Description: "Title of the files after it."},
		"metadata":     {Type: huma.TypeString, Description: "JSON object: metadata of the files after it."},
		"chunking":     {Type: huma.TypeString, Description: chunkingDoc},
		"on_duplicate": {Type: huma.TypeString, Enum: []any{"replace", "skip", "error"}, Description: "What to do with a document that exists."},
		"duplicate_by": {Type: huma.TypeString, Enum: []any{"id", "content"}, Description: "What makes a document one that exists: its id, or its bytes."},
	}
	form := &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{"file": {Type: huma.TypeArray, Items: file}}}
	single := &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{"file": file}}
	for name, schema := range fields {
		form.Properties[name] = schema
		if name != "id" && name != "duplicate_by" {
			single.Properties[name] = schema
		}
	}
	service.OpenAPI().AddOperation(s.uploadOperation(huma.Operation{
		OperationID: "upload-documents", Method: http.MethodPost, Path: apiBase + "/collections/{collection}/documents", Summary: "Upload documents",
		Description: "Files as a form, or documents as JSON. They are durable when the answer comes; a job each makes them searchable. Files that are refused are listed, and the others taken; JSON documents are taken together or not at all.",
		Parameters:  []*huma.Param{{Name: "duplicate_by", In: "query", Description: "What makes a document one that exists: its id, or its bytes. Defaults to the id where there is one, else the bytes.", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"id", "content"}}}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"multipart/form-data": {Schema: form},
			"application/json":    {Schema: s.schemas.Schema(reflect.TypeFor[api.NewDocuments](), true, "")},
		}},
	}))
	service.OpenAPI().AddOperation(s.uploadOperation(huma.Operation{
		OperationID: "put-document", Method: http.MethodPut, Path: apiBase + "/collections/{collection}/documents/{document}", Summary: "Create or replace a document",
		Description: "Under your own id. Until the new version is searchable, whole, search returns the old one.",
		Parameters:  []*huma.Param{{Name: "document", In: "path", Required: true, Description: "Your id; slashes written as %2F.", Schema: &huma.Schema{Type: huma.TypeString}}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"multipart/form-data":      {Schema: single},
			"application/json":         {Schema: s.schemas.Schema(reflect.TypeFor[api.NewDocument](), true, "")},
			"application/octet-stream": {Schema: file},
		}},
	}))
}

// uploadOperation adds what both upload routes share.
func (s *Server) uploadOperation(op huma.Operation) *huma.Operation {
	text := &huma.Schema{Type: huma.TypeString}
	op.Tags = []string{"documents"}
	op.Parameters = append([]*huma.Param{
		{Name: "collection", In: "path", Required: true, Description: "Name of the collection.", Schema: text},
		{Name: "wait", In: "query", Description: "How long to wait for the jobs to end, such as 30s; at most 5m.", Schema: waitSchema(s.schemas)},
		{Name: "chunking", In: "query", Description: chunkingDoc, Schema: &huma.Schema{Type: huma.TypeString}},
		{Name: "on_duplicate", In: "query", Description: "What to do with a document that exists. Defaults to replace; where neither an id nor duplicate_by is given only the same upload again counts, and is unchanged.", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"replace", "skip", "error"}}},
	}, op.Parameters...)
	uploaded := s.schemas.Schema(reflect.TypeFor[api.Uploaded](), true, "")
	problem := s.schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	answer := func(description, mediaType string, schema *huma.Schema) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{mediaType: {Schema: schema}}}
	}
	op.Responses = map[string]*huma.Response{
		"200":     answer("Taken, and every job is over.", "application/json", uploaded),
		"202":     answer("Taken; jobs go on.", "application/json", uploaded),
		"default": answer("Refused.", "application/problem+json", problem),
	}
	return &op
}
