package catalog

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/redkite/redkite/internal/rag"
)

// TestFullDisk is what every layer says of a full disk: one kind and code for the client, and a job that meets it waits.
// SQLite's own error needs a real full disk: TestChaosFullDisk in internal/app.
func TestFullDisk(t *testing.T) {
	for name, err := range map[string]error{
		"PostgreSQL":       &pgconn.PgError{Code: "53100"},
		"operating system": &os.PathError{Op: "write", Path: "catalog.db", Err: syscall.ENOSPC},
		"quota":            fmt.Errorf("write: %w", syscall.EDQUOT),
	} {
		got := unavailable("put a document", err)
		var problem *rag.Problem
		if !errors.Is(got, rag.ErrNoSpace) || !errors.As(got, &problem) || problem.Code != "disk_full" {
			t.Errorf("%s: got %v", name, got)
		}
		if o := outcomeOf(got, nil); o.kind != outcomeWait {
			t.Errorf("%s: a job's outcome is %v", name, o)
		}
	}
	if o := outcomeOf(&os.PathError{Op: "write", Path: "cache", Err: syscall.ENOSPC}, nil); o.kind != outcomeWait {
		t.Errorf("a worker's own full disk: %v", o)
	}
	if got := unavailable("put a document", &pgconn.PgError{Code: "53200"}); errors.Is(got, rag.ErrNoSpace) {
		t.Errorf("memory that is short counts as a full disk: %v", got)
	}
}
