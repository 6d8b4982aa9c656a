package model

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// transient marks an error that another try may not meet; after is how long the hub asks to wait.
type transient struct {
	err   error
	after time.Duration
}

func (t *transient) Error() string { return t.err.Error() }
func (t *transient) Unwrap() error { return t.err }

func retryable(err error) error { return &transient{err: err} }

// retry tries again with growing pauses, until Retries tries in a row brought nothing. try says whether it got on.
func (h *hub) retry(ctx context.Context, try func(context.Context) (progress bool, err error)) error {
	pause := h.options.Backoff
	for failures := 0; ; {
		progress, err := try(ctx)
		var t *transient
		if err == nil || !errors.As(err, &t) || ctx.Err() != nil {
			return err
		}
		if progress {
			failures, pause = 0, h.options.Backoff
		}
		if failures++; failures > h.options.Retries {
			return &rag.Problem{Kind: rag.ErrUnavailable, Code: "model_hub_unavailable", Err: t.err, Message: fmt.Sprintf(
				"the hub %s can't be reached or breaks off; what was fetched is kept, try again later", h.endpoint.Host)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(pause, min(t.after, time.Minute))):
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// statusError says what a hub's refusal means; what is what was asked for.
func statusError(res *http.Response, what string) error {
	host := res.Request.URL.Host
	switch code := res.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return &rag.Problem{Kind: rag.ErrForbidden, Code: "model_hub_refused", Message: fmt.Sprintf(
			"%s refuses %s (HTTP %d): it doesn't exist, or is private or gated; check the name, or give an access token", host, what, code)}
	case code == http.StatusNotFound:
		return &rag.Problem{Kind: rag.ErrNotFound, Code: "model_hub_not_found", Message: fmt.Sprintf(
			"%s has no %s; check owner, name and revision", host, what)}
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			seconds = 0
		}
		return &transient{err: fmt.Errorf("%s answers HTTP %d", host, code), after: time.Duration(min(seconds, 60)) * time.Second}
	default:
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "model_hub", Message: fmt.Sprintf(
			"%s answers HTTP %d for %s", host, code, what)}
	}
}
