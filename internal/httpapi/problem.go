package httpapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// statusClientGone is what nginx calls a request whose client did not wait; nobody sees it but the log and metrics.
const statusClientGone = 499

// statuses is the one table from kinds of error to HTTP.
func statuses() []struct {
	kind   error
	status int
	code   string
} {
	return []struct {
		kind   error
		status int
		code   string
	}{
		{rag.ErrInvalid, http.StatusBadRequest, "invalid"},
		{rag.ErrUnauthorized, http.StatusUnauthorized, "unauthorized"},
		{rag.ErrForbidden, http.StatusForbidden, "forbidden"},
		{rag.ErrNotFound, http.StatusNotFound, "not_found"},
		{rag.ErrConflict, http.StatusConflict, "conflict"},
		{rag.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large"},
		{rag.ErrUnsupported, http.StatusUnsupportedMediaType, "unsupported"},
		{rag.ErrOverloaded, http.StatusTooManyRequests, "overloaded"},
		{rag.ErrNoSpace, http.StatusInsufficientStorage, "disk_full"}, // before ErrUnavailable, which it is too
		{rag.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{rag.ErrUpstream, http.StatusBadGateway, "upstream_failed"},
		{rag.ErrNotSetUp, http.StatusNotImplemented, "not_set_up"},
		{context.DeadlineExceeded, http.StatusGatewayTimeout, "deadline_exceeded"},
		{context.Canceled, statusClientGone, "client_gone"},
	}
}

// statusOf gives the status and code of an error; what has no kind is 500.
func statusOf(err error) (int, string) {
	for _, entry := range statuses() {
		if errors.Is(err, entry.kind) {
			return entry.status, entry.code
		}
	}
	return http.StatusInternalServerError, "internal"
}

// problemOf writes an error for the client: a Problem's own words, or general ones where the error is not for users.
func problemOf(err error) api.Problem {
	status, code := statusOf(err)
	p := api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code}
	switch status {
	case http.StatusInternalServerError:
		p.Detail = "something went wrong in the server; its log has the details under this request id"
	case http.StatusGatewayTimeout:
		p.Detail = "the time for this request ran out; try again, or allow more with deadline_ms"
	case statusClientGone:
		p.Title, p.Detail = "Client Closed Request", "the client did not wait for the answer"
	default:
		p.Detail = err.Error()
	}
	var problem *rag.Problem
	if status != http.StatusInternalServerError && errors.As(err, &problem) {
		p.Detail, p.RetryAfter = problem.Message, int(math.Ceil(problem.RetryAfter.Seconds()))
		if problem.Code != "" {
			p.Code = problem.Code
		}
		if problem.Pointer != "" {
			p.Errors = []api.ProblemDetail{{Pointer: problem.Pointer, Detail: problem.Message}}
		}
	}
	if p.RetryAfter == 0 && (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		p.RetryAfter = 1
	}
	return p
}

// fail ends a request with an error.
func (s *Server) fail(c *gin.Context, err error) {
	status, _ := statusOf(err)
	s.render(c, status, err)
}

func (s *Server) render(c *gin.Context, status int, err error) {
	p := s.finish(c, err)
	p.Status, p.Title = status, http.StatusText(status)
	f := askedFamily(c)
	status, body := f.body(p)
	if f == familyNative {
		c.Header("Content-Type", "application/problem+json")
	}
	c.AbortWithStatusJSON(status, body)
}

// finish makes the problem of a request's error, sets its headers, and logs it where it is ours.
func (s *Server) finish(c *gin.Context, err error) api.Problem {
	p := problemOf(err)
	p.Instance, p.RequestID = asked(c.Request), requestID(c)
	var problem *rag.Problem
	if errors.As(err, &problem) && problem.Document != "" {
		p.DocumentID = problem.Document
		p.DocumentURL = apiBase + "/collections/" + url.PathEscape(c.Param("collection")) + "/documents/" + url.PathEscape(problem.Document)
	}
	if p.RetryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Bearer realm="redkite"`)
	}
	switch {
	case p.Status == statusClientGone:
	case p.Status >= http.StatusInternalServerError:
		s.log.ErrorContext(c.Request.Context(), "request failed", "request_id", p.RequestID, "status", p.Status, "error", err)
	default:
		s.log.InfoContext(c.Request.Context(), "request refused", "request_id", p.RequestID, "status", p.Status, "code", p.Code, "detail", p.Detail)
	}
	return p
}

// problemError is a finished problem as huma wants its errors.
type problemError struct{ api.Problem }

func (p *problemError) Error() string             { return p.Detail }
func (p *problemError) GetStatus() int            { return p.Status }
func (p *problemError) ContentType(string) string { return "application/problem+json" }

// humaErrors makes huma write our problems. It is the library's own hook, a variable of its package; the errors it is
// called with are those that huma finds in a request before a handler sees it.
func (s *Server) humaErrors() {
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		problem := &rag.Problem{Kind: kindOf(status), Code: "invalid", Message: message}
		var details []api.ProblemDetail
		for _, err := range errs {
			var detail huma.ErrorDetailer
			if errors.As(err, &detail) {
				details = append(details, problemDetail(detail.ErrorDetail()))
			} else if err != nil {
				problem.Err = errors.Join(problem.Err, err)
			}
		}
		if len(details) > 0 {
			problem.Message = strings.TrimSuffix(details[0].Detail+" at "+details[0].Pointer, " at ")
		}
		if ctx == nil {
			return &problemError{problemOf(problem)}
		}
		p := s.finish(humagin.Unwrap(ctx), problem)
		p.Errors = details
		return &problemError{p}
	}
}

// problemDetail is one thing that huma found. Of what could not be decoded it knows no place: format has put that behind.
func problemDetail(d *huma.ErrorDetail) api.ProblemDetail {
	if at := strings.LastIndex(d.Message, placed+"/"); at > 0 && d.Location == "body" {
		return api.ProblemDetail{Pointer: d.Message[at+len(placed):], Detail: d.Message[:at]}
	}
	return api.ProblemDetail{Pointer: pointer(d.Location), Detail: d.Message}
}

// kindOf gives the kind of a status that huma chose; its 422 is our 400.
func kindOf(status int) error {
	for _, entry := range statuses() {
		if entry.status == status {
			return entry.kind
		}
	}
	if status >= http.StatusInternalServerError {
		return errors.New("huma")
	}
	return rag.ErrInvalid
}

// pointer turns huma's "body.filters[0].type" into a JSON pointer; a query or path parameter becomes "?name".
func pointer(location string) string {
	body, ok := strings.CutPrefix(location, "body")
	if !ok {
		if _, name, found := strings.Cut(location, "."); found {
			return "?" + name
		}
		return location
	}
	return strings.ReplaceAll(strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(body), "//", "/")
}
