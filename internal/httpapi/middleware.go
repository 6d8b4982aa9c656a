package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/rag"
)

// headerRequestID carries a request's id in and out.
const headerRequestID = "X-Request-Id"

type contextKey int

const (
	keyPrincipal contextKey = iota
	keyGin
	keyAsked
)

func requestID(c *gin.Context) string { return c.Writer.Header().Get(headerRequestID) }

// idCharacters are those that a client's own request id may have to be taken over into the log.
const idCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// saneID says which ids of a client's own are taken over: up to 64 of idCharacters.
func saneID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, idCharacters) == ""
}

// observe gives each request its id, counts and times it, and writes one log line; probes and scrapes write none.
func (s *Server) observe(c *gin.Context) {
	id := c.GetHeader(headerRequestID)
	if !saneID(id) {
		id = rand.Text()
	}
	c.Header(headerRequestID, id)
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), keyGin, c))
	began := time.Now()
	c.Next()
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	took := time.Since(began)
	s.metrics.observe(route, c.Request.Method, c.Writer.Status(), took)
	if !served(route) {
		return
	}
	s.log.InfoContext(c.Request.Context(), "request", "request_id", id, "method", c.Request.Method, "path", asked(c.Request),
		"status", c.Writer.Status(), "ms", took.Milliseconds(), "bytes", c.Writer.Size())
}

// recover turns a panic into a 500.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			panic(cause)
		}
		s.fail(c, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
	}()
	c.Next()
}

// secure sets the headers that keep browsers from guessing, framing, and keeping.
func secure(c *gin.Context) {
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
	if served(c.Request.URL.Path) {
		c.Header("Cache-Control", "no-store")
	}
	c.Next()
}

// authenticate settles who asks. A key decides; without one, a request that comes from this machine, names this machine
// as its host, and was not sent by some web page is the local operator's.
func (s *Server) authenticate(c *gin.Context) {
	principal, err := s.principal(c.Request)
	if err == nil {
		err = checkScope(c, principal)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), keyPrincipal, principal))
	c.Next()
}

func (s *Server) principal(r *http.Request) (rag.Principal, error) {
	if p := principalOf(r.Context()); p.Tenant != "" { // a request from inside, for somebody who was asked already
		return p, nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") || secret == "" {
			return rag.Principal{}, unauthorized("send the key as 'Authorization: Bearer <key>'")
		}
		return s.deps.Keys.Authenticate(r.Context(), strings.TrimSpace(secret))
	}
	switch {
	case !s.options.LoopbackWithoutKey || !isLoopback(r.RemoteAddr):
		return rag.Principal{}, unauthorized("this request needs an API key: 'Authorization: Bearer <key>'; 'redkite keys create' makes one")
	case !isLoopback(r.Host): // a page that made its name point here
		return rag.Principal{}, unauthorized("without an API key, this server answers to localhost only, not to " + r.Host)
	case fromPage(r):
		return rag.Principal{}, unauthorized("without an API key, web pages of other sites may not ask")
	}
	return rag.Principal{Tenant: rag.DefaultTenant}, nil
}

func unauthorized(message string) error {
	return &rag.Problem{Kind: rag.ErrUnauthorized, Code: "unauthorized", Message: message}
}

// isLoopback reports whether a host, with or without port, is this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// fromPage reports whether a page of another site sent the request.
func fromPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// tenant is whose data a request may see.
func tenant(ctx context.Context) string { return principalOf(ctx).Tenant }

// Tenant is whose data a check of readiness may name: "" is nobody's.
func Tenant(ctx context.Context) string { return tenant(ctx) }

// principalOf is who asks: nobody, of no tenant, before that is settled.
func principalOf(ctx context.Context) rag.Principal {
	p, _ := ctx.Value(keyPrincipal).(rag.Principal)
	return p
}
