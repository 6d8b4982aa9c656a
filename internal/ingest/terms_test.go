package ingest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// recount counts the terms of the desk's version anew, from all its chunks.
func (d *desk) recount(t *testing.T, w *Worker) VersionTerms {
	t.Helper()
	v := VersionID{Document: d.task.Document.ID, Version: d.task.Document.Version, Title: d.task.Document.Title}
	terms, err := chunksOf(d.VersionChunks).terms(t.Context(), rag.Claim{}, v, d.terms.Language, w.Lexical, newTally())
	if err != nil {
		t.Fatal(err)
	}
	return terms
}

func (d *desk) checkTerms(t *testing.T, w *Worker) {
	t.Helper()
	want := d.recount(t, w)
	if diff := cmp.Diff(want, d.terms); diff != "" {
		t.Errorf("the terms are not those of the chunks: %s", diff)
	}
	if want.Chunks != len(d.chunks(d.task.Document.Version)) || len(want.Counts) < 3 {
		t.Errorf("%d chunks counted, %d terms", want.Chunks, len(want.Counts))
	}
}

// TestWordsAreReadOnce sees that the chunks of a document that is made in one go are not read again for their terms, but
// for the first ones, which tell its language.
func TestWordsAreReadOnce(t *testing.T) {
	b, w := newBelt(20*embedBatch + 7)
	if err := w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); err != nil {
		t.Fatal(err)
	}
	if b.read != languageChunks {
		t.Errorf("%d chunks were read again, want %d", b.read, languageChunks)
	}
	b.checkTerms(t, w)
}

// TestTermsAreExactAfterABreak breaks embedding off at every batch, and leaves holes of chunks that are indexed already:
// only those are read again, and all are counted once.
func TestTermsAreExactAfterABreak(t *testing.T) {
	const batches = 6
	broken := errors.New("pulled the plug")
	for at := 1; at <= batches; at++ {
		b, w := newBelt(batches * embedBatch)
		b.upsert = func(batch int) error {
			if batch == at {
				return broken
			}
			return nil
		}
		ingest := func() error { return w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}) }
		if err := ingest(); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		done := (at - 1) * embedBatch
		for i, ch := range b.chunks(1) { // and holes
			if i > done && i%50 == 3 {
				b.indexed[ch.ID], b.sparse[ch.ID] = true, rag.TermVector{}
				done++
			}
		}
		b.read = 0
		if err := ingest(); err != nil {
			t.Fatal(err)
		}
		if want := languageChunks + done; b.read != want {
			t.Errorf("after a break at batch %d %d chunks were read again, want %d", at, b.read, want)
		}
		b.checkTerms(t, w)
	}
}

// TestTermsAreExactAfterTurns has a document give way again and again.
func TestTermsAreExactAfterTurns(t *testing.T) {
	b, w := newBelt(3*turnChunks + 5)
	w.Workers, b.waiting = 1, true
	err := rag.ErrYield
	for errors.Is(err, rag.ErrYield) {
		err = w.Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.checkTerms(t, w)
}

// TestTallyIsBounded counts chunks of ever new words: those past the bound are left to be read again.
func TestTallyIsBounded(t *testing.T) {
	counted := newTally()
	chunks := make([]rag.Chunk, 0, 3*maxTally/1000)
	for ordinal := range cap(chunks) {
		terms := make([]uint32, 1000)
		for i := range terms {
			terms[i] = uint32(1000*ordinal + i)
		}
		chunks = append(chunks, rag.Chunk{Ordinal: ordinal})
		counted.batch(chunks[ordinal:], []Row{{Sparse: rag.TermVector{Terms: terms}}})
	}
	if n := len(counted.counts); n < maxTally || n > maxTally+1000 {
		t.Errorf("%d terms are held, want about %d", n, maxTally)
	}
	var missing int
	read := func(_ context.Context, _ rag.Claim, _ VersionID, from, limit int) ([]rag.Chunk, error) {
		page := chunks[min(from, len(chunks)):min(from+limit, len(chunks))]
		missing += len(page)
		return page, nil
	}
	held := counted.chunks
	terms, err := chunksOf(read).terms(t.Context(), rag.Claim{}, VersionID{Title: "Kites"}, "en", newDesk().worker().Lexical, counted)
	if err != nil || terms.Chunks != len(chunks) || missing != len(chunks)-held {
		t.Errorf("%d of %d chunks counted, %d held and %d read: %v", terms.Chunks, len(chunks), held, missing, err)
	}
}
