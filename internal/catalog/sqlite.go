package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteDialect is a SQLite file: one connection that writes, which River shares, and a pool that reads.
func sqliteDialect(path string) *dialect {
	return &dialect{
		where:    path,
		open:     func(ctx context.Context) (write, read *sql.DB, err error) { return openSQLite(ctx, path) },
		schema:   func(text string) string { return text },
		elements: `json_each(?) j`,
		hasTable: `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?`,
		takeTurn: func(context.Context, *sql.DB) (func(), error) { return func() {}, nil }, // a transaction is one's turn
		queue:    func(db *sql.DB) riverdriver.Driver[*sql.Tx] { return riversqlite.New(db) },
	}
}

func openSQLite(ctx context.Context, path string) (write, read *sql.DB, err error) {
	if write, err = openWriter(ctx, path); err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	if read, err = openPrepared(dsn(path, "query_only(1)")); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(readConnections)
	read.SetMaxIdleConns(readConnections)
	return write, read, nil
}

// openWriter opens the one connection that writes and puts the file into WAL mode. That switch alone does not wait for
// other connections, so it is repeated while another process does the same.
func openWriter(ctx context.Context, path string) (*sql.DB, error) {
	db, err := openPrepared(dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(0)
	for deadline := time.Now().Add(busyTimeout); ; {
		err = db.PingContext(ctx)
		if err == nil || sqliteFault(err) != faultBusy || time.Now().After(deadline) {
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

func sqliteFault(err error) fault {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return faultNone
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // the index of its log can't grow
		return faultFull
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return faultBusy
	case sqlite3.SQLITE_FULL:
		return faultFull
	}
	return faultNone
}
