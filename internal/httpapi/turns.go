package httpapi

import (
	"context"
	"time"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

const (
	// fewRuns is how many runs of an encoder a request may take that counts like a search, and runs beside searches. One
	// that takes more waits for its turn among its like, and runs on the batch lane as ingestion does: searches go first.
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

// take waits for a turn of so many runs, and says on which lane. Where too many wait already it is rag.ErrOverloaded.
func (t turns) take(ctx context.Context, runs int) (lane encode.Lane, done func(), err error) {
	line := t.few
	if runs > fewRuns {
		line = t.all
	}
	select {
	case line <- struct{}{}:
	default:
		return 0, nil, &rag.Problem{Kind: rag.ErrOverloaded, Code: "too_many_requests", RetryAfter: time.Second, Message: "too many requests are waiting for the encoders; try again in a second"}
	}
	if runs <= fewRuns {
		return encode.InteractiveLane, func() { <-t.few }, nil
	}
	select {
	case t.big <- struct{}{}:
		return encode.BatchLane, func() { <-t.big; <-t.all }, nil
	case <-ctx.Done():
		<-t.all
		return 0, nil, ctx.Err()
	}
}
