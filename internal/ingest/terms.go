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

// termPage is how many chunks are read at once to count their terms.
const termPage = 500

// terms counts the terms of a version.
func (read chunksOf) terms(ctx context.Context, c rag.Claim, v VersionID, language string, analyzer *lexical.Analyzer) (VersionTerms, error) {
	t := VersionTerms{Language: language, Counts: map[uint32]int{}}
	for from := 0; ; {
		page, err := read(ctx, c, v, from, termPage)
		if err != nil {
			return VersionTerms{}, fmt.Errorf("read chunks from %d: %w", from, err)
		}
		for _, ch := range page {
			counts, _ := analyzer.Count(termText(v.Title, ch), language)
			for term := range counts {
				t.Counts[term]++
			}
		}
		t.Chunks += len(page)
		if len(page) < termPage {
			return t, nil
		}
		from = page[len(page)-1].Ordinal + 1
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
			terms, err := read.terms(ctx, c, v, language, r.Lexical)
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
