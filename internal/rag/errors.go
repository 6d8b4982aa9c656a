package rag

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// The kinds of error. Every error that a user may cause or should understand wraps one of them; anything else is
// internal. One table in httpapi maps them to HTTP.
var (
	ErrInvalid      = errors.New("invalid request")
	ErrUnauthorized = errors.New("not authorized")
	ErrForbidden    = errors.New("forbidden")
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("conflict")
	ErrTooLarge     = errors.New("too large")
	ErrUnsupported  = errors.New("unsupported media type")
	ErrUnavailable  = errors.New("temporarily unavailable")           // a service is down: try again later
	ErrNoSpace      = fmt.Errorf("no space left, %w", ErrUnavailable) // a disk is full; what waits for a service waits for this too
	ErrOverloaded   = errors.New("overloaded")                        // too much at once: try again later
	ErrYield        = errors.New("lets others go first")              // the work goes on later, at once where nobody waits
	ErrUpstream     = errors.New("upstream failed")                   // a service that is not ours, such as the LLM, failed
	ErrNotSetUp     = errors.New("not set up")                        // the server's settings leave this out
	ErrDenseOnly    = errors.New("holds no term vectors")             // the index can't search lexically
	ErrStale        = errors.New("stale")                             // the writer lost its claim and must stop
)

// Problem is an error with a kind, a machine code, and a message for the user: what happened, to what, what to do.
type Problem struct {
	Kind       error // one of the sentinels above
	Code       string
	Message    string
	Pointer    string        // JSON pointer to the offending part of a request body, if one is to blame
	Document   string        // the client's id of the document that stands in the way, if one does
	RetryAfter time.Duration // when trying again makes sense; 0 where unknown
	Err        error         // the cause, not shown to the user; may be nil
}

// Error gives the message and the cause.
func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Message, p.Err)
	}
	return p.Message
}

// Unwrap lets errors.Is find the kind and the cause.
func (p *Problem) Unwrap() []error {
	if p.Err != nil {
		return []error{p.Kind, p.Err}
	}
	return []error{p.Kind}
}

// Invalid makes a Problem of kind ErrInvalid that points into the request body.
func Invalid(pointer, format string, args ...any) *Problem {
	return &Problem{Kind: ErrInvalid, Code: "invalid", Pointer: pointer, Message: fmt.Sprintf(format, args...)}
}

// NotFound makes a Problem of kind ErrNotFound.
func NotFound(format string, args ...any) *Problem {
	return &Problem{Kind: ErrNotFound, Code: "not_found", Message: fmt.Sprintf(format, args...)}
}

// Unavailable makes a Problem of kind ErrUnavailable for a service that can be expected back.
func Unavailable(service string, err error) *Problem {
	return &Problem{
		Kind: ErrUnavailable, Code: service + "_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Message: service + " can't be reached now; try again in a few seconds",
	}
}

// NoSpace makes a Problem of kind ErrNoSpace for the full disk of a service, such as "the catalog".
func NoSpace(service string, err error) *Problem {
	return &Problem{
		Kind: ErrNoSpace, Code: "disk_full", RetryAfter: time.Minute, Err: err,
		Message: "the disk that holds " + service + " is full and nothing of this request was kept; free some space, then send it again",
	}
}

// FullDisk reports whether the operating system said that a disk, or the quota on it, is full.
func FullDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// FailureOf turns an error into what is kept with a job or document: a Problem's code and message, or "internal".
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	var p *Problem
	if errors.As(err, &p) {
		return &Failure{Code: p.Code, Message: p.Message}
	}
	return &Failure{Code: "internal", Message: err.Error()}
}
