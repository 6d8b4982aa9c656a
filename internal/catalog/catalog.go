// Package catalog is what redkite knows for certain: collections, documents and their versions, chunks, jobs and API
// keys, in SQLite. Milvus is derived from it and can be rebuilt.
//
//	upload  -> one transaction: document, version, job, River job        (put.go)
//	worker  -> claim with a fence -> chunk rows -> publish -> forget      (queue.go, chunks.go, publish.go)
//	query   -> chunk ids -> live rows only                                (live.go)
//
// River wakes workers, in the same database and the same transaction as the job it stands for. The row in jobs decides:
// every write of a worker checks that its fence is still the job's, in the transaction that writes.
//
// Several processes may open one file. Each has one connection that writes and a pool that reads.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// busyTimeout is how long a statement waits for another process's transaction. The longest transaction here writes
	// one document's chunks, well under a second; with several workers a wait may be a few of those.
	busyTimeout = 15 * time.Second
	// readConnections is enough for concurrent queries: a read takes under a millisecond.
	readConnections = 8
)

// Config says where the catalog is.
type Config struct {
	Path  string           // of the SQLite file; its folder must exist
	Queue QueueConfig      // zero fields take their defaults
	Now   func() time.Time // time.Now when nil
}

// Catalog is an open catalog. It is safe for concurrent use.
type Catalog struct {
	write *sql.DB // one connection, which River shares
	read  *sql.DB
	river *river.Client[*sql.Tx] // inserts only
	queue QueueConfig
	now   func() time.Time
	log   *slog.Logger
	ends  *ends
	touch sync.WaitGroup // last-used marks of keys being written
}

// Open opens the catalog, and makes the file where there is none; Migrate then brings its tables up to date. A schema
// newer than this program is refused.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Catalog, error) {
	log = log.With("component", "catalog")
	write, err := openWriter(ctx, cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", cfg.Path, err)
	}
	read, err := sql.Open("sqlite", dsn(cfg.Path, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog %s: %w", cfg.Path, err), write.Close())
	}
	read.SetMaxOpenConns(readConnections)
	read.SetMaxIdleConns(readConnections)
	c := &Catalog{write: write, read: read, queue: cfg.Queue.withDefaults(), now: cfg.Now, log: log, ends: newEnds()}
	if c.now == nil {
		c.now = time.Now
	}
	if err := c.checkSchema(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.river, err = river.NewClient(riversqlite.New(write), &river.Config{Logger: riverLogger(log), PollOnly: true})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open queue: %w", err), c.Close())
	}
	return c, nil
}

// openWriter opens the one connection that writes and puts the file into WAL mode. That switch alone does not wait for
// other connections, so it is repeated while another process does the same.
func openWriter(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(0)
	for deadline := time.Now().Add(busyTimeout); ; {
		err = db.PingContext(ctx)
		if err == nil || !isBusy(err) || time.Now().After(deadline) {
			break
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// dsn names a SQLite file with its pragmas. A transaction takes the write lock when it begins, so that it waits then
// and not, in vain, at its first write.
func dsn(path string, pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}, "_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())}, "_pragma": pragmas}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Close waits for writes under way and closes the file. Run must have returned.
func (c *Catalog) Close() error {
	c.touch.Wait()
	return errors.Join(c.read.Close(), c.write.Close())
}

// Ping reports whether the catalog can be read.
func (c *Catalog) Ping(ctx context.Context) error {
	var one int
	if err := c.read.QueryRowContext(ctx, `SELECT 1 FROM collections UNION SELECT 1`).Scan(&one); err != nil {
		return unavailable("ping catalog", err)
	}
	return nil
}

// inTx runs fn in one write transaction.
func (c *Catalog) inTx(ctx context.Context, what string, fn func(*sql.Tx) error) error {
	tx, err := c.write.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(what, err)
	}
	if err := fn(tx); err != nil {
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, rollback)
		}
		return unavailable(what, err)
	}
	if err := tx.Commit(); err != nil {
		return unavailable(what, err)
	}
	return nil
}

// unavailable adds the operation to an error, and the kind to what will pass: a busy file or a full disk.
func unavailable(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, err)
	var e *sqlite.Error
	switch {
	case isBusy(err):
		return rag.Unavailable("catalog", err)
	case errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL:
		return &rag.Problem{
			Kind: rag.ErrUnavailable, Code: "disk_full", Err: err, RetryAfter: time.Minute,
			Message: "the disk that holds the catalog is full; free some space and try again",
		}
	}
	return err
}

func isBusy(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
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
