package catalog

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestStatementsStayPrepared runs statements of many texts, one inside another of the same text, and one over a table that
// was changed since.
func TestStatementsStayPrepared(t *testing.T) {
	db, err := openPrepared(dsn(filepath.Join(t.TempDir(), "a.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := tx.Exec(text, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE a (x INTEGER); CREATE TABLE b (y INTEGER)`)
	for i := range 3 {
		exec(`INSERT INTO a (x) VALUES (?)`, i)
	}
	if _, err := tx.Exec(`INSERT INTO nowhere VALUES (1)`); err == nil {
		t.Error("a statement of a table that is not there was taken")
	}
	pairs := 0
	const all = `SELECT x FROM a`
	outer, err := tx.Query(all)
	if err != nil {
		t.Fatal(err)
	}
	for outer.Next() {
		inner, err := tx.Query(all)
		if err != nil {
			t.Fatal(err)
		}
		for inner.Next() {
			pairs++
		}
		if err := inner.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := outer.Close(); err != nil || pairs != 9 {
		t.Errorf("%d pairs, want 9: %v", pairs, err)
	}
	exec(`ALTER TABLE a ADD COLUMN z INTEGER DEFAULT 7`)
	var columns int
	for i := range 2 {
		rows, err := tx.Query(`SELECT * FROM a`)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		columns = len(names)
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		exec(fmt.Sprintf(`ALTER TABLE a ADD COLUMN w%d INTEGER`, i))
	}
	if columns != 3 {
		t.Errorf("a table of 3 columns has %d", columns)
	}
	for i := range 2 * keptStatements { // more texts than are kept
		var got int
		if err := tx.QueryRow(fmt.Sprintf(`SELECT %d FROM a LIMIT 1`, i)).Scan(&got); err != nil || got != i {
			t.Fatalf("statement %d: got %d, %v", i, got, err)
		}
	}
}
