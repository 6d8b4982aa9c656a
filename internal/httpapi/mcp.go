package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// mcpPath is where MCP is spoken.
const mcpPath = "/mcp"

// maxMCP bounds one MCP message; a document's text is the longest thing in one.
const maxMCP = 4 << 20

// Caller is who speaks MCP.
type Caller struct {
	Native   http.RoundTripper // asks the native API as this caller, inside this process
	MayWrite bool              // the caller has a key, and that may write
}

// Tools answer MCP messages.
type Tools interface {
	ServeTools(w http.ResponseWriter, r *http.Request, by Caller)
}

// toolRoutes adds MCP, and the route that tells a client what its key may do.
func (s *Server) toolRoutes(service huma.API, group *gin.RouterGroup) {
	register(s, service, huma.Operation{
		OperationID: "get-key", Method: http.MethodGet, Path: "/key", Summary: "Show who asks, and what they may do", Tags: []string{"keys"},
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body api.Access }, error) {
		p := principalOf(ctx)
		out := api.Access{Tenant: p.Tenant, KeyID: p.Key, Scope: p.Scope}
		if p.MayWrite() {
			out.Scope = rag.ScopeWrite
		}
		return &struct{ Body api.Access }{out}, nil
	})
	if s.deps.Tools == nil {
		return
	}
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		group.Handle(method, mcpPath, s.tools)
	}
}

// tools hands an MCP message on, read whole. Without a key the local operator may ask, but not write: a model that reads
// documents should not get that without somebody's doing.
func (s *Server) tools(c *gin.Context) {
	body, err := readWhole(c, maxMCP)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	p := principalOf(c.Request.Context())
	s.deps.Tools.ServeTools(c.Writer, c.Request, Caller{Native: inside{s, p, requestID(c)}, MayWrite: p.Key != "" && p.MayWrite()})
}

// readWhole reads a body of at most limit bytes, for which the client has bodyTimeout.
func readWhole(c *gin.Context, limit int64) ([]byte, error) {
	controller := http.NewResponseController(c.Writer)
	if err := controller.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("bound the time of a body: %w", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_large", Message: fmt.Sprintf("the message is longer than the %d bytes that are taken", limit)}
	case err != nil:
		return nil, rag.Invalid("", "the message broke off: %v", err)
	}
	if err := controller.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("end the time of a body: %w", err)
	}
	return body, nil
}

// inside sends requests to the server's own handler as a caller, over no network: what the native API checks, limits,
// counts and logs is done for them too.
type inside struct {
	server    *Server
	principal rag.Principal
	requestID string
}

// RoundTrip implements http.RoundTripper.
func (i inside) RoundTrip(r *http.Request) (_ *http.Response, err error) {
	defer func() {
		if cause := recover(); cause != nil { // http.ErrAbortHandler, which the server's own recovery lets pass
			err = fmt.Errorf("%s %s broke off: %v", r.Method, r.URL.Path, cause)
		}
	}()
	r = r.Clone(context.WithValue(r.Context(), keyPrincipal, i.principal))
	r.Header.Set(headerRequestID, i.requestID)
	r.RequestURI = r.URL.RequestURI()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := &heldAnswer{header: http.Header{}}
	i.server.Handler().ServeHTTP(answer, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.status, Status: fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.header, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: r,
	}, nil
}

// heldAnswer keeps an answer in memory.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *heldAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *heldAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *heldAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// Flush implements http.Flusher, which gin takes for granted.
func (a *heldAnswer) Flush() { a.WriteHeader(http.StatusOK) }
