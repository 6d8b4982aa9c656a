package catalog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/catalogtest"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// childEnv names the folder of a child process: catalog.db and index, where a file stands for a row of Milvus.
// addressEnv names its PostgreSQL database, if it is not to use catalog.db. drainEnv makes it upload nothing and end when
// every job is final.
const (
	childEnv   = "REDKITE_TEST_CATALOG_CHILD"
	addressEnv = "REDKITE_TEST_CATALOG_URL"
	drainEnv   = "REDKITE_TEST_CATALOG_DRAIN"
)

const killFor = 6 * time.Second

// TestKilled kills two processes that upload, replace, delete and work on one catalog, again and again at random
// moments. What they acknowledged must then be done, exactly, in the catalog and in the index.
func TestKilled(t *testing.T) { testKilled(t, "") }

func testKilled(t *testing.T, address string) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "index"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := open(t, catalog.Config{Path: filepath.Join(dir, "catalog.db"), URL: address})
	if _, err := c.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "docs"}); err != nil {
		t.Fatal(err)
	}
	said := &acknowledged{versions: map[string]int{}, removing: map[string]bool{}, removed: map[string]bool{}}
	var lanes sync.WaitGroup
	kills := make([]int, 2)
	for lane := range kills {
		lanes.Go(func() {
			for end := time.Now().Add(killFor); time.Now().Before(end); kills[lane]++ {
				runChild(t, dir, said, time.Duration(100+rand.IntN(400))*time.Millisecond, childEnv+"="+dir, addressEnv+"="+address)
			}
		})
	}
	lanes.Wait()
	start := time.Now()
	runChild(t, dir, said, 25*time.Second, childEnv+"="+dir, addressEnv+"="+address, drainEnv+"=1")
	t.Logf("%d processes killed, %d documents acknowledged, the rest done in %s", kills[0]+kills[1], len(said.versions), time.Since(start))
	if kills[0]+kills[1] < 10 || len(said.versions) < 20 {
		t.Errorf("only %d kills and %d documents", kills[0]+kills[1], len(said.versions))
	}
	checkAcknowledged(t, c, said)
	checkExact(t, c, dir)
}

// acknowledged is what the children said they had committed.
type acknowledged struct {
	mu       sync.Mutex
	versions map[string]int // newest version by document id
	removing map[string]bool
	removed  map[string]bool
}

func (a *acknowledged) hear(line string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "put":
		version, err := strconv.Atoi(words[2])
		a.versions[words[1]] = max(a.versions[words[1]], version)
		return err
	case "removing":
		a.removing[words[1]] = true
	case "removed":
		a.removed[words[1]] = true
	default:
		return errors.New("child: " + line)
	}
	return nil
}

// runChild runs a child process, killed after a while if it does not end by itself.
func runChild(t *testing.T, dir string, said *acknowledged, after time.Duration, env ...string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Errorf("start child: %v", err)
		return
	}
	killer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if err := said.hear(lines.Text()); err != nil {
			t.Error(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != -1) {
		t.Errorf("child: %v", err)
	}
}

func checkAcknowledged(t *testing.T, c *catalog.Catalog, said *acknowledged) {
	collection, err := c.Collection(t.Context(), "t", "docs")
	if err != nil {
		t.Fatal(err)
	}
	for id, version := range said.versions {
		d, err := c.Document(t.Context(), collection.ID, id)
		switch {
		case said.removed[id]:
			if !errors.Is(err, rag.ErrNotFound) {
				t.Errorf("document %s was removed, but is there: %v %+v", id, err, d)
			}
		case said.removing[id]: // either way
		case err != nil:
			t.Errorf("document %s is lost: %v", id, err)
		case d.Version < version || d.Status != rag.StatusReady || d.LiveVersion != d.Version:
			t.Errorf("document %s is at version %d, live %d, %s (%v); version %d was acknowledged",
				id, d.Version, d.LiveVersion, d.Status, d.Error, version)
		}
	}
}

