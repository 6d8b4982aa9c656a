package app

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/config"
)

// TestStartSaysWhatIsWrong starts with one part missing each and wants a message that names it, not a panic.
func TestStartSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		change func(*config.Settings)
		says   string
	}{
		{"library", func(s *config.Settings) { s.ONNXRuntimeLibrary = "/nowhere/libonnxruntime.so" }, "/nowhere/libonnxruntime.so"},
		{"models", func(s *config.Settings) { s.Models = filepath.Join(s.Data, "none") }, "none"},
		{"bi-encoder", func(s *config.Settings) { s.BiEncoder = "no-such-model" }, "no-such-model"},
		{"cross-encoder of the wrong kind", func(s *config.Settings) { s.CrossEncoder = "bge-small-en-v1.5" }, "bge-small-en-v1.5 is a bi-encoder"},
		{"milvus-lite", func(s *config.Settings) { s.MilvusLiteCommand = "/nowhere/milvus-lite" }, "/nowhere/milvus-lite"},
		{"address", func(s *config.Settings) { s.Address = "127.0.0.1:99999" }, "127.0.0.1:99999"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := settings(t, t.TempDir())
			test.change(&s)
			_, err := New(t.Context(), Options{Settings: s, Version: "test", Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestDocumentIDsMayHoldSlashes uses an id such as the command line gives a file in a subfolder.
func TestDocumentIDsMayHoldSlashes(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	const path = "/api/v1/collections/c/documents/guides%2Fred%20kite%2B.md"
	s.json(200, "PUT", path+"?wait=60s", object{"text": "The red kite has a forked tail."})
	if got := s.json(200, "GET", path, nil)["document_id"]; got != "guides/red kite+.md" {
		t.Errorf("got %v", got)
	}
	if got := names(s.hits("c", object{"query": "forked tail"})); len(got) != 1 || got[0] != "guides/red kite+.md" {
		t.Errorf("got %v", got)
	}
	s.do(202, "DELETE", path, "", nil)
	s.do(404, "GET", path, "", nil)
}
