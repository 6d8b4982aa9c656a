package blob

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/redkite/redkite/internal/rag"
)

func open(t *testing.T) (*Dir, string) {
	t.Helper()
	path := t.TempDir()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

func TestPutOpenDelete(t *testing.T) {
	d, _ := open(t)
	ctx, key := context.Background(), NewKey()
	if err := d.Put(ctx, key, strings.NewReader("twenty kites")); err != nil {
		t.Fatal(err)
	}
	f, size, err := d.Open(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || string(got) != "twenty kites" || size != 12 {
		t.Errorf("got %q, size %d, %v", got, size, err)
	}
	f.Close()
	for range 2 { // the second finds nothing to remove
		if err := d.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := d.Open(ctx, key); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("a deleted blob: got %v", err)
	}
}

func TestPutLeavesNothingOnFailure(t *testing.T) {
	d, path := open(t)
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("connection reset")))
	if err := d.Put(context.Background(), NewKey(), broken); err == nil {
		t.Fatal("a broken upload was stored")
	}
	err := filepath.WalkDir(path, func(name string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("left behind: %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPutStopsWithItsContext(t *testing.T) {
	d, _ := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Put(ctx, NewKey(), strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestKeysCannotLeaveTheFolder(t *testing.T) {
	d, _ := open(t)
	if _, _, err := d.Open(context.Background(), "../../etc/passwd"); err == nil {
		t.Error("a key outside the folder was opened")
	}
}