// checkExact fails unless every job is final and the index holds the live chunks and no others.
func checkExact(t *testing.T, c *catalog.Catalog, dir string) {
	depth, err := c.QueueDepth(t.Context())
	if err != nil || len(depth) != 0 {
		t.Errorf("jobs not done: %v %v", err, depth)
	}
	collection, err := c.Collection(t.Context(), "t", "docs")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := filepath.Glob(filepath.Join(dir, "index", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []rag.ChunkID
	for _, row := range rows {
		_, chunk, _ := strings.Cut(filepath.Base(row), "-")
		id, err := strconv.ParseInt(chunk, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rag.ChunkID(id))
	}
	live, err := c.LiveHits(t.Context(), collection.ID, ids)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := c.Counts(t.Context(), collection.ID)
	if err != nil || counts.Pending != 0 || counts.Failed != 0 || counts.Chunks != len(ids) || len(live) != len(ids) {
		t.Errorf("the index holds %d chunks, %d of them live; the catalog counts %+v (%v)", len(ids), len(live), counts, err)
	}
	places := map[string][]int{}
	for _, h := range live {
		places[h.ExternalID] = append(places[h.ExternalID], h.Chunk.Ordinal)
		if want := fmt.Sprintf("%s #%d", h.Title, h.Chunk.Ordinal); h.Chunk.Text != want {
			t.Errorf("document %s mixes versions: chunk %q, want %q", h.ExternalID, h.Chunk.Text, want)
		}
	}
	for id, ordinals := range places {
		slices.Sort(ordinals)
		if !slices.Equal(ordinals, []int{0, 1, 2, 3}) {
			t.Errorf("document %s has chunks %v", id, ordinals)
		}
	}
}

// child is a process of the kill test: it works on jobs and, unless it drains, uploads.
func child(dir string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := catalog.Open(ctx, catalog.Config{Path: filepath.Join(dir, "catalog.db"), URL: os.Getenv(addressEnv), Queue: catalog.QueueConfig{
		Lease: 2 * time.Second, Renew: 500 * time.Millisecond, Watch: 100 * time.Millisecond, Reap: 100 * time.Millisecond,
		Poll: 10 * time.Millisecond, Overdue: time.Second, RetryFirst: 10 * time.Millisecond, RetryMost: 50 * time.Millisecond,
		MaxCrashes: 1000, MaxParseCrashes: 1000, // the kills come from outside
	}}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	w := worker{c: c, index: filepath.Join(dir, "index")}
	if os.Getenv(drainEnv) == "" {
		go w.upload(ctx)
	} else {
		go func() {
			for depth := map[rag.JobState]int{"": 1}; len(depth) > 0; time.Sleep(20 * time.Millisecond) {
				if depth, err = c.QueueDepth(ctx); err != nil {
					fmt.Println("depth", err)
				}
			}
			cancel()
		}()
	}
	if err := errors.Join(c.Run(ctx, w.handle, 3), c.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

type worker struct {
	c     *catalog.Catalog
	index string
}

// upload puts, replaces and deletes, and says what was acknowledged.
func (w worker) upload(ctx context.Context) {
	collection, err := w.c.Collection(ctx, "t", "docs")
	if err != nil {
		fmt.Println("no collection:", err)
	}
	for i := 0; err == nil; i++ {
		id := fmt.Sprintf("d%d-%d", os.Getpid(), i)
		for n := range 1 + rand.IntN(3) {
			content := fmt.Sprintf("%s v%d", id, n)
			var a ingest.Accepted
			a, err = w.c.PutDocument(ctx, collection.ID, ingest.Staged{
				Upload: ingest.Upload{ExternalID: id, Title: content}, Blob: content, SHA256: content,
			})
			if err != nil {
				break
			}
			fmt.Println("put", id, a.Document.Version)
			time.Sleep(rand.N(10 * time.Millisecond))
		}
		if err == nil && rand.IntN(4) == 0 {
			fmt.Println("removing", id)
			if _, err = w.c.DeleteDocument(ctx, collection.ID, id); err == nil {
				fmt.Println("removed", id)
			}
		}
		time.Sleep(rand.N(20 * time.Millisecond))
	}
	fmt.Println("upload", err)
}

// row is the file that stands for a chunk in the index.
func (w worker) row(d rag.DocumentID, id rag.ChunkID) string {
	return filepath.Join(w.index, fmt.Sprintf("%d-%d", d, id))
}

func (w worker) handle(ctx context.Context, claim rag.Claim, job rag.Job) error {
	task, err := w.c.Task(ctx, claim)
	if err != nil {
		return err
	}
	if job.Kind == rag.JobDeleteDocument {
		rows, err := filepath.Glob(filepath.Join(w.index, fmt.Sprintf("%d-*", job.Document)))
		for _, row := range rows {
			err = errors.Join(err, os.Remove(row))
		}
		return errors.Join(err, w.c.Removed(ctx, claim))
	}
	if !task.Chunked {
		chunks := make([]rag.Chunk, 4)
		for i := range chunks {
			chunks[i].Text = fmt.Sprintf("%s #%d", task.Document.Title, i)
		}
		if err := catalogtest.WriteChunks(ctx, w.c, claim, ingest.Cut{Chunks: chunks}); err != nil {
			return err
		}
	}
	for !task.Live {
		pending, err := w.c.PendingChunks(ctx, claim, 1)
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			if err := publish(ctx, w.c, claim); err != nil {
				return err
			}
			break
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		if err := os.WriteFile(w.row(job.Document, pending[0].ID), nil, 0o600); err != nil {
			return err
		}
		if err := w.c.MarkIndexed(ctx, claim, []rag.ChunkID{pending[0].ID}, 0); err != nil {
			return err
		}
	}
	dead, err := w.c.DeadChunks(ctx, claim, 100)
	if err != nil {
		return err
	}
	for _, id := range dead {
		if err := os.Remove(w.row(job.Document, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return w.c.Forget(ctx, claim, dead)
}
