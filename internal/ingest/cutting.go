package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/semaphore"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// parseBytes bounds the originals that are parsed and cut at the same time: of some formats that takes memory many times
// their size. One counts for at most half of it: so two of any size fit, or a large one with small ones beside it.
const parseBytes = 64 << 20

// makeChunks parses the original and writes its text and chunk rows, unless those of the live version will do; it gives
// the document's title.
//
// A document is suspect when a worker died while it parsed that. It is parsed alone: if the worker dies again it is known
// which one is to blame.
func (w *Worker) makeChunks(ctx context.Context, c rag.Claim, task Task, encoder Encoder) (title string, err error) {
	if task.Same {
		title, err = w.Ledger.CopyChunks(ctx, c)
		return cmp.Or(task.Document.Title, title), err
	}
	original, size, err := w.Blobs.Open(ctx, task.Blob)
	if err != nil {
		return "", fmt.Errorf("open original: %w", err)
	}
	defer original.Close()
	w.once.Do(func() { w.parsing = semaphore.NewWeighted(parseBytes) })
	room := min(size, parseBytes/2)
	if task.Suspect {
		room = parseBytes
	}
	if err := w.parsing.Acquire(ctx, room); err != nil {
		return "", fmt.Errorf("wait to be parsed: %w", err)
	}
	defer w.parsing.Release(room)

	left, err := w.Ledger.BeginChunks(ctx, c)
	if err != nil {
		return "", err
	}
	if left != "" {
		if err := w.Blobs.Delete(ctx, left); err != nil {
			return "", err
		}
	}
	cut, err := w.cut(ctx, c, task, rag.Original{ReadSeeker: original, Size: size, MediaType: task.Document.MediaType, Name: task.Document.Filename}, encoder)
	if err != nil {
		return "", err
	}
	if err := w.Ledger.EndChunks(ctx, c, cut); err != nil {
		if errors.Is(err, rag.ErrStale) { // nothing names the text
			return "", errors.Join(err, w.Blobs.Delete(context.WithoutCancel(ctx), cut.Text))
		}
		return "", err
	}
	return cmp.Or(task.Document.Title, cut.Title), nil
}

// cut writes the text of an original, and all but the last of its chunks. Where it fails no text is left.
func (w *Worker) cut(ctx context.Context, c rag.Claim, task Task, original rag.Original, encoder Encoder) (Cut, error) {
	k := &cutting{ledger: w.Ledger, claim: c, chunking: cmp.Or(task.Document.Chunking, task.Collection.Chunking), tokenizer: until(ctx, encoder)}
	cut := Cut{Text: w.NewKey()}
	text := keep(ctx, w.Blobs, cut.Text)
	k.text = text.pipe
	var found rag.Findings
	var err error
	if task.Document.MediaType == mediaChunks {
		err = k.given(ctx, original, encoder.MaxTokens())
	} else {
		found, err = w.parse(ctx, original, k.window)
	}
	if err == nil && !k.worded {
		err = &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "there is no word in the document: no letter and no digit"}
	}
	if err := text.end(err); err != nil {
		return Cut{}, err
	}
	cut.Title, cut.Warnings, cut.Chunks = found.Title, found.Warnings, k.last
	return cut, nil
}

// errTime is why a parser is stopped whose time is up.
var errTime = errors.New("the time for parsing is up")

// parse has an original parsed within the worker's time for that. What is done with the windows does not count.
func (w *Worker) parse(ctx context.Context, original rag.Original, take func(context.Context, rag.Window) error) (rag.Findings, error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rest, began := w.Timeout, time.Now()
	timer := time.AfterFunc(rest, func() { cancel(errTime) })
	defer timer.Stop()
	found, err := w.Parser.Stream(limited, original, func(window rag.Window) error {
		timer.Stop()
		rest -= time.Since(began)
		defer func() {
			began = time.Now()
			timer.Reset(max(0, rest))
		}()
		return take(ctx, window)
	})
	switch {
	case err == nil:
		return found, nil
	case ctx.Err() == nil && errors.Is(context.Cause(limited), errTime):
		return rag.Findings{}, &rag.Problem{
			Kind: rag.ErrInvalid, Code: "timeout", Err: err,
			Message: fmt.Sprintf("the document could not be parsed within %s; split it or raise parse_timeout", w.Timeout),
		}
	}
	return rag.Findings{}, fmt.Errorf("parse: %w", err)
}

// cutting is one document that is cut and written, window by window.
type cutting struct {
	ledger    Ledger
	claim     rag.Claim
	chunking  rag.Chunking
	tokenizer chunk.Tokenizer
	text      io.Writer
	last      []rag.Chunk // those that are not written
	worded    bool        // there is a word in a chunk
}

// window cuts and writes a window.
func (k *cutting) window(ctx context.Context, w rag.Window) error {
	if len(w.Blocks) == 0 {
		return k.add(ctx, "", nil, w.Done, w.Total)
	}
	chunks, err := chunk.Split(rag.Parsed{Text: w.Text, Blocks: w.Blocks}, k.chunking, k.tokenizer)
	if err != nil {
		return fmt.Errorf("chunk: %w", err)
	}
	moved := map[*rag.Parent]bool{} // chunks share them
	for i := range chunks {
		chunks[i].Span = chunks[i].Span.Moved(w.Start)
		if parent := chunks[i].Parent; parent != nil && !moved[parent] {
			parent.Span = parent.Span.Moved(w.Start)
			moved[parent] = true
		}
	}
	return k.add(ctx, w.Text, chunks, w.Done, w.Total)
}

// givenBatch is how many chunks of a client's own are written at once.
const givenBatch = 1000

// given takes an original that is the client's own chunks.
func (k *cutting) given(ctx context.Context, original io.Reader, most int) error {
	chunks, err := given(original, most, k.tokenizer)
	if err != nil {
		return err
	}
	for from := 0; from < len(chunks); from += givenBatch {
		batch := chunks[from:min(from+givenBatch, len(chunks))]
		var text strings.Builder
		for i, ch := range batch {
			if from+i > 0 {
				text.WriteString(chunk.Separator)
			}
			text.WriteString(ch.Text)
		}
		if err := k.add(ctx, text.String(), batch, from, len(chunks)); err != nil {
			return err
		}
	}
	return nil
}

// add stores a piece of the text, and the chunks of the piece before; done and total say how far the parser is.
func (k *cutting) add(ctx context.Context, text string, chunks []rag.Chunk, done, total int) error {
	if _, err := io.WriteString(k.text, text); err != nil {
		return err
	}
	for i := 0; i < len(chunks) && !k.worded; i++ {
		k.worded = strings.ContainsFunc(chunks[i].Text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
	}
	if len(k.last) > 0 || len(chunks) == 0 {
		if err := k.ledger.AddChunks(ctx, k.claim, k.last, done, total); err != nil {
			return err
		}
	}
	k.last = chunks
	return nil
}

// kept is a text that is stored while it comes.
type kept struct {
	pipe *io.PipeWriter
	done chan error
}

// keep begins to store a text under key.
func keep(ctx context.Context, blobs Blobs, key string) kept {
	r, w := io.Pipe()
	k := kept{pipe: w, done: make(chan error, 1)}
	go func() {
		err := guarded("keeping the text", func() error { return blobs.Put(ctx, key, r) })
		_ = r.CloseWithError(err)
		k.done <- err
	}()
	return k
}

// end waits until the text is durable; with an error, until nothing is left of it.
func (k kept) end(err error) error {
	_ = k.pipe.CloseWithError(err)
	stored := <-k.done
	return cmp.Or(err, stored)
}
