package catalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// keptStatements is how many statements a SQLite connection keeps prepared: more than there are texts of them here and in
// River, lists of ids of different lengths aside.
const keptStatements = 256

// openPrepared opens a SQLite database whose connections keep their statements prepared. Reading a statement's text took
// more of the processor than running it: 6 % of an ingestion of short documents.
func openPrepared(dsn string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(preparing{connector}), nil
}

type preparing struct{ driver.Connector }

// sqliteConn is what a wrapper has to pass on of a connection. ExecerContext and QueryerContext are left out on purpose:
// database/sql then prepares each statement.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// Connect opens a connection.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &preparedConn{sqliteConn: conn.(sqliteConn), idle: map[string]sqliteStatement{}}, nil
}

// preparedConn is a connection and the statements that are prepared on it and not in use. Like every connection it is
// used by one goroutine at a time.
type preparedConn struct {
	sqliteConn
	idle map[string]sqliteStatement
}

// Unwrap gives the driver's own connection.
func (c *preparedConn) Unwrap() driver.Conn { return c.sqliteConn }

// PrepareContext gives a statement that is prepared, or prepares it. One that is in use is prepared another time.
func (c *preparedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	s, ok := c.idle[text]
	if !ok {
		made, err := c.sqliteConn.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		s = made.(sqliteStatement)
	}
	delete(c.idle, text)
	return &preparedStatement{sqliteStatement: s, conn: c, text: text}, nil
}

// Close ends the statements and the connection.
func (c *preparedConn) Close() error {
	var errs []error
	for _, s := range c.idle {
		errs = append(errs, s.Close())
	}
	clear(c.idle)
	return errors.Join(append(errs, c.sqliteConn.Close())...)
}

type preparedStatement struct {
	sqliteStatement
	conn   *preparedConn
	text   string
	closed bool
}

// Close gives the statement back for its next use.
func (s *preparedStatement) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if _, twice := s.conn.idle[s.text]; twice || len(s.conn.idle) >= keptStatements {
		return s.sqliteStatement.Close()
	}
	s.conn.idle[s.text] = s.sqliteStatement
	return nil
}
