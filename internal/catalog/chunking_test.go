package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

func TestVersionsFromBeforeChunkings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	testVersionsFromBeforeChunkings(t, catalog.Config{Path: path}, path)
}

// testVersionsFromBeforeChunkings takes versions back to what they were before they had a chunking, and runs the
// migration's statement on them: the same upload is unchanged then, and chunks that a client cut stay without one.
func testVersionsFromBeforeChunkings(t *testing.T, cfg catalog.Config, address string) {
	migration, err := os.ReadFile("../../migrations/catalog/0009_chunking.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, statement, found := strings.Cut(string(migration), "\nUPDATE ")
	statement, _, ended := strings.Cut(statement, ";\n")
	if !found || !ended {
		t.Fatal("the migration has no UPDATE")
	}
	c := open(t, cfg)
	of, err := c.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "c", Chunking: rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 100, Overlap: 10}})
	if err != nil {
		t.Fatal(err)
	}
	staged := []ingest.Staged{
		{Blob: "a", SHA256: "a", Upload: ingest.Upload{ExternalID: "a", MediaType: "text/plain"}},
		{Blob: "b", SHA256: "b", Upload: ingest.Upload{ExternalID: "b", MediaType: "application/vnd.redkite.chunks+json", Chunking: &rag.Chunking{}}},
	}
	for _, prepare := range []string{"", "UPDATE versions SET chunking = ''", "UPDATE " + statement} {
		if prepare != "" {
			raw(t, address, prepare)
		}
		if strings.HasSuffix(prepare, "''") {
			continue
		}
		accepted, err := c.PutDocuments(t.Context(), of.ID, staged)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range accepted {
			if a.Unchanged != (prepare != "") {
				t.Errorf("after %q: %s is unchanged: %v, cut by %+v", prepare, a.Document.ExternalID, a.Unchanged, a.Document.Chunking)
			}
		}
	}
}
