package catalog

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// dialect is what differs between the two databases. Statements do not: each is written once, with ? for its
// parameters, and runs on both.
type dialect struct {
	// open gives the databases to write to and to read from. Where one can't be reached the error is a rag.Problem
	// that says so without a password.
	open func(ctx context.Context) (write, read *sql.DB, err error)
	// where says which database this is, without a password.
	where string
	// numbered says that parameters are $1, $2 and not ?.
	numbered bool
	// schema gives a migration's text as this database reads it.
	schema func(text string) string
	// elements makes rows, as j.value, of the members of the JSON list that is its parameter.
	elements string
	// hasTable counts the tables of the name that is its parameter.
	hasTable string
	// transaction are the options of a write transaction. Both databases run these as if one after the other: SQLite
	// because it has one writer, PostgreSQL because they are SERIALIZABLE and repeated where that could not be kept.
	transaction *sql.TxOptions
	// alone is run first in a transaction that was repeated often, and keeps the others out; empty for nothing.
	alone string
	// takeTurn waits until no other process migrates; release lets the next one.
	takeTurn func(ctx context.Context, db *sql.DB) (release func(), err error)
	// queueApart says that River's migrations can't be one transaction with ours.
	queueApart bool
	// queue is River's side of the database.
	queue func(db *sql.DB) riverdriver.Driver[*sql.Tx]
	// clock gives the time on the database's clock; nil where all processes share one.
	clock func(ctx context.Context, db *sql.DB) (time.Time, error)
}

// text makes a statement's text and arguments fit for the database.
func (d *dialect) text(statement string, args []any) (string, []any) {
	if d.numbered {
		statement = numbered(statement)
	}
	return statement, mended(args)
}

// numbered writes the parameters of a statement as $1, $2 and so on. No statement here has a ? in a literal.
func numbered(statement string) string {
	parts := strings.Split(statement, "?")
	var b strings.Builder
	b.Grow(len(statement) + 2*len(parts))
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// mended replaces, in texts, NUL characters and bytes that are not UTF-8, each by U+FFFD, so that places in a text stay
// where they are. PostgreSQL would refuse them; that a document is taken must not depend on the database.
func mended(args []any) []any {
	var out []any
	for i, arg := range args {
		text, ok := arg.(string)
		if !ok {
			continue
		}
		whole := wholeText(text)
		if whole == text {
			continue
		}
		if out == nil {
			out = append(out, args...)
		}
		out[i] = whole
	}
	if out == nil {
		return args
	}
	return out
}

func wholeText(text string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// database is a pool of connections that takes statements with ? on either database.
type database struct {
	*sql.DB
	*dialect
}

// ExecContext runs a statement.
func (d *database) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	statement, args = d.text(statement, args)
	return d.DB.ExecContext(ctx, statement, args...)
}

// QueryContext runs a query.
func (d *database) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	statement, args = d.text(statement, args)
	return d.DB.QueryContext(ctx, statement, args...)
}

// QueryRowContext runs a query for one row.
func (d *database) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	statement, args = d.text(statement, args)
	return d.DB.QueryRowContext(ctx, statement, args...)
}

// transaction is a write transaction that takes statements with ? on either database. River is given its Tx.
type transaction struct {
	*sql.Tx
	dialect *dialect
}

// ExecContext runs a statement.
func (t *transaction) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	statement, args = t.dialect.text(statement, args)
	return t.Tx.ExecContext(ctx, statement, args...)
}

// QueryContext runs a query.
func (t *transaction) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	statement, args = t.dialect.text(statement, args)
	return t.Tx.QueryContext(ctx, statement, args...)
}

// QueryRowContext runs a query for one row.
func (t *transaction) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	statement, args = t.dialect.text(statement, args)
	return t.Tx.QueryRowContext(ctx, statement, args...)
}
