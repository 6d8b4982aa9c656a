package app

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/catalog/postgrestest"
)

// TestPostgresCatalog serves with the catalog in PostgreSQL, which is killed and comes back: meanwhile requests are
// answered 503, and afterwards all goes on without a restart.
func TestPostgresCatalog(t *testing.T) {
	postgres := postgrestest.Start(t)
	with := settings(t, t.TempDir())
	with.CatalogURL = postgres.Database(t)
	s := start(t, with)
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", uploads(object{"id": "kite", "text": "The red kite has a forked tail."}))
	if got := names(s.hits("c", object{"query": "forked tail"})); len(got) != 1 || got[0] != "kite" {
		t.Errorf("got %v", got)
	}
	postgres.Kill(t)
	s.json(503, "POST", "/api/v1/collections/c/search", object{"query": "forked tail"})
	s.json(503, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "wren", "text": "Wrens are small."}))
	s.do(503, "GET", "/readyz", "", nil)
	s.do(200, "GET", "/livez", "", nil)
	postgres.Restart(t)
	s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", uploads(object{"id": "wren", "text": "Wrens are small\u0000 birds."}))
	if got := names(s.hits("c", object{"query": "small birds"})); len(got) != 2 || got[0] != "wren" {
		t.Errorf("got %v", got)
	}
	s.json(400, "POST", "/api/v1/collections/c/documents", uploads(object{"id": "a\u0000", "text": "No."}))
	s.do(404, "GET", "/api/v1/collections/c/documents/a%00", "", nil)
}

// TestDoctorNamesTheCatalog asks which catalog is in use. No answer may hold the password.
func TestDoctorNamesTheCatalog(t *testing.T) {
	postgres := postgrestest.Start(t)
	with := settings(t, t.TempDir())
	for _, test := range []struct {
		url, says string
		ok        bool
	}{
		{"", "none yet", true},
		{strings.Replace(postgres.Database(t), "postgres@", "postgres:s3cret@", 1), "answers and is empty", true},
		{"postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable", "127.0.0.1:1", false},
		{"postgres://u:s3cret@127.0.0.1:none/d", "catalog-url", false},
	} {
		with.CatalogURL = test.url
		detail, err := checkCatalog(t.Context(), with, slog.New(slog.DiscardHandler))
		if err != nil {
			detail = err.Error()
		}
		if (err == nil) != test.ok || !strings.Contains(detail, test.says) || strings.Contains(detail, "s3cret") {
			t.Errorf("%s: %s (%v)", test.url, detail, err)
		}
	}
}
