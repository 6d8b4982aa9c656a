package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/redkite/redkite/internal/api"
)

// operations are the routes that probes, scrapers and operators use; they need no key, and without one tell nothing of the data.
func (s *Server) operations() {
	s.engine.GET("/livez", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	s.engine.GET("/readyz", s.ready)
	s.engine.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})))
	s.engine.GET("/version", func(c *gin.Context) {
		c.JSON(http.StatusOK, api.Version{Version: s.options.Version, Go: runtime.Version()})
	})
}

// checkTimeout bounds each readiness check.
const checkTimeout = 3 * time.Second

// ready runs the checks: 200 where all pass, else 503. With ?verbose each has its line.
func (s *Server) ready(c *gin.Context) {
	status := http.StatusOK
	lines := make([]string, len(s.deps.Checks))
	done := make(chan struct{}, len(lines))
	failures := make([]error, len(lines))
	ctx := s.known(c.Request)
	for i, check := range s.deps.Checks {
		go func() {
			defer func() { done <- struct{}{} }()
			lines[i], failures[i] = runCheck(ctx, check)
		}()
	}
	for range lines {
		<-done
	}
	if err := errors.Join(failures...); err != nil {
		status = http.StatusServiceUnavailable
		c.Header("Retry-After", "5")
	}
	if _, verbose := c.GetQuery("verbose"); verbose {
		c.String(status, strings.Join(lines, ""))
		return
	}
	c.String(status, map[bool]string{true: "ready\n", false: "not ready; /readyz?verbose says why\n"}[status == http.StatusOK])
}

// known is a request's context with who asks: probes have no key, and are told of nobody's data.
func (s *Server) known(r *http.Request) context.Context {
	if !s.options.API {
		return r.Context()
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	who, err := s.principal(r.WithContext(ctx))
	if err != nil {
		return r.Context()
	}
	return context.WithValue(r.Context(), keyPrincipal, who)
}

func runCheck(ctx context.Context, check Check) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	detail, err := check.Run(ctx)
	if err != nil {
		return fmt.Sprintf("fail %s: %v\n", check.Name, err), err
	}
	return fmt.Sprintf("ok   %s: %s\n", check.Name, detail), nil
}
