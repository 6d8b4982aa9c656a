package blob

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/blob/blobtest"
)

func TestDir(t *testing.T) {
	folder := t.TempDir()
	d, err := OpenDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	blobtest.Run(t, d, NewKey, func() []string { return blobtest.Files(t, folder) })
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}

	// What a crash left half written is listed too, under a key that Delete takes.
	key := NewKey()
	left := filepath.Join(folder, partial, strings.ReplaceAll(key, "/", "_"))
	if err := os.WriteFile(left, []byte("ki"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.List(t.Context(), time.Now().Add(time.Hour), func(key string) error { return d.Delete(t.Context(), key) }); err != nil {
		t.Fatal(err)
	}
	if files := blobtest.Files(t, folder); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}
