package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/blob"
	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/rag"
)

// plantEnv makes the test's program a worker on the plant in the folder that it names.
const plantEnv = "REDKITE_TEST_PLANT"

// plant is a catalog on SQLite and a store of originals, for worker processes with real parsers and stubs for the rest.
type plant struct {
	t          *testing.T
	folder     string
	catalog    *catalog.Catalog
	blobs      *blob.Dir
	collection rag.Collection
}

func openPlant(ctx context.Context, folder string) (*catalog.Catalog, *blob.Dir, error) {
	c, err := catalog.Open(ctx, catalog.Config{
		Path: filepath.Join(folder, "catalog.db"), Queue: catalog.QueueConfig{Reap: 50 * time.Millisecond, Poll: 10 * time.Millisecond},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	blobs, err := blob.OpenDir(filepath.Join(folder, "blobs"))
	return c, blobs, err
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	p := &plant{t: t, folder: t.TempDir()}
	var err error
	if p.catalog, p.blobs, err = openPlant(t.Context(), p.folder); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(p.catalog.Close(), p.blobs.Close()) })
	if err := p.catalog.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.collection, err = p.catalog.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "c", Dimension: 2, Chunking: rag.Chunking{MaxTokens: 200, Overlap: 20}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// put uploads a file.
func (p *plant) put(name, mediaType string, content io.Reader) rag.JobID {
	p.t.Helper()
	key := blob.NewKey()
	if err := p.blobs.Put(p.t.Context(), key, content); err != nil {
		p.t.Fatal(err)
	}
	a, err := p.catalog.PutDocument(p.t.Context(), p.collection.ID, ingest.Staged{
		Upload: ingest.Upload{ExternalID: name, Filename: name, MediaType: mediaType}, Blob: key, SHA256: key,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return a.Job.ID
}

// work runs one worker process after the other until no job is left, and gives what they wrote and how many were killed.
func (p *plant) work(most int) (out string, killed int) {
	p.t.Helper()
	for range most {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), plantEnv+"="+p.folder)
		cmd.Stderr = os.Stderr
		written, err := cmd.Output()
		out += string(written)
		if err == nil {
			return out, killed
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			p.t.Fatalf("the worker ended by itself: %v\n%s", err, out)
		}
		killed++
	}
	p.t.Fatalf("%d workers were killed", killed)
	return "", 0
}

// TestADocumentThatKillsItsParser has one document kill its worker process whenever it is parsed, another one being parsed
// beside it at the first time: it fails at the second, and the other one is searchable.
func TestADocumentThatKillsItsParser(t *testing.T) {
	p := newPlant(t)
	poison := p.put("poison", parse.TypeText, strings.NewReader("kills"))
	beside := p.put("beside", parse.TypeText, strings.NewReader("Red kites eat carrion."))
	_, killed := p.work(5)
	if killed != 2 {
		t.Errorf("%d workers were killed, want 2", killed)
	}
	for id, want := range map[rag.JobID]struct {
		state    rag.JobState
		document string
		code     string
	}{poison: {rag.JobFailed, "poison", "parse_error"}, beside: {rag.JobSucceeded, "beside", ""}} {
		j, err := p.catalog.Job(t.Context(), "t", id)
		code := ""
		if j.Error != nil {
			code = j.Error.Code
		}
		if err != nil || j.State != want.state || code != want.code {
			t.Errorf("%s: %v %+v (%+v)", want.document, err, j, j.Error)
		}
		d, err := p.catalog.Document(t.Context(), p.collection.ID, want.document)
		if err != nil || (d.Status == rag.StatusReady) != (want.code == "") || d.Status != rag.StatusReady && d.Status != rag.StatusFailed {
			t.Errorf("%s: %v %+v", want.document, err, d)
		}
	}
}

var (
	scaleText  = flag.Int64("scale.text", 20_000_000, "bytes of the text in TestMemoryOfLargeDocuments")
	scalePages = flag.Int("scale.pages", 100, "pages of the PDF in TestMemoryOfLargeDocuments")
)

// mostMemory is what a worker's process may ever hold while it ingests documents of any size.
const mostMemory = 600 << 20

// measured is what a worker process says of a document.
type measured struct {
	Name        string
	Chunks      int
	Told        int    // how often it told its progress while parsing
	Done, Total int    // the last of that
	Peak        int64  // bytes, of the process so far, when it was cut
	Wrong       string // a span that does not hold its chunk
}

// TestMemoryOfLargeDocuments ingests a long text without an empty line and a long PDF, each in a process of its own.
func TestMemoryOfLargeDocuments(t *testing.T) {
	pages := make([]string, *scalePages)
	for i := range pages {
		pages[i] = strings.Repeat(fmt.Sprintf("Page %d tells of kites that fly over hills and eat what they find there. ", i+1), 35)
	}
	for _, test := range []struct {
		name, mediaType string
		content         io.Reader
		total           int
		slow            bool // enough to tell its progress
	}{
		{"long.txt", parse.TypeText, &longText{left: *scaleText}, int(*scaleText), true},
		{"long.pdf", parse.TypePDF, bytes.NewReader(pdf(t, pages...)), *scalePages, *scalePages >= 1000},
	} {
		p := newPlant(t)
		id := p.put(test.name, test.mediaType, test.content)
		began := time.Now()
		out, _ := p.work(1)
		var m measured
		var end int64
		if _, err := fmt.Sscanf(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:], "peak %d", &end); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &m); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		t.Logf("%s: %d chunks in %s; progress told %d times, last %d of %d; peak memory %d MiB when cut, %d MiB in all",
			m.Name, m.Chunks, time.Since(began).Round(100*time.Millisecond), m.Told, m.Done, m.Total, m.Peak>>20, end>>20)
		j, err := p.catalog.Job(t.Context(), "t", id)
		if err != nil || j.State != rag.JobSucceeded {
			t.Errorf("%s: %v %+v (%+v)", test.name, err, j, j.Error)
		}
		if end > mostMemory || m.Wrong != "" || m.Chunks == 0 {
			t.Errorf("%+v, %d MiB at the end", m, end>>20)
		}
		if m.Told > 0 && m.Total != test.total || m.Told == 0 && test.slow {
			t.Errorf("%s: progress told %d times, of %d", m.Name, m.Told, m.Total)
		}
	}
}

