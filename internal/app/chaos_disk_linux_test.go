package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/milvus"
)

const (
	smallDisk = 48 << 20 // bytes: room for the catalog, its log and the originals of all documents
	// bigUpload is larger than what a full disk may still have.
	bigUpload = 512 << 10
)

// TestChaosFullDisk serves with catalog and originals on a disk that fills up, again and again, while clients work. An
// upload that has no room is refused with 507; nothing that was acknowledged is lost, nothing that was refused is there,
// and jobs that had no room go on when there is some, their attempts not counted.
func TestChaosFullDisk(t *testing.T) {
	disk := mountSmall(t)
	lite, err := milvus.StartLite(t.Context(), milvus.LiteConfig{Command: settings(t, "").MilvusLiteCommand, DataDir: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lite.Stop(context.Background()) })
	s := settings(t, disk)
	s.MilvusAddress, s.IngestWorkers = lite.Address(), 2
	server := start(t, s)
	c := newChaos(t, server.base, func() string { return "in this process" })
	server.json(201, "POST", "/api/v1/collections", object{"name": "full"})
	for round := 1; round <= *chaosDisk; round++ {
		c.round(round, time.Duration(200+c.random.IntN(500))*time.Millisecond, func() {
			fillUp(t, disk, c.random)
			time.Sleep(time.Second)
			c.fullDisk(round)
		})
		free(t, disk)
		server.json(200, "PUT", fmt.Sprintf("/api/v1/collections/full/documents/after%d?wait=60s", round), object{"text": "There is room again."})
		c.settle()
		c.nothingPartial(disk)
		c.check(round)
	}
	t.Log("| seed | rounds | acknowledged | refused | reads | orphans before reconciling | violations |")
	t.Logf("| %d | %d | %d | %d | %d | %d | %d |", *chaosSeed, *chaosDisk, c.acknowledged, c.unanswered, c.journal.reads, c.orphans, len(c.journal.found()))
}

// fullDisk uploads what a full disk can't take, and looks whether anything of it is there.
func (c *chaos) fullDisk(round int) {
	c.t.Helper()
	path := fmt.Sprintf("/api/v1/collections/full/documents/big%d", round)
	big := strings.Repeat("There is no room for this. ", bigUpload/27)
	request, err := http.NewRequestWithContext(c.t.Context(), "PUT", c.base+path, strings.NewReader(big))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "text/plain")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusInsufficientStorage || !strings.Contains(string(raw), `"disk_full"`) ||
		!strings.Contains(string(raw), "free some space") || response.Header.Get("Retry-After") == "" {
		c.journal.blame("an upload to a full disk was answered %d %s (%v)", response.StatusCode, raw, err)
	}
	if status, answer := c.send(c.t.Context(), "GET", path, nil); status != http.StatusNotFound {
		c.journal.blame("what was refused is there: %d %v", status, answer)
	}
}

// nothingPartial blames what uploads that were refused left on the disk.
func (c *chaos) nothingPartial(disk string) {
	c.t.Helper()
	left, err := os.ReadDir(filepath.Join(disk, "blobs", "partial"))
	if err != nil || len(left) > 0 {
		c.journal.blame("half-written originals are left: %v (%v)", left, err)
	}
}

// mountSmall makes a small disk.
func mountSmall(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallDisk)); err != nil {
		t.Skipf("a small disk can't be mounted here, which needs root and CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillUp writes until no byte fits, then now and then leaves a little room, so that something may be half written.
func fillUp(t *testing.T, disk string, random *rand.Rand) {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	written := int64(0)
	for block := make([]byte, 64<<10); len(block) > 0; {
		n, err := f.Write(block)
		written += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(max(0, written-int64(random.IntN(3)*random.IntN(100<<10)))); err != nil {
		t.Fatal(err)
	}
}

func free(t *testing.T, disk string) {
	t.Helper()
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
}
