package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// fault is what a database's error means for the one who asked.
type fault int

const (
	faultNone     fault = iota // nothing that waiting would mend
	faultBusy                  // another transaction was in the way for too long
	faultConflict              // the transaction clashed with another, left nothing, and may be repeated at once
	faultGone                  // the database can't be reached now
	faultFull                  // its disk is full
)

// faultOf judges an error of either database.
func faultOf(err error) fault {
	if f := sqliteFault(err); f != faultNone {
		return f
	}
	if rag.FullDisk(err) {
		return faultFull
	}
	return postgresFault(err)
}

// unavailable adds the operation to an error, and the kind to what will pass: a database that is busy or away, or a
// full disk.
func unavailable(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, err)
	switch faultOf(err) {
	case faultBusy, faultConflict, faultGone:
		return rag.Unavailable("catalog", err)
	case faultFull:
		return rag.NoSpace("the catalog", err)
	}
	return err
}

// pause waits for d or for the end of ctx, whichever is first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