// longText is text in lines.
type longText struct {
	left int64
	n    int
	line string
}

func (l *longText) Read(p []byte) (n int, err error) {
	for n < len(p) && l.left > 0 {
		if l.line == "" {
			l.n++
			l.line = fmt.Sprintf("Line %d tells of the höchste kites, which fly over hills and eat what they find. They nest in trees.\n", l.n)
		}
		k := copy(p[n:min(len(p), n+int(min(l.left, int64(len(p)))))], l.line)
		l.line, n, l.left = l.line[k:], n+k, l.left-int64(k)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// plantWorker works until no job is left.
func plantWorker(folder string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, blobs, err := openPlant(ctx, folder)
	if err != nil {
		return err
	}
	analyzer, err := lexical.New()
	if err != nil {
		return err
	}
	parsers := parse.New(parse.Options{CacheDir: filepath.Join(os.TempDir(), "redkite-test-pdfium")})
	s := wordStub{}
	watched := &witness{Catalog: c, blobs: blobs}
	w := &ingest.Worker{
		Lexical: analyzer,
		Ledger:  watched, Removals: c, Index: s, Vectors: s, Removal: s, Blobs: blobs, NewKey: blob.NewKey, Timeout: 5 * time.Minute,
		Parser:  &poisoned{Registry: parsers, folder: folder, beside: make(chan struct{}, 1)},
		Encoder: func(context.Context, string) (ingest.Encoder, error) { return s, nil },
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, w.Handle, 4) }()
	for { // other processes' jobs are among them: there is nothing to wait on
		depth, err := c.QueueDepth(ctx)
		if err != nil {
			return err
		}
		if len(depth) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	err = errors.Join(<-done, parsers.Close(), c.Close(), blobs.Close())
	fmt.Printf("peak %d\n", peakMemory())
	return err
}

// peakMemory is the most memory that this process has held.
func peakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}

// poisoned is the real parsers, with one document that kills the process.
type poisoned struct {
	*parse.Registry
	folder string
	beside chan struct{}
}

func (p *poisoned) Stream(ctx context.Context, o rag.Original, take func(rag.Window) error) (rag.Findings, error) {
	crashed := filepath.Join(p.folder, "crashed")
	_, err := os.Stat(crashed)
	first := err != nil
	switch {
	case o.Name == "poison":
		if first {
			<-p.beside
			if err := os.WriteFile(crashed, nil, 0o600); err != nil {
				return rag.Findings{}, err
			}
		}
		return rag.Findings{}, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case o.Name == "beside" && first:
		p.beside <- struct{}{}
		<-ctx.Done() // it is being parsed when the process dies
		return rag.Findings{}, ctx.Err()
	}
	return p.Registry.Stream(ctx, o, take)
}

// witness notes what is written of a document.
type witness struct {
	*catalog.Catalog
	blobs *blob.Dir
	told  atomic.Int64
	last  [2]int
	n     int
}

func (w *witness) AddChunks(ctx context.Context, c rag.Claim, chunks []rag.Chunk, done, total int) error {
	w.told.Add(1)
	w.last = [2]int{done, total}
	w.n += len(chunks)
	return w.Catalog.AddChunks(ctx, c, chunks, done, total)
}

func (w *witness) EndChunks(ctx context.Context, c rag.Claim, cut ingest.Cut) error {
	m := measured{Chunks: w.n + len(cut.Chunks), Told: int(w.told.Load()), Done: w.last[0], Total: w.last[1], Peak: peakMemory()}
	task, err := w.Task(ctx, c)
	if err != nil {
		return err
	}
	m.Name = task.Document.Filename
	if m.Wrong, err = w.compare(ctx, cut); err != nil {
		return err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	fmt.Println(string(raw))
	return w.Catalog.EndChunks(ctx, c, cut)
}

// compare looks the last chunks up in the stored text, without holding that.
func (w *witness) compare(ctx context.Context, cut ingest.Cut) (wrong string, err error) {
	text, _, err := w.blobs.Open(ctx, cut.Text)
	if err != nil {
		return "", err
	}
	defer text.Close()
	first := cut.Chunks[0].Span.Start
	runes, at := []rune{}, 0
	buffered := newRunes(text)
	for {
		r, err := buffered()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if at++; at > first {
			runes = append(runes, r)
		}
	}
	for _, ch := range cut.Chunks {
		if from, to := ch.Span.Start-first, ch.Span.End-first; to > len(runes) || string(runes[from:to]) != ch.Text {
			return fmt.Sprint(ch.Span), nil
		}
	}
	return "", nil
}

// wordStub takes a word for a token, and embeds at once.
type wordStub struct{ stub }

func (wordStub) Offsets(text string) ([][2]int, error) {
	var out [][2]int
	start := -1
	for i := 0; i <= len(text); i++ {
		blank := i == len(text) || text[i] == ' ' || text[i] == '\n'
		switch {
		case blank && start >= 0:
			out = append(out, [2]int{start, i})
			start = -1
		case !blank && start < 0:
			start = i
		}
	}
	return out, nil
}

func (wordStub) EmbedPassages(_ context.Context, texts []string) ([]rag.Embedding, error) {
	out := make([]rag.Embedding, len(texts))
	for i := range out {
		out[i] = rag.Embedding{1, 0}
	}
	return out, nil
}

// newRunes gives a text character by character.
func newRunes(text io.Reader) func() (rune, error) {
	r := bufio.NewReaderSize(text, 1<<20)
	return func() (rune, error) {
		c, _, err := r.ReadRune()
		return c, err
	}
}
