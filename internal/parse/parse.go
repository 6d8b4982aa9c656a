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
	"io"
	"runtime/debug"
	"strings"
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
}

// Registry knows a parser for each media type.
type Registry struct {
	formats []format
	pdf     *pdfFormat
	maxText int64
}

// format is a line of the registry.
type format struct {
	mediaType  string
	extensions []string // of files that only their names tell from other text; none for what its bytes tell
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
	pdf := &pdfFormat{engine: pdfEngine{cacheDir: o.CacheDir}, maxPages: o.MaxPages, maxText: o.MaxText}
	return &Registry{pdf: pdf, maxText: o.MaxText, formats: []format{
		{TypeText, nil, textFormat{}},
		{TypeMarkdown, []string{".md", ".markdown"}, markdownFormat{}},
		{TypeHTML, []string{".html", ".htm", ".xhtml"}, htmlFormat{}},
		{TypePDF, nil, pdf},
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

// Parse reads an original by its media type. What holds no text is a rag.Problem of code "empty".
func (r *Registry) Parse(ctx context.Context, o rag.Original) (rag.Parsed, error) {
	parser := r.parser(o.MediaType)
	if parser == nil {
		return rag.Parsed{}, &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported", Message: "no parser reads " + o.MediaType}
	}
	p, err := await(ctx, func() (rag.Parsed, error) {
		b := &builder{maxText: r.maxText}
		if err := guard(ctx, parser, o, b); err != nil {
			return rag.Parsed{}, err
		}
		return b.parsed()
	})
	if err != nil {
		return rag.Parsed{}, err
	}
	if strings.TrimSpace(p.Text) == "" {
		return rag.Parsed{}, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "the document holds no text"}
	}
	return p, nil
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

// grace is how long a parser may go on after its context has ended: a job that is canceled stops within 2 s.
const grace = time.Second

// await runs a parser. One that is deep in a library which knows no context is left behind: it ends at some time, and
// what it makes is dropped.
func await(ctx context.Context, parse func() (rag.Parsed, error)) (rag.Parsed, error) {
	type outcome struct {
		parsed rag.Parsed
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		parsed, err := parse()
		done <- outcome{parsed, err}
	}()
	select {
	case o := <-done:
		return o.parsed, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.parsed, o.err
	case <-time.After(grace):
		return rag.Parsed{}, ctx.Err()
	}
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

// readAll reads a whole original that fits into memory by the upload limit.
func readAll(ctx context.Context, original io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(original)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("read original: %w", err)
	}
	return raw, nil
}
