package ingest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// belt watches a desk's batches: what is embedded, and what is written.
type belt struct {
	*desk
	embedding chan int // a batch's number, when the encoder begins it
	made      int      // batches embedded
	held      int      // chunks embedded and not written
	most      int      // of them, at any time
	upsert    func(batch int) error
	written   int // batches
}

func (b *belt) EmbedPassages(ctx context.Context, texts []string) ([]rag.Embedding, error) {
	b.made++
	if b.embedding != nil {
		b.embedding <- b.made
	}
	b.mu.Lock()
	b.held += len(texts)
	b.most = max(b.most, b.held)
	b.mu.Unlock()
	return b.desk.EmbedPassages(ctx, texts)
}

func (b *belt) Upsert(ctx context.Context, c rag.Collection, rows []Row) error {
	b.written++
	if err := b.upsert(b.written); err != nil {
		return err
	}
	b.mu.Lock()
	b.held -= len(rows)
	b.mu.Unlock()
	return b.desk.Upsert(ctx, c, rows)
}

func newBelt(n int) (*belt, *Worker) {
	b := &belt{desk: newDesk(), upsert: func(int) error { return nil }}
	b.desk.upload(lines(n))
	w := b.desk.worker()
	w.Index = b
	w.Encoder = func(context.Context, string) (Encoder, error) { return b, nil }
	return b, w
}

// TestEmbeddingGoesOnWhileABatchIsWritten lets each write end only when the encoder has begun the batch after it: done one
// after the other, they would wait for each other for good, which synctest finds.
func TestEmbeddingGoesOnWhileABatchIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBelt(20 * embedBatch)
		b.embedding = make(chan int, 20)
		last := 0
		b.upsert = func(batch int) error {
			for batch < 20 && last <= batch {
				last = <-b.embedding
			}
			return nil
		}
		if err := w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); err != nil {
			t.Fatal(err)
		}
		if b.made != 20 || b.written != 20 || b.task.Document.LiveVersion != 1 {
			t.Errorf("%d batches made, %d written, version %d live", b.made, b.written, b.task.Document.LiveVersion)
		}
	})
}

// TestWhatIsHeldIsBounded has the index take its time with a document of 300 batches: no more than two are held.
func TestWhatIsHeldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBelt(300 * embedBatch)
		b.upsert = func(int) error { time.Sleep(time.Minute); return nil } // of the bubble's own time
		if err := w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); err != nil {
			t.Fatal(err)
		}
		if b.most != 2*embedBatch || len(b.vectors) != 300*embedBatch {
			t.Errorf("at most %d chunks were held, want %d; %d written", b.most, 2*embedBatch, len(b.vectors))
		}
	})
}

// TestPipelineEndsWithItsParts breaks either side, and sees that the other ends with it.
func TestPipelineEndsWithItsParts(t *testing.T) {
	broken := errors.New("pulled the plug")
	for name, test := range map[string]struct {
		change func(*belt)
		says   string
	}{
		"the index fails":    {func(b *belt) { b.upsert = func(int) error { return broken } }, "pulled the plug"},
		"the encoder fails":  {func(b *belt) { b.fail = failAt("embed", broken) }, "pulled the plug"},
		"the encoder panics": {func(b *belt) { b.fail = func(at string) error { panicAt(at, "embed"); return nil } }, "embedding panicked"},
		"marking fails":      {func(b *belt) { b.fail = failAt("mark", broken) }, "pulled the plug"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, w := newBelt(10 * embedBatch)
				test.change(b)
				err := w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest})
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func failAt(step string, err error) func(string) error {
	return func(at string) error {
		if at == step {
			return err
		}
		return nil
	}
}

func panicAt(at, step string) {
	if at == step {
		panic("a text that it can't take")
	}
}

// TestLongDocumentsGiveWay sees a long document let others go first where it is one of as many as there are workers, and
// only there; it goes on where it stopped.
func TestLongDocumentsGiveWay(t *testing.T) {
	b, w := newBelt(4 * turnChunks)
	w.Workers, b.waiting = 1, true
	ingest := func() error { return w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}) }
	turns := 0
	for err := ingest(); err != nil; err = ingest() {
		if !errors.Is(err, rag.ErrYield) {
			t.Fatal(err)
		}
		if turns++; b.task.Document.LiveVersion != 0 || len(b.indexed) < turns*turnChunks {
			t.Fatalf("turn %d: %d chunks indexed", turns, len(b.indexed))
		}
	}
	if embedded := len(b.embedded); turns < 3 || b.task.Document.LiveVersion != 1 || embedded != 4*turnChunks {
		t.Errorf("%d turns, %d texts embedded, version %d live", turns, embedded, b.task.Document.LiveVersion)
	}
	for name, change := range map[string]func(*belt, *Worker){
		"nobody waits":                   func(b *belt, _ *Worker) { b.waiting = false },
		"a worker has a short document":  func(_ *belt, w *Worker) { w.Workers = 2 },
		"the number of workers is unset": func(_ *belt, w *Worker) { w.Workers = 0 },
	} {
		b, w := newBelt(4 * turnChunks)
		w.Workers, b.waiting = 1, true
		change(b, w)
		if err := w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); err != nil || w.turns.long != 0 {
			t.Errorf("%s: %v, %d counted as long", name, err, w.turns.long)
		}
	}
}

// crowd parses nothing until it is told to, and counts the bytes in work.
type crowd struct {
	*desk
	mu           sync.Mutex
	inWork, most int64
	arrived      chan struct{}
	proceed      chan struct{}
}

func (c *crowd) Stream(_ context.Context, o rag.Original, _ func(rag.Window) error) (rag.Findings, error) {
	c.add(o.Size)
	c.arrived <- struct{}{}
	<-c.proceed
	c.add(-o.Size)
	return rag.Findings{}, rag.Invalid("", "read enough")
}

func (c *crowd) add(size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inWork += size
	c.most = max(c.most, c.inWork)
}

// heavy is a shelf of large originals.
type heavy struct {
	shelf
	size int64
}

func (h heavy) Open(context.Context, string) (io.ReadSeekCloser, int64, error) {
	return reader{strings.NewReader("x")}, h.size, nil
}

// TestLargeOriginalsAreParsedInTurn has eight workers parse originals of 100 MB: two are at it at a time; eight small ones
// are all at it.
func TestLargeOriginalsAreParsedInTurn(t *testing.T) {
	for _, test := range []struct {
		size   int64
		atOnce int
	}{{100 << 20, 2}, {1 << 20, 8}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk()
			c := &crowd{desk: d, arrived: make(chan struct{}, 8), proceed: make(chan struct{})}
			w := d.worker()
			w.Parser, w.Blobs = c, heavy{shelf{d}, test.size}
			for range 8 {
				go func() { _ = w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}) }()
			}
			for range 8 {
				synctest.Wait()
				<-c.arrived
				c.proceed <- struct{}{}
			}
			synctest.Wait()
			if c.most != int64(test.atOnce)*test.size || c.inWork != 0 {
				t.Errorf("at most %d bytes in work, want %d originals of %d", c.most, test.atOnce, test.size)
			}
		})
	}
}
