package parse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/klippa-app/go-pdfium"
	pdferrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/redkite/redkite/internal/rag"
)

// pdfFormat reads PDFs with PDFium, compiled to WebAssembly: it is given the document's bytes and nothing else, no file
// system above all. Every document gets a new instance (2 ms), so that memory is given back and one can't harm the next.
type pdfFormat struct {
	engine   pdfEngine
	maxPages int
}

// Parse reads a PDF page by page. A page that shows something and has no text is a warning; a document without any text
// is a rag.Problem of code "no_text_layer".
func (f *pdfFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	engine, err := f.engine.start(ctx)
	if err != nil {
		return err
	}
	instance, err := engine.GetInstanceWithContext(ctx)
	if err != nil {
		return fmt.Errorf("get PDF instance: %w", errors.Join(ctx.Err(), err))
	}
	// A document that keeps the engine busy is stopped by killing its instance.
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = instance.Kill()
	})
	defer func() {
		if !stop() {
			<-killed
			return
		}
		_ = instance.Close()
	}()
	err = f.read(ctx, instance, o, b)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (f *pdfFormat) read(ctx context.Context, instance pdfium.Pdfium, o rag.Original, b *builder) error {
	opened, err := instance.OpenDocument(&requests.OpenDocument{FileReader: o, FileReaderSize: o.Size})
	switch {
	case errors.Is(err, pdferrors.ErrPassword) || errors.Is(err, pdferrors.ErrSecurity):
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "encrypted", Err: err, Message: "the PDF is encrypted; remove its password and upload it again"}
	case err != nil:
		return unreadable(TypePDF, err)
	}
	count, err := instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: opened.Document})
	if err != nil {
		return unreadable(TypePDF, err)
	}
	if count.PageCount > f.maxPages {
		return tooLarge("the PDF has %d pages and the limit is %d; split it", count.PageCount, f.maxPages)
	}
	textless, err := pdfPages(ctx, pdfDocument{instance: instance, ref: opened.Document}, count.PageCount, b)
	if err != nil {
		return err
	}
	if b.count == 0 && len(textless) > 0 {
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "no_text_layer", Message: fmt.Sprintf("none of the PDF's %d pages holds text: it is a scan or a picture; run text recognition on it first", count.PageCount)}
	}
	b.given, b.pages = metaTitle(instance, opened.Document), count.PageCount
	if len(textless) > 0 {
		b.warn(rag.WarnPartialText, "%s", textlessWarning(textless, count.PageCount))
	}
	return nil
}

// pdfWindow is how much text of a PDF is laid out at once, by sizes and distances that it has in common: all of most
// documents. A longer one is laid out piece by piece, each of whole pages.
const pdfWindow = 8 << 20

// pdfPages reads and lays out the pages. It gives those, from 1, that show something and hold no text.
func pdfPages(ctx context.Context, document pdfDocument, count int, b *builder) (textless []int, err error) {
	var lines []pdfLine
	bytes := 0
	for i := range count {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		page, shows, err := document.page(i)
		if err != nil {
			return nil, unreadable(TypePDF, fmt.Errorf("page %d: %w", i+1, err))
		}
		if len(page) == 0 && shows {
			textless = append(textless, i+1)
		}
		for _, line := range page {
			bytes += len(line.text)
		}
		lines = append(lines, page...)
		b.progress(i+1, count)
		if bytes >= pdfWindow || i == count-1 {
			layOut(b, lines)
			lines, bytes = nil, 0
		}
		if b.full {
			return textless, nil
		}
	}
	return textless, nil
}

// textlessWarning names the pages, the first ten at most.
func textlessWarning(pages []int, count int) string {
	var names []string
	for _, page := range pages[:min(10, len(pages))] {
		names = append(names, fmt.Sprint(page))
	}
	more := ""
	if len(pages) > len(names) {
		more = ", ..."
	}
	return fmt.Sprintf("%d of %d pages have no text layer: %s%s", len(pages), count, strings.Join(names, ", "), more)
}

// metaTitle gives the title in the document's properties, or "" where it is only the name of a file, as many programs
// put there.
func metaTitle(instance pdfium.Pdfium, document references.FPDF_DOCUMENT) string {
	meta, err := instance.GetMetaData(&requests.GetMetaData{Document: document, Tags: &[]string{"Title"}})
	if err != nil {
		return ""
	}
	for _, tag := range meta.Tags {
		if tag.Tag == "Title" && sensibleTitle(tag.Value) {
			return tag.Value
		}
	}
	return ""
}

func sensibleTitle(title string) bool {
	lower := strings.ToLower(strings.TrimSpace(title))
	for _, suffix := range []string{".doc", ".docx", ".odt", ".tex", ".dvi", ".pdf", ".indd", ".ppt", ".pptx", ".xls", ".xlsx", ".qxd"} {
		if strings.HasSuffix(lower, suffix) {
			return false
		}
	}
	return lower != "untitled" && !strings.HasPrefix(lower, "microsoft word - ")
}
