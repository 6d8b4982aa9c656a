package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

func codeOf(err error) string {
	var p *rag.Problem
	if !errors.As(err, &p) {
		return ""
	}
	return p.Code
}

// TestSpansGoOnFromWindowToWindow has every chunk's span slice the stored text, whatever window it is from.
func TestSpansGoOnFromWindowToWindow(t *testing.T) {
	d := newDesk()
	d.upload(lines(130))
	handle(t, d)
	text := d.stored["text"]
	chunks := d.chunks(1)
	if text != d.text || len(chunks) != 130 {
		t.Fatalf("%d chunks of %d bytes, want all %d", len(chunks), len(text), len(d.text))
	}
	for i, ch := range chunks {
		if ch.Ordinal != i || text[ch.Span.Start:ch.Span.End] != ch.Text {
			t.Errorf("chunk %d: %+v", i, ch)
		}
	}
	if want := [2]int{80, 130}; len(d.told) != 4 || d.told[0] != want { // of four windows; the first is written with the second
		t.Errorf("progress %v, want first %v", d.told, want)
	}
}

// TestNoTextIsLeft fails in the parser, once its first windows are written: nothing is stored, and what an attempt before
// had stored is removed.
func TestNoTextIsLeft(t *testing.T) {
	d := newDesk()
	d.upload(lines(130))
	d.texts[1], d.stored["old"] = "old", "of an attempt before"
	broken := errors.New("pulled the plug")
	d.fail = failAt("parse", broken)
	if err := d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if len(d.stored) != 0 || d.task.Chunked {
		t.Errorf("stored: %q, cut: %t", d.stored, d.task.Chunked)
	}
	d.fail = failAt("end chunks", rag.ErrStale)
	if err := d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); !errors.Is(err, rag.ErrStale) {
		t.Fatal(err)
	}
	if len(d.stored) != 0 {
		t.Errorf("stored for nobody: %q", d.stored)
	}
}

// TestNoWordIsEmpty fails documents in which there is nothing to find.
func TestNoWordIsEmpty(t *testing.T) {
	for text, want := range map[string]string{"*** !!!\n---\n ...": "empty", "***\n---\n7": "", "-\nkite": ""} {
		d := newDesk()
		d.upload(text)
		err := d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest})
		if got := codeOf(err); got != want || want == "" && err != nil {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if live := d.task.Document.LiveVersion; (live == 1) != (want == "") {
			t.Errorf("%q: version %d is live", text, live)
		}
	}
}

// slow hands over three windows and then takes its time.
type slow struct {
	*desk
	parse, write time.Duration
}

func (s slow) Stream(ctx context.Context, _ rag.Original, take func(rag.Window) error) (rag.Findings, error) {
	for i := range 3 {
		if err := take(rag.Window{Start: 5 * i, Text: "kites", Blocks: []rag.Block{{Kind: rag.BlockParagraph, Text: "kites", Span: rag.Span{End: 5}}}}); err != nil {
			return rag.Findings{}, err
		}
	}
	select {
	case <-time.After(s.parse):
		return rag.Findings{}, nil
	case <-ctx.Done():
		return rag.Findings{}, ctx.Err()
	}
}

func (s slow) AddChunks(ctx context.Context, c rag.Claim, chunks []rag.Chunk, done, total int) error {
	time.Sleep(s.write) // of the bubble's own time
	return s.desk.AddChunks(ctx, c, chunks, done, total)
}

// TestTheTimeIsTheParsers counts what the parser takes, and not what is done with its windows.
func TestTheTimeIsTheParsers(t *testing.T) {
	for _, test := range []struct {
		parse, write time.Duration
		code         string
	}{{59 * time.Second, 0, ""}, {61 * time.Second, 0, "timeout"}, {30 * time.Second, 50 * time.Second, ""}} {
		synctest.Test(t, func(t *testing.T) {
			s := slow{newDesk(), test.parse, test.write}
			s.upload("kites")
			w := s.worker()
			w.Parser, w.Ledger = s, s
			err := w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest})
			if got := codeOf(err); got != test.code || test.code == "" && err != nil {
				t.Errorf("parses for %s, writes for %s: %v", test.parse, test.write, err)
			}
		})
	}
}

// TestSuspectsAreParsedAlone has a document that a worker died of wait for the others, and they for it.
func TestSuspectsAreParsedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		c := &crowd{desk: d, arrived: make(chan struct{}, 8), proceed: make(chan struct{})}
		w := d.worker()
		w.Parser, w.Blobs = c, heavy{shelf{d}, 10}
		ingest := func() { go func() { _ = w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}) }() }
		ingest()
		synctest.Wait()
		d.task.Suspect = true
		ingest()
		synctest.Wait()
		d.task.Suspect = false
		ingest()
		for range 3 {
			synctest.Wait()
			if len(c.arrived) != 1 {
				t.Fatalf("%d are being parsed, want one at a time", len(c.arrived))
			}
			<-c.arrived
			c.proceed <- struct{}{}
		}
		synctest.Wait()
	})
}
