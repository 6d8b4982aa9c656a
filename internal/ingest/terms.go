package ingest

import (
	"context"
	"fmt"
	"strings"

	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// VersionID names a version of a document.
type VersionID struct {
	Document rag.DocumentID
	Version  int
	Title    string // as its chunks are indexed with
}

// VersionTerms are the language and the terms of a version's chunks.
type VersionTerms struct {
	Language string
	Chunks   int
	Counts   map[uint32]int // in how many of the chunks each term stands
}

// Terms is where a claim's job keeps what its version says of terms.
type Terms interface {
	// VersionChunks gives the chunks of a version, up to limit from an ordinal on, in order.
	VersionChunks(ctx context.Context, c rag.Claim, v VersionID, from, limit int) ([]rag.Chunk, error)
	// SetTerms keeps the terms of the version that the job makes; they count once it is live.
	SetTerms(ctx context.Context, c rag.Claim, terms VersionTerms) error
}

// TermBooks counts the terms of versions that were published before terms were.
type TermBooks interface {
	VersionChunks(ctx context.Context, c rag.Claim, v VersionID, from, limit int) ([]rag.Chunk, error)
	// Uncounted gives up to limit live versions of the claim's collection that are not counted, of documents after one.
	Uncounted(ctx context.Context, c rag.Claim, after rag.DocumentID, limit int) ([]VersionID, error)
	// CountTerms counts the terms of a version if it is still live and not counted.
	CountTerms(ctx context.Context, c rag.Claim, v VersionID, terms VersionTerms) error
}

// termText is the text whose terms stand for a chunk: with its document's title and its headings, as it is embedded.
func termText(title string, ch rag.Chunk) string {
	parts := []string{title}
	parts = append(parts, ch.Headings...)
	return strings.Join(append(parts, ch.Header, ch.Text), "\n")
}

// languageChunks is how many chunks are read to tell a version's language: about as much text as lexical.Detect reads.
const languageChunks = 8

// chunksOf reads chunks of the version under work.
type chunksOf func(ctx context.Context, c rag.Claim, v VersionID, from, limit int) ([]rag.Chunk, error)

// language tells a version's language by its first chunks, so that every attempt finds the same.
func (read chunksOf) language(ctx context.Context, c rag.Claim, v VersionID) (string, error) {
	first, err := read(ctx, c, v, 0, languageChunks)
	if err != nil {
		return "", fmt.Errorf("read first chunks: %w", err)
	}
	texts := make([]string, len(first))
	for i, ch := range first {
		texts[i] = ch.Text
	}
	return lexical.Detect(strings.Join(texts, "\n")), nil
}

// tally counts the terms of a version's chunks, each once, while they are embedded.
type tally struct {
	counts map[uint32]int
	chunks int
	done   []ordinals // of the chunks that are counted, ascending
}

// ordinals are those from one up to and without another.
type ordinals struct{ from, end int }

// maxTally bounds the terms that are held while a document is embedded: 10 MB or so. A text with more of them (a list of
// names, say) is read again at its end from where it was reached.
const maxTally = 200_000

func newTally() *tally { return &tally{counts: map[uint32]int{}} }

// batch counts chunks that come after those before, by the rows that were made of them.
func (t *tally) batch(chunks []rag.Chunk, rows []Row) {
	for i, ch := range chunks {
		if len(t.counts) >= maxTally {
			return
		}
		t.add(rows[i].Sparse.Terms)
		if last := len(t.done) - 1; last >= 0 && t.done[last].end == ch.Ordinal {
			t.done[last].end++
		} else {
			t.done = append(t.done, ordinals{ch.Ordinal, ch.Ordinal + 1})
		}
	}
}

func (t *tally) add(terms []uint32) {
	for _, term := range terms {
		t.counts[term]++
	}
	t.chunks++
}

// gap gives the first ordinal from one on that is not counted, and how many follow it, at most limit.
func (t *tally) gap(from, limit int) (first, length int) {
	for _, done := range t.done {
		if from < done.from {
			return from, min(limit, done.from-from)
		}
		from = max(from, done.end)
	}
	return from, limit
}

// termPage is how many chunks are read at once to count their terms.
const termPage = 500

// terms counts the terms of a version: to those that are counted come those of the chunks that an attempt before
// embedded. Their ordinals have no gaps.
func (read chunksOf) terms(ctx context.Context, c rag.Claim, v VersionID, language string, analyzer *lexical.Analyzer, counted *tally) (VersionTerms, error) {
	for from := 0; ; {
		first, length := counted.gap(from, termPage)
		page, err := read(ctx, c, v, first, length)
		if err != nil {
			return VersionTerms{}, fmt.Errorf("read chunks from %d: %w", first, err)
		}
		for _, ch := range page {
			counted.add(analyzer.Document(termText(v.Title, ch), language).Terms)
		}
		if len(page) < length {
			return VersionTerms{Language: language, Chunks: counted.chunks, Counts: counted.counts}, nil
		}
		from = first + length
	}
}

// countPage is how many versions are looked for at once.
const countPage = 100

// countTerms counts the terms of the live versions of a collection that are not counted: those that were published by a
// redkite that did not count yet.
func (r *Reconciler) countTerms(ctx context.Context, c rag.Claim) error {
	for after := rag.DocumentID(0); ; {
		page, err := r.Terms.Uncounted(ctx, c, after, countPage)
		if err != nil {
			return fmt.Errorf("read versions without terms: %w", err)
		}
		for _, v := range page {
			read := chunksOf(r.Terms.VersionChunks)
			language, err := read.language(ctx, c, v)
			if err != nil {
				return fmt.Errorf("tell the language of document %d: %w", v.Document, err)
			}
			terms, err := read.terms(ctx, c, v, language, r.Lexical, newTally())
			if err != nil {
				return fmt.Errorf("count terms of document %d: %w", v.Document, err)
			}
			if err := r.Terms.CountTerms(ctx, c, v, terms); err != nil {
				return err
			}
			after = v.Document
		}
		if len(page) < countPage {
			return nil
		}
	}
}
