package blob

import (
	"testing"

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
}
