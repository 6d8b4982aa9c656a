package parse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/klippa-app/go-pdfium"
	pdferrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/redkite/redkite/internal/rag"
)

// pdfFormat reads PDFs with PDFium, compiled to WebAssembly: it is given the document's bytes and nothing else, no file
// system above all. Every document gets a new instance, so that memory is given back and one can't harm the next.
type pdfFormat struct {
	cacheDir string
	maxPages int
	maxText  int64

	mu     sync.Mutex
	engine pdfium.Pool
	cache  wazero.CompilationCache
}

// maxInstances bounds how many PDFs are read at once.
const maxInstances = 4

// start gives the engine, compiled at the first call: seconds, or milliseconds from the cache.
func (f *pdfFormat) start() (pdfium.Pool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.engine != nil {
		return f.engine, nil
	}
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithCloseOnContextDone(true)
	if f.cacheDir != "" {
		if err := os.MkdirAll(f.cacheDir, 0o750); err != nil {
			return nil, fmt.Errorf("start PDF engine: %w", err)
		}
		cache, err := wazero.NewCompilationCacheWithDir(f.cacheDir)
		if err != nil {
			return nil, fmt.Errorf("start PDF engine: %w", err)
		}
		f.cache = cache
		config = config.WithCompilationCache(cache)
	}
	engine, err := webassembly.Init(webassembly.Config{
		MinIdle: 0, MaxIdle: 1, MaxTotal: maxInstances,
		FSConfig: wazero.NewFSConfig(), RuntimeConfig: config, Stdout: io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		return nil, fmt.Errorf("start PDF engine: %w", err)
	}
	f.engine = engine
	return engine, nil
}

func (f *pdfFormat) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.engine == nil {
		return nil
	}
	err := f.engine.Close()
	f.engine = nil
	if f.cache != nil {
		err = errors.Join(err, f.cache.Close(context.Background()))
	}
	return err
}

// Parse reads a PDF page by page. A page without text is a warning, a document without any a rag.Problem of code
// "no_text_layer".
func (f *pdfFormat) Parse(ctx context.Context, original io.ReadSeeker, size int64) (rag.Parsed, error) {
	engine, err := f.start()
	if err != nil {
		return rag.Parsed{}, err
	}
	instance, err := engine.GetInstanceWithContext(ctx)
	if err != nil {
		return rag.Parsed{}, fmt.Errorf("get PDF instance: %w", err)
	}
	defer instance.Close()
	// A document that keeps the engine busy is stopped by killing its instance.
	stop := context.AfterFunc(ctx, func() { _ = instance.Kill() })
	defer stop()
	parsed, err := f.read(ctx, instance, original, size)
	if ctx.Err() != nil {
		return rag.Parsed{}, ctx.Err()
	}
	return parsed, err
}

func (f *pdfFormat) read(ctx context.Context, instance pdfium.Pdfium, original io.ReadSeeker, size int64) (rag.Parsed, error) {
	opened, err := instance.OpenDocument(&requests.OpenDocument{FileReader: original, FileReaderSize: size})
	switch {
	case errors.Is(err, pdferrors.ErrPassword) || errors.Is(err, pdferrors.ErrSecurity):
		return rag.Parsed{}, &rag.Problem{Kind: rag.ErrInvalid, Code: "encrypted", Err: err, Message: "the PDF is encrypted; remove its password and upload it again"}
	case err != nil:
		return rag.Parsed{}, unreadable(TypePDF, err)
	}
	defer instance.FPDF_CloseDocument(&requests.FPDF_CloseDocument{Document: opened.Document}) //nolint:errcheck // the instance goes next
	count, err := instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: opened.Document})
	if err != nil {
		return rag.Parsed{}, unreadable(TypePDF, err)
	}
	if count.PageCount > f.maxPages {
		return rag.Parsed{}, &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_many_pages", Message: fmt.Sprintf("the PDF has %d pages and the limit is %d; split it", count.PageCount, f.maxPages)}
	}
	var b builder
	var blank []int
	for i := range count.PageCount {
		if err := ctx.Err(); err != nil {
			return rag.Parsed{}, err
		}
		text, err := pageText(instance, opened.Document, i)
		if err != nil {
			return rag.Parsed{}, unreadable(TypePDF, fmt.Errorf("page %d: %w", i+1, err))
		}
		b.page = i + 1
		before := len(b.blocks)
		for _, paragraph := range paragraphs(clean(text)) {
			b.add(rag.BlockParagraph, paragraph)
		}
		if len(b.blocks) == before {
			blank = append(blank, i+1)
		}
		if int64(b.text.Len()) > f.maxText {
			return rag.Parsed{}, &rag.Problem{Kind: rag.ErrTooLarge, Code: "text_too_large", Message: fmt.Sprintf("the PDF holds more than %d bytes of text; split it", f.maxText)}
		}
	}
	if len(b.blocks) == 0 {
		return rag.Parsed{}, &rag.Problem{Kind: rag.ErrInvalid, Code: "no_text_layer", Message: fmt.Sprintf("none of the PDF's %d pages holds text: it is a scan or a picture; run text recognition on it first", count.PageCount)}
	}
	parsed := b.parsed(metaTitle(instance, opened.Document))
	parsed.Pages = count.PageCount
	if len(blank) > 0 {
		parsed.Warnings = []string{fmt.Sprintf("%d of %d pages hold no text, the first is page %d", len(blank), count.PageCount, blank[0])}
	}
	return parsed, nil
}

func pageText(instance pdfium.Pdfium, document references.FPDF_DOCUMENT, index int) (string, error) {
	text, err := instance.GetPageText(&requests.GetPageText{
		Page: requests.Page{ByIndex: &requests.PageByIndex{Document: document, Index: index}},
	})
	if err != nil {
		return "", err
	}
	return text.Text, nil
}

// metaTitle gives the title in the document's properties, or "".
func metaTitle(instance pdfium.Pdfium, document references.FPDF_DOCUMENT) string {
	meta, err := instance.GetMetaData(&requests.GetMetaData{Document: document, Tags: &[]string{"Title"}})
	if err != nil {
		return ""
	}
	for _, tag := range meta.Tags {
		if tag.Tag == "Title" {
			return tag.Value
		}
	}
	return ""
}
