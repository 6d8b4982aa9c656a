package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/blob"
	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/catalog/postgrestest"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// workerEnv makes the test's program a worker on the PostgreSQL database that it names.
const workerEnv = "REDKITE_TEST_WORKER_CATALOG"

// stubTime is what the stub encoder takes for a chunk. It sleeps: what is measured is how well workers share the work, and
// a machine of few cores would not hold four encoders.
const stubTime = 10 * time.Millisecond

// TestMain runs a worker in place of the tests where the environment says so.
func TestMain(m *testing.M) {
	if address := os.Getenv(workerEnv); address != "" {
		if err := stubWorker(address); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if folder := os.Getenv(plantEnv); folder != "" {
		if err := plantWorker(folder); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestChaosWorkers has four worker processes on one PostgreSQL: first against one worker, to measure, then killed one
// after the other. No two of them may have the same document in hand at the same time. Each worker notes in a table what
// it has in hand, with the document as its key; one that finds another living worker's note there reports that.
func TestChaosWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts real servers")
	}
	postgres := postgrestest.Start(t)
	t.Log("| documents | chunks each | 1 worker, documents/s | 4 workers, documents/s | ratio |")
	for _, load := range []struct{ documents, chunks int }{{200, 4}, {40, 40}} {
		var rates []float64
		for _, workers := range []int{1, 4} {
			w := newWorkshop(t, postgres)
			for range workers {
				w.hire()
			}
			w.upload("warm", 16*workers, 4) // they have started when these are done
			w.done()
			began := time.Now()
			w.upload("measured", load.documents, load.chunks)
			w.done()
			rates = append(rates, float64(load.documents)/time.Since(began).Seconds())
			w.check()
			w.dismiss()
		}
		t.Logf("| %d | %d | %.1f | %.1f | %.2f |", load.documents, load.chunks, rates[0], rates[1], rates[1]/rates[0])
	}

	w := newWorkshop(t, postgres)
	for range 4 {
		w.hire()
	}
	for i := range *chaosRounds {
		w.upload(fmt.Sprint("revision ", i), 40, 4) // replaces, while earlier ones are in hand
		time.Sleep(200 * time.Millisecond)
		w.fire(i % 4)
		w.hire()
	}
	w.done()
	t.Logf("%d kills among 4 workers, one after the other: %d documents taken in hand, none by two at once", *chaosRounds, w.check())
}

// TestTwoHandsAreSeen plants what TestChaosWorkers looks for: it must be able to fail.
func TestTwoHandsAreSeen(t *testing.T) {
	w := newWorkshop(t, postgrestest.Start(t))
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for document, other := range []int{ended.Process.Pid, os.Getppid()} {
		if _, err := w.notes.ExecContext(t.Context(), "INSERT INTO in_hand VALUES ($1, $2)", document, other); err != nil {
			t.Fatal(err)
		}
		if _, err := take(t.Context(), w.notes, rag.DocumentID(document)); err != nil {
			t.Fatal(err)
		}
		var twice int
		if err := w.notes.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM twice").Scan(&twice); err != nil || twice != document {
			t.Errorf("the other worker is process %d: found %d in two hands (%v), want %d", other, twice, err, document)
		}
	}
}

// workshop is a catalog and its workers.
type workshop struct {
	t          *testing.T
	address    string
	catalog    *catalog.Catalog
	notes      *sql.DB
	collection rag.Collection
	workers    []*exec.Cmd
}

