package ingest

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// batch is embedded chunks on their way into the index.
type batch struct {
	rows   []Row
	reused int // of them, how many took a vector over
}

// embed embeds and indexes the chunks that no earlier attempt has. While one batch is written the next is embedded, and no
// more than these two are held, however large the document is. A text that the live version has too keeps its vector. Their
// terms are counted on the way.
func (w *Worker) embed(ctx context.Context, c rag.Claim, task Task, encoder Encoder, counted *tally) error {
	kept, err := w.twinsOf(ctx, c, task, encoder)
	if err != nil {
		return err
	}
	making, cancel := context.WithCancel(ctx)
	defer cancel()
	l := line{batches: make(chan batch), enough: make(chan struct{}), counted: counted}
	made := make(chan error, 1)
	go func() {
		defer close(l.batches)
		made <- guarded("embedding", func() error { return w.makeBatches(making, c, task, encoder, kept, l) })
	}()
	turn := w.turns.begin(w.Workers)
	defer turn.end()
	var failed error
	over := false
	for b := range l.batches {
		if failed == nil {
			failed = w.write(ctx, c, task.Collection, b)
		}
		if failed == nil && !over {
			if over, failed = turn.done(len(b.rows), func() (bool, error) { return w.Ledger.Waiting(ctx, c) }); over {
				close(l.enough)
			}
		}
		if failed != nil {
			cancel()
		}
	}
	err = <-made
	switch {
	case failed != nil:
		return failed
	case err == nil && over:
		return rag.ErrYield
	}
	return err
}

// line leads from the encoder to the index.
type line struct {
	batches chan batch    // closed by the maker
	enough  chan struct{} // closed when no further batch is to be begun
	counted *tally        // the maker's, until batches is closed
}

// makeBatches embeds what is pending, batch by batch, in order, and hands each over.
func (w *Worker) makeBatches(ctx context.Context, c rag.Claim, task Task, encoder Encoder, kept twins, l line) error {
	for next := 0; ; {
		select {
		case <-l.enough:
			return nil
		default:
		}
		// The batch before is being written: its chunks may still be pending.
		chunks, err := w.Ledger.PendingChunks(ctx, c, 2*embedBatch)
		if err != nil {
			return fmt.Errorf("read pending chunks: %w", err)
		}
		for len(chunks) > 0 && chunks[0].Ordinal < next {
			chunks = chunks[1:]
		}
		if len(chunks) == 0 {
			return nil
		}
		chunks = chunks[:min(embedBatch, len(chunks))]
		next = chunks[len(chunks)-1].Ordinal + 1
		b, err := w.makeBatch(ctx, task, encoder, kept, chunks)
		if err != nil {
			return err
		}
		l.counted.batch(chunks, b.rows)
		select {
		case l.batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *Worker) makeBatch(ctx context.Context, task Task, encoder Encoder, kept twins, chunks []rag.Chunk) (batch, error) {
	texts := make([]string, len(chunks))
	for i, ch := range chunks {
		var err error
		if texts[i], err = chunk.EmbeddingText(task.Document.Title, ch, encoder); err != nil {
			return batch{}, err
		}
	}
	embeddings, reused, err := w.embeddings(ctx, task, encoder, kept, texts)
	if err != nil {
		return batch{}, err
	}
	b := batch{rows: make([]Row, len(chunks)), reused: reused}
	for i, ch := range chunks {
		b.rows[i] = Row{
			Chunk: ch.ID, Document: task.Document.ID, Metadata: task.Document.Metadata, Dense: embeddings[i],
			Sparse: w.Lexical.Document(termText(task.Document.Title, ch), task.Language),
		}
	}
	return b, nil
}

// write puts a batch into the index and marks it.
func (w *Worker) write(ctx context.Context, c rag.Claim, collection rag.Collection, b batch) error {
	if err := w.Index.Upsert(ctx, collection, b.rows); err != nil {
		return fmt.Errorf("index %d chunks: %w", len(b.rows), err)
	}
	ids := make([]rag.ChunkID, len(b.rows))
	for i, row := range b.rows {
		ids[i] = row.Chunk
	}
	return w.Ledger.MarkIndexed(ctx, c, ids, b.reused)
}

// guarded calls do, in a goroutine of its own where the queue does not catch panics, and makes an error of one.
func guarded(what string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v\n%s", what, p, debug.Stack())
		}
	}()
	return do()
}
