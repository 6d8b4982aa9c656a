// Package catalog is what redkite knows for certain: collections, documents and their versions, chunks, jobs and API
// keys, in SQLite or PostgreSQL. Milvus is derived from it and can be rebuilt.
//
//	upload  -> one transaction: document, version, job, River job        (put.go)
//	worker  -> claim with a fence -> chunk rows -> publish -> forget      (queue.go, chunks.go, publish.go)
//	query   -> chunk ids -> live rows only                                (live.go)
//
// River wakes workers, in the same database and the same transaction as the job it stands for. The row in jobs decides:
// every write of a worker checks that its fence is still the job's, in the transaction that writes.
//
// Several processes may open one database. What differs between the two is in dialect.go, sqlite.go and postgres.go.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

const (
	// busyTimeout is how long a statement waits for another process's transaction. The longest transaction here writes
	// one document's chunks, well under a second; with several workers a wait may be a few of those.
	busyTimeout = 15 * time.Second
	// readConnections is enough for concurrent queries: a read takes under a millisecond.
	readConnections = 8
	// transactionLimit ends a transaction whose database does not answer any more. The longest one that works writes a
	// thousand uploads, some seconds.
	transactionLimit = 2 * time.Minute
	// aloneAfter is how often a transaction is repeated among others before it asks to run alone.
	aloneAfter = 4
)

// Config says where the catalog is.
type Config struct {
	Path  string           // of the SQLite file; its folder must exist
	URL   string           // of a PostgreSQL database, postgres://...; Path counts where it is empty
	Queue QueueConfig      // zero fields take their defaults
	Now   func() time.Time // the database's clock when nil
}

// Catalog is an open catalog. It is safe for concurrent use.
type Catalog struct {
	write *database // River shares it
	read  *database
	river *river.Client[*sql.Tx] // inserts only
	queue QueueConfig
	now   func() time.Time
	ahead atomic.Int64 // nanoseconds by which the database's clock is ahead of ours
	log   *slog.Logger
	ends  *ends
	// revoked holds a token when a claim of this process may have been ended by it.
	revoked  chan struct{}
	counting chan struct{}  // a token: who holds it may change term frequencies
	touch    sync.WaitGroup // last-used marks of keys being written
}

// Open opens the catalog, and makes the file where there is none; Migrate then brings its tables up to date. A schema
// newer than this program is refused.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Catalog, error) {
	d, err := dialectOf(cfg)
	if err != nil {
		return nil, err
	}
	write, read, err := d.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	c := &Catalog{
		write: &database{write, d}, read: &database{read, d}, queue: cfg.Queue.withDefaults(), now: cfg.Now,
		log: log.With("component", "catalog"), ends: newEnds(), revoked: make(chan struct{}, 1),
		counting: make(chan struct{}, 1),
	}
	if c.now == nil {
		c.now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
	}
	if err := errors.Join(c.setClock(ctx), c.checkSchema(ctx)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.river, err = river.NewClient(d.queue(write), &river.Config{Logger: riverLogger(c.log), PollOnly: true})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open queue: %w", err), c.Close())
	}
	return c, nil
}

func dialectOf(cfg Config) (*dialect, error) {
	switch {
	case cfg.URL == "":
		return sqliteDialect(cfg.Path), nil
	case strings.HasPrefix(cfg.URL, "postgres://"), strings.HasPrefix(cfg.URL, "postgresql://"):
		return postgresDialect(cfg.URL)
	}
	return nil, rag.Invalid("", "setting catalog-url begins with postgres://, or is empty for SQLite in the data folder")
}

// setClock finds how far the database's clock is ahead, so that leases of several hosts run by one clock.
func (c *Catalog) setClock(ctx context.Context) error {
	if c.write.clock == nil {
		return nil
	}
	asked := time.Now()
	theirs, err := c.write.clock(ctx, c.write.DB)
	if err != nil {
		return unavailable("read the database's clock", err)
	}
	answered := time.Now()
	c.ahead.Store(int64(theirs.Sub(asked.Add(answered.Sub(asked) / 2))))
	return nil
}

// Where says which database this is, without its password.
func (c *Catalog) Where() string { return c.write.where }

// Close waits for writes under way and closes the database. Run must have returned.
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

// inTx runs fn in one write transaction. Where that clashed with another one, all of it is undone and fn is called again,
// for up to busyTimeout: so fn must set whatever it gives to the outside anew each time. An error that is
// ingest.ErrUncertain leaves open whether the transaction was committed.
func (c *Catalog) inTx(ctx context.Context, what string, fn func(*transaction) error) error {
	deadline := time.Now().Add(busyTimeout)
	for tries := 1; ; tries++ {
		err := c.tryTx(ctx, tries > aloneAfter, fn)
		if err == nil || faultOf(err) != faultConflict || time.Now().After(deadline) {
			return unavailable(what, err)
		}
		if paused := pause(ctx, backoff(5*time.Millisecond, 200*time.Millisecond, tries)); paused != nil {
			return unavailable(what, errors.Join(paused, err))
		}
	}
}

// tryTx runs fn in one transaction once.
func (c *Catalog) tryTx(ctx context.Context, alone bool, fn func(*transaction) error) error {
	// The caller may end the wait for a connection and every statement, but not the commit: it would not learn whether
	// that came through.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionLimit)
	defer cancel()
	begun := context.AfterFunc(ctx, cancel)
	tx, err := c.write.BeginTx(whole, c.write.transaction)
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	if !begun() {
		return errors.Join(ctx.Err(), rollBack(tx))
	}
	t := &transaction{tx, c.write.dialect}
	if alone && t.dialect.alone != "" {
		_, err = tx.ExecContext(ctx, t.dialect.alone)
	}
	if err == nil {
		err = fn(t)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		err = errors.Join(err, rollBack(tx))
		if whole.Err() != nil && ctx.Err() == nil {
			return rag.Unavailable("catalog", err)
		}
		return err
	}
	err = tx.Commit()
	if err != nil && (faultOf(err) == faultGone || whole.Err() != nil) {
		return rag.Unavailable("catalog", fmt.Errorf("commit: %w", errors.Join(ingest.ErrUncertain, err)))
	}
	return err
}

// rollBack undoes a transaction. One on a connection that is gone is undone by the database.
func rollBack(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) && faultOf(err) != faultGone {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}
