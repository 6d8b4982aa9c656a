package httpapi

import (
	"context"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// fewRuns is how many runs of an encoder a request may take that counts like a search. One that takes more waits for
	// its turn among its like: searches share the encoders with two of those at most, whatever is asked of the server.
	fewRuns  = 64
	bigTurns = 2
)

// turns hand out the right to use the encoders.
type turns struct {
	few chan struct{} // a token for each search or small request
	big chan struct{} // a token for each big one at work
	all chan struct{} // and for each big one that is at work or waits
}

func newTurns(searches chan struct{}) turns {
	return turns{few: searches, big: make(chan struct{}, bigTurns), all: make(chan struct{}, cap(searches))}
}

// take waits for a turn of so many runs. Where too many wait already it is rag.ErrOverloaded.
func (t turns) take(ctx context.Context, runs int) (done func(), err error) {
	line := t.few
	if runs > fewRuns {
		line = t.all
	}
	select {
	case line <- struct{}{}:
	default:
		return nil, &rag.Problem{Kind: rag.ErrOverloaded, Code: "too_many_requests", RetryAfter: time.Second, Message: "too many requests are waiting for the encoders; try again in a second"}
	}
	if runs <= fewRuns {
		return func() { <-t.few }, nil
	}
	select {
	case t.big <- struct{}{}:
		return func() { <-t.big; <-t.all }, nil
	case <-ctx.Done():
		<-t.all
		return nil, ctx.Err()
	}
}
