package parse

import (
	"context"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// grace is how long a parser may go on after its context has ended: a job that is canceled stops within 2 s.
	grace = time.Second
	// mostLeft is how many parsers that did not stop may run on; each holds memory and a core.
	mostLeft = 2
)

// Stuck is nil, or a rag.Problem of kind rag.ErrUnavailable where so many parsers were left behind that no other is
// started until one of them ends, or the process is started anew.
func (r *Registry) Stuck() error {
	n := r.left.Load()
	if n < mostLeft {
		return nil
	}
	return &rag.Problem{
		Kind: rag.ErrUnavailable, Code: "parsers_stuck", RetryAfter: time.Minute,
		Message: fmt.Sprintf("%d parsers did not stop when their time was up and still run; nothing is parsed here until one ends, or the worker is restarted", n),
	}
}

// outcome is how a parser ended.
type outcome struct {
	found rag.Findings
	err   error
}

// await runs a parser beside the one who takes its windows. A parser that is deep in a library which knows no context is
// left behind: it ends at some time, and what it makes is dropped.
func (r *Registry) await(ctx context.Context, take func(rag.Window) error, parse func(context.Context, func(rag.Window) error) (rag.Findings, error)) (rag.Findings, error) {
	parsing, cancel := context.WithCancel(ctx)
	defer cancel()
	windows, over := make(chan rag.Window), make(chan outcome, 1)
	go func() {
		found, err := parse(parsing, func(w rag.Window) error {
			select {
			case windows <- w:
				return nil
			case <-parsing.Done():
				return parsing.Err()
			}
		})
		over <- outcome{found, err}
	}()
	for {
		select {
		case w := <-windows:
			if err := take(w); err != nil {
				cancel()
				r.leave(over)
				return rag.Findings{}, err
			}
		case o := <-over:
			return o.found, o.err
		case <-ctx.Done():
			if o, ended := r.leave(over); ended && o.err != nil {
				return rag.Findings{}, o.err
			}
			return rag.Findings{}, ctx.Err()
		}
	}
}

// leave waits for the end of a parser whose context has ended, and leaves it behind where it does not come.
func (r *Registry) leave(over <-chan outcome) (outcome, bool) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case o := <-over:
		return o, true
	case <-timer.C:
	}
	r.left.Add(1)
	go func() {
		<-over
		r.left.Add(-1)
	}()
	return outcome{}, false
}
