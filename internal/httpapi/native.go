package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/rag"
)

// apiBase is where the native API lives.
const apiBase = "/api/v1"

// maxJSON bounds a request's JSON that is no upload.
const maxJSON = 1 << 20

// bodyTimeout is how long a client may take to send such JSON.
const bodyTimeout = 30 * time.Second

// native puts the native API together, with its OpenAPI document and page. The document is made from the handlers' own
// types; uploads, which huma would hold in memory, are plain gin handlers that are described from their types too.
func (s *Server) native() {
	s.humaErrors()
	huma.DefaultArrayNullable = false // lists are never null; the library's own switch, a variable of its package
	config := huma.DefaultConfig("redkite", s.options.Version)
	config.Info.Description = "Retrieval for LLM chatbots: documents in over HTTP, reranked passages out."
	config.Formats = map[string]huma.Format{"application/json": format(), "json": format()}
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key, made by 'redkite keys create'. From the server's own machine none is needed unless the server says so."},
	}
	config.Security = []map[string][]string{{"key": {}}, {}}
	group := s.engine.Group("")
	group.Use(func(c *gin.Context) {
		if c.FullPath() == "/openapi.json" || c.FullPath() == "/openapi.yaml" {
			return
		}
		s.authenticate(c)
	})
	service := humagin.NewWithGroup(s.engine, group, config)
	s.collectionRoutes(service)
	s.fingerprintRoutes(service)
	s.documentRoutes(service)
	s.upkeepRoutes(service)
	s.jobRoutes(service)
	s.searchRoutes(service)
	s.askRoutes(service)
	s.chatRoutes(service, group)
	s.uploadRoutes(service, group)
	s.textRoutes(service, group)
	s.batchRoutes(service, group)
	s.eventRoutes(service, group)
	s.chunkRoutes(service)
	s.toolRoutes(service, group)
	s.compatible(service, group)
	nameVerbs(service.OpenAPI())
	settleDocument(service.OpenAPI())
	s.docsPage()
}

// register adds an operation whose errors become problems.
func register[In, Out any](s *Server, service huma.API, op huma.Operation, handle func(context.Context, *In) (*Out, error)) {
	op.Path = apiBase + op.Path
	op.MaxBodyBytes, op.BodyReadTimeout = maxJSON, bodyTimeout
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusInternalServerError, http.StatusServiceUnavailable)
	huma.Register(service, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := handle(ctx, in)
		if err == nil {
			return out, nil
		}
		c, ok := ctx.Value(keyGin).(*gin.Context)
		if !ok {
			return nil, err
		}
		return nil, &problemError{s.finish(c, err)}
	})
}

// CollectionPath names a collection in a path.
type CollectionPath struct {
	Collection string `path:"collection" doc:"Name of the collection." maxLength:"100"`
}

// DocumentPath names a document in a path.
type DocumentPath struct {
	CollectionPath
	Document string `path:"document" doc:"Your id of the document, or the one it was given; slashes written as %2F." maxLength:"512"`
}

// Waiting lets a client wait for jobs.
type Waiting struct {
	Wait string `query:"wait" doc:"How long to wait for the job to end, such as 30s; at most 5m." example:"30s" pattern:"^(0|([0-9]{1,5}(\\.[0-9]{1,9})?(ms|s|m|h)){1,4})$" patternDescription:"a time such as 30s"`
}

// waitSchema is that of Waiting's parameter, for routes that are described by hand.
func waitSchema(schemas huma.Registry) *huma.Schema {
	field, _ := reflect.TypeFor[Waiting]().FieldByName("Wait")
	return huma.SchemaFromField(schemas, field, "")
}

// maxWait bounds how long a request may wait for jobs.
const maxWait = 5 * time.Minute

// duration reads a wait parameter.
func (w Waiting) duration() (time.Duration, error) {
	if w.Wait == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(w.Wait)
	if err != nil || d < 0 {
		return 0, rag.Invalid("?wait", "wait must be a time such as 30s, not %q", w.Wait)
	}
	return min(d, maxWait), nil
}

// awaitJobs waits for jobs until they are over or the time is; the jobs come as they stand then.
func (s *Server) awaitJobs(ctx context.Context, ids []rag.JobID, wait time.Duration) (map[rag.JobID]rag.Job, error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	jobs := make(map[rag.JobID]rag.Job, len(ids))
	for _, id := range ids {
		job, err := s.deps.Jobs.WaitJob(limited, tenant(ctx), id)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && limited.Err() == nil {
			return nil, fmt.Errorf("wait for job %d: %w", id, err)
		}
		jobs[id] = job
	}
	return jobs, nil
}
