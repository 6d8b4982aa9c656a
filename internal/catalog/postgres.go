package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// writeConnections bounds the transactions of one process at a time; River takes its connections from these too.
	writeConnections = 8
	// connectTimeout is how long a connection may take to be made, where the address does not say.
	connectTimeout = 10 * time.Second
	// migrationLock is the advisory lock of who migrates; any number that no other program takes ("redkite" in ASCII).
	migrationLock = 0x7265646b697465
	// turnPoll is how often a process looks whether the one before it has migrated.
	turnPoll = 50 * time.Millisecond
)

// postgresDialect is a PostgreSQL database, which any number of processes on any number of hosts share.
func postgresDialect(address string) (*dialect, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The library's message may quote the address, and that holds the password.
		return nil, rag.Invalid("", "setting catalog-url can't be read; it is postgres://user:password@host:5432/database")
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	dialer := &net.Dialer{
		Timeout:         config.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	config.DialFunc = dialer.DialContext
	where := fmt.Sprintf("PostgreSQL, database %s at %s", config.Database, config.Host)
	if !strings.HasPrefix(config.Host, "/") {
		where = fmt.Sprintf("PostgreSQL, database %s at %s:%d", config.Database, config.Host, config.Port)
	}
	return &dialect{
		where:       where,
		open:        func(ctx context.Context) (write, read *sql.DB, err error) { return openPostgres(ctx, config, where) },
		numbered:    true,
		schema:      postgresSchema,
		elements:    `jsonb_array_elements(CAST(? AS jsonb)) AS j(value)`,
		hasTable:    `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?`,
		transaction: &sql.TxOptions{Isolation: sql.LevelSerializable},
		// Almost every transaction writes to jobs. LOCK takes no snapshot, so what follows sees all that was waited for.
		alone:      `LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE`,
		takeTurn:   takeTurn,
		queueApart: true,
		queue:      func(db *sql.DB) riverdriver.Driver[*sql.Tx] { return riverdatabasesql.New(db) },
		clock:      postgresClock,
	}, nil
}

// openPostgres opens two pools, so that queries need not wait behind uploads.
func openPostgres(ctx context.Context, config *pgx.ConnConfig, where string) (write, read *sql.DB, err error) {
	pool := func(connections int, extra map[string]string) *sql.DB {
		c := config.Copy()
		for name, value := range extra {
			set(c, name, value)
		}
		// A connection is tried before each use, also one used a moment ago: after a restart of the server none fails a request.
		ping := func(context.Context, stdlib.ShouldPingParams) bool { return true }
		db := stdlib.OpenDB(*c, stdlib.OptionAfterConnect(durable), stdlib.OptionShouldPing(ping))
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return db
	}
	set(config, "application_name", "redkite")
	// A host that vanished must not keep its rows locked: the server gives it up after these.
	set(config, "tcp_keepalives_idle", "10")
	set(config, "tcp_keepalives_interval", "5")
	set(config, "tcp_keepalives_count", "3")
	write = pool(writeConnections, map[string]string{
		"lock_timeout":                        fmt.Sprint(busyTimeout.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(2 * busyTimeout.Milliseconds()),
	})
	read = pool(readConnections, map[string]string{"default_transaction_read_only": "on"})
	if err := write.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(unreachable(where, err), write.Close(), read.Close())
	}
	return write, read, nil
}

// set gives a connection's parameter a value, unless the address names one.
func set(c *pgx.ConnConfig, name, value string) {
	if _, named := c.RuntimeParams[name]; !named {
		c.RuntimeParams[name] = value
	}
}

// durable turns on what makes a commit last, where the server has it off: an upload is acknowledged by a commit.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
	return err
}

// unreachable says why the first connection failed. The library's own message lists every attempt, a line each.
func unreachable(where string, err error) error {
	reason := err
	var refused *pgconn.PgError
	var network *net.OpError
	switch {
	case errors.As(err, &refused):
		reason = errors.New(refused.Message)
	case errors.As(err, &network):
		reason = network.Err
	}
	return &rag.Problem{
		Kind: rag.ErrUnavailable, Code: "catalog_unavailable", RetryAfter: 5 * time.Second,
		Message: fmt.Sprintf("%s can't be used: %v; check catalog-url, and that the server runs", where, reason),
	}
}

// postgresSchema reads a migration's text, which is written for SQLite, for PostgreSQL: numbers have 64 bits as there,
// ids are given by a sequence, and text is compared and sorted by its bytes as there, whatever the server's language.
func postgresSchema(text string) string {
	return strings.NewReplacer(
		"INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
		"INTEGER", "BIGINT",
		"TEXT", `TEXT COLLATE "C"`,
		"BLOB", "BYTEA",
	).Replace(text)
}

// takeTurn takes the lock of who migrates on a connection of its own; it ends with that at the latest. It asks again and
// again in place of waiting, which lock_timeout would cut short.
func takeTurn(ctx context.Context, db *sql.DB) (release func(), err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for {
		var ours bool
		err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(migrationLock)).Scan(&ours)
		if err == nil && !ours {
			err = pause(ctx, turnPoll)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if ours {
			break
		}
	}
	return func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		if _, err := conn.ExecContext(limited, `SELECT pg_advisory_unlock($1)`, int64(migrationLock)); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // not back into the pool: it may hold the lock
		}
		_ = conn.Close()
	}, nil
}

// postgresClock reads the server's clock. Leases of several hosts must run by one clock.
func postgresClock(ctx context.Context, db *sql.DB) (time.Time, error) {
	var us int64
	err := db.QueryRowContext(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&us)
	return time.UnixMicro(us), err
}

// postgresFault judges an error by its SQLSTATE, or by what broke the connection.
func postgresFault(err error) fault {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return faultOfState(e.Code)
	}
	if errors.Is(err, context.Canceled) {
		return faultNone // the caller's own end; that breaks the connection too
	}
	var connect *pgconn.ConnectError
	var network net.Error
	for _, lost := range []error{pgconn.ErrConnClosed, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, sql.ErrConnDone} {
		if errors.Is(err, lost) {
			return faultGone
		}
	}
	if errors.As(err, &connect) || errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) {
		return faultGone
	}
	return faultNone
}

// faultOfState judges a SQLSTATE.
func faultOfState(state string) fault {
	switch {
	case slices.Contains([]string{"40001", "40P01", "23505"}, state): // serialization, deadlock, a unique key just taken
		return faultConflict
	case state == "55P03": // lock_timeout
		return faultBusy
	case state == "53100":
		return faultFull
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "53"), // connection; too many of them, or memory short
		strings.HasPrefix(state, "57P"), strings.HasPrefix(state, "58"), // shutting down or starting; its system fails
		state == "25P03", state == "25006": // ended while idle; only a standby so far
		return faultGone
	}
	return faultNone
}
