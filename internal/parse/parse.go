// Package parse turns originals into blocks: one file a format, one registry that knows them all.
//
// A parser keeps structure (headings, lists, tables, code), pages where the format has them, and the place of every
// block in one normalised text. Parsers read untrusted bytes: each is bounded by size and by its context, a panic in a
// library is an error, and PDFs are read inside a WebAssembly sandbox that has no file system.
package parse

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Format turns an original of one kind into blocks, in reading order. An original that can't be read as the format says
// is a rag.Problem of kind rag.ErrInvalid.
type Format interface {
	Parse(ctx context.Context, o rag.Original, b *builder) error
}

// Options bound the parsers.
type Options struct {
	CacheDir string // where the compiled PDF engine is kept; empty compiles it anew in each process (seconds)
	MaxPages int    // of a PDF. Defaults to 10,000.
	MaxText  int64  // bytes of the normalised text. Defaults to 256 MiB.

	Recognizer     Recognizer // reads pages of a PDF that are pictures; nil leaves them out, with a warning
	RecognizePages int        // of one document, at most. Defaults to 500.
}

// Registry knows a parser for each media type.
type Registry struct {
	formats []format
	pdf     *pdfFormat
	maxText int64
	left    atomic.Int32 // parsers that were left behind and still run
}

// format is a line of the registry.
type format struct {
	mediaType  string
	extensions []string // of files that their names tell from other text; none for what only its bytes tell
	parser     Format
}

// New makes the registry. The PDF engine starts with the first PDF.
func New(o Options) *Registry {
	if o.MaxPages == 0 {
		o.MaxPages = 10_000
	}
	if o.MaxText == 0 {
		o.MaxText = 256 << 20
	}
	if o.RecognizePages == 0 {
		o.RecognizePages = 500
	}
	pdf := &pdfFormat{engine: pdfEngine{cacheDir: o.CacheDir}, maxPages: o.MaxPages, recognizer: o.Recognizer, recognizePages: o.RecognizePages}
	return &Registry{pdf: pdf, maxText: o.MaxText, formats: []format{
		{TypeText, nil, textFormat{}},
		{TypeMarkdown, []string{".md", ".markdown"}, markdownFormat{}},
		{TypeHTML, []string{".html", ".htm", ".xhtml"}, htmlFormat{}},
		{TypePDF, nil, pdf},
		{TypeCSV, []string{".csv", ".psv"}, csvFormat{}},
		{TypeTSV, []string{".tsv", ".tab"}, csvFormat{}},
		{TypeJSON, []string{".json", ".geojson", ".ipynb"}, jsonFormat{}},
		{TypeJSONL, []string{".jsonl", ".ndjson"}, jsonFormat{}},
		{TypeMail, []string{".eml"}, mailFormat{}},
		{TypeSource, sourceExtensions(), sourceFormat{}},
		{TypeRST, []string{".rst", ".rest"}, rstFormat{}},
		{TypeAsciiDoc, []string{".adoc", ".asciidoc"}, asciidocFormat{}},
		{TypeDOCX, nil, officeFormat{}},
		{TypePPTX, nil, officeFormat{}},
		{TypeXLSX, nil, officeFormat{}},
		{TypeOffice, nil, officeFormat{}},
		{TypeEPUB, nil, epubFormat{}},
		{TypeOLE, nil, oleFormat{}},
	}}
}

// Close ends the PDF engine.
func (r *Registry) Close() error { return r.pdf.engine.close() }

// parser gives the parser of a media type, or nil.
func (r *Registry) parser(mediaType string) Format {
	for _, f := range r.formats {
		if f.mediaType == mediaType {
			return f.parser
		}
	}
	return nil
}

// Parse reads a whole original; see Stream.
func (r *Registry) Parse(ctx context.Context, o rag.Original) (rag.Parsed, error) {
	var p rag.Parsed
	var text strings.Builder
	found, err := r.Stream(ctx, o, func(w rag.Window) error {
		text.WriteString(w.Text)
		for _, b := range w.Blocks {
			b.Span = b.Span.Moved(w.Start)
			p.Blocks = append(p.Blocks, b)
		}
		return nil
	})
	if err != nil {
		return rag.Parsed{}, err
	}
	p.Title, p.Text, p.Pages, p.Warnings = found.Title, text.String(), found.Pages, found.Warnings
	return p, nil
}

// Stream reads an original by its media type and has take called with one window after the other, in reading order. An
// error of take ends it. What holds no text is a rag.Problem of code "empty".
func (r *Registry) Stream(ctx context.Context, o rag.Original, take func(rag.Window) error) (rag.Findings, error) {
	parser := r.parser(o.MediaType)
	if parser == nil {
		return rag.Findings{}, &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported", Message: "no parser reads " + o.MediaType}
	}
	if err := r.Stuck(); err != nil {
		return rag.Findings{}, err
	}
	return r.await(ctx, take, func(ctx context.Context, hand func(rag.Window) error) (rag.Findings, error) {
		b := &builder{maxText: r.maxText, hand: hand, told: time.Now()}
		if err := guard(ctx, parser, o, b); err != nil {
			return rag.Findings{}, err
		}
		return b.end()
	})
}

// guard makes an error of a panic in a parser.
func guard(ctx context.Context, parser Format, o rag.Original, b *builder) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = unreadable(o.MediaType, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	return parser.Parse(ctx, o, b)
}

// unreadable says that an original is not what its type says.
func unreadable(mediaType string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &rag.Problem{
		Kind: rag.ErrInvalid, Code: "parse_error", Err: err,
		Message: fmt.Sprintf("the file can't be read as %s: it is damaged or not complete; save it anew and upload it again", mediaType),
	}
}