func newWorkshop(t *testing.T, postgres *postgrestest.Server) *workshop {
	t.Helper()
	w := &workshop{t: t, address: postgres.Database(t)}
	var err error
	if w.catalog, err = catalog.Open(t.Context(), catalog.Config{URL: w.address}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.catalog.Close() })
	if err := w.catalog.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.collection, err = w.catalog.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "c", Dimension: 2})
	if err != nil {
		t.Fatal(err)
	}
	if w.notes, err = sql.Open("pgx", w.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.notes.Close() })
	for _, statement := range []string{
		"CREATE TABLE in_hand (document BIGINT PRIMARY KEY, worker BIGINT NOT NULL)",
		"CREATE TABLE taken (document BIGINT NOT NULL, worker BIGINT NOT NULL)",
		"CREATE TABLE twice (document BIGINT NOT NULL, worker BIGINT NOT NULL, other BIGINT NOT NULL)",
	} {
		if _, err := w.notes.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// hire starts a worker process.
func (w *workshop) hire() {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+w.address)
	cmd.Stderr = os.Stderr
	keep, err := cmd.StdinPipe() // it ends when this does, as it does with the test's process
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.workers = append(w.workers, cmd)
	w.t.Cleanup(func() {
		_ = keep.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// dismiss kills all workers.
func (w *workshop) dismiss() {
	for len(w.workers) > 0 {
		w.fire(0)
	}
}

// fire kills the worker that has been there longest but for n others.
func (w *workshop) fire(n int) {
	cmd := w.workers[n]
	w.workers = append(w.workers[:n:n], w.workers[n+1:]...)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// upload puts documents whose original's key says how many chunks they have.
func (w *workshop) upload(title string, documents, chunks int) {
	w.t.Helper()
	var staged []ingest.Staged
	for i := range documents {
		staged = append(staged, ingest.Staged{
			Upload: ingest.Upload{ExternalID: fmt.Sprint("d", i), Title: title, MediaType: "application/vnd.redkite.chunks+json"}, Blob: fmt.Sprintf("%d %s %d", chunks, title, i), SHA256: title,
		})
	}
	if _, err := w.catalog.PutDocuments(w.t.Context(), w.collection.ID, staged); err != nil {
		w.t.Fatal(err)
	}
}

// done waits until no job is left.
func (w *workshop) done() {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		depth, err := w.catalog.QueueDepth(w.t.Context())
		if err == nil && len(depth) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("jobs are not done: %v (%v)", depth, err)
		}
	}
}

// check fails the test where a document was in two hands, or is not ready, and tells how many were taken in hand.
func (w *workshop) check() (taken int) {
	w.t.Helper()
	var twice, workers int
	err := w.notes.QueryRowContext(w.t.Context(), `SELECT (SELECT COUNT(*) FROM twice), COUNT(*), COUNT(DISTINCT worker) FROM taken`).Scan(&twice, &taken, &workers)
	counts, countErr := w.catalog.Counts(w.t.Context(), w.collection.ID)
	if err := errors.Join(err, countErr); err != nil {
		w.t.Fatal(err)
	}
	if twice > 0 {
		w.t.Errorf("%d of %d times a document was in the hands of two workers at once", twice, taken)
	}
	if counts.Ready != counts.Total || counts.Total == 0 || counts.Failed > 0 || taken < counts.Total || workers < len(w.workers) {
		w.t.Errorf("%+v after %d documents were taken in hand by %d workers", counts, taken, workers)
	}
	return taken
}

// stubWorker works with the real catalog and ingestion, and stubs for the rest, until its input ends.
func stubWorker(address string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	c, err := catalog.Open(ctx, catalog.Config{URL: address}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return err
	}
	notes, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer notes.Close()
	analyzer, err := lexical.New()
	if err != nil {
		return err
	}
	stub := stub{}
	w := &ingest.Worker{
		Lexical: analyzer,
		Ledger:  c, Removals: c, Index: stub, Vectors: stub, Removal: stub, Blobs: shelf{}, Timeout: time.Minute, NewKey: blob.NewKey,
		Encoder: func(context.Context, string) (ingest.Encoder, error) { return stub, nil },
	}
	handle := func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		release, err := take(ctx, notes, job.Document)
		if err != nil {
			return err
		}
		defer release()
		return w.Handle(ctx, claim, job)
	}
	return errors.Join(c.Run(ctx, handle, 4), c.Close())
}

// take notes that this process has a document in hand. The note of a process that is no more is taken over.
func take(ctx context.Context, notes *sql.DB, document rag.DocumentID) (release func(), err error) {
	self := os.Getpid()
	result, err := notes.ExecContext(ctx, `INSERT INTO in_hand VALUES ($1, $2) ON CONFLICT DO NOTHING`, document, self)
	if err != nil {
		return nil, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		var other int
		if err := errors.Join(err, notes.QueryRowContext(ctx, `SELECT worker FROM in_hand WHERE document = $1`, document).Scan(&other)); err != nil {
			return nil, err
		}
		statement := `INSERT INTO twice VALUES ($1, $2, $3)`
		if !lives(other) {
			statement = `UPDATE in_hand SET worker = $2 WHERE document = $1 AND worker = $3`
		}
		if _, err := notes.ExecContext(ctx, statement, document, self, other); err != nil {
			return nil, err
		}
	}
	if _, err := notes.ExecContext(ctx, `INSERT INTO taken VALUES ($1, $2)`, document, self); err != nil {
		return nil, err
	}
	return func() {
		_, _ = notes.ExecContext(context.WithoutCancel(ctx), `DELETE FROM in_hand WHERE document = $1 AND worker = $2`, document, self)
	}, nil
}

// lives reports whether a process runs; one that was killed and not yet waited for does not.
func lives(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err != nil || !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
