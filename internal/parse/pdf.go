package parse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	pdferrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/redkite/redkite/internal/rag"
)

// pdfFormat reads PDFs with PDFium, compiled to WebAssembly: it is given the document's bytes and nothing else, no file
// system above all. Every document gets its own instances (2 ms each), so that memory is given back and one can't harm
// the next.
type pdfFormat struct {
	engine         pdfEngine
	maxPages       int
	recognizer     Recognizer // nil where pictures are not read
	recognizePages int
}

const (
	windowPages  = 50  // are read and laid out at a time
	samplePages  = 40  // that the style of a longer document is taken from
	instanceLife = 200 // pages that one instance reads: it keeps something of each
	maxDamaged   = 50  // pages that can't be read, before the document is given up
)

// Parse reads a PDF in windows of pages. A page that shows something and has no text is a warning, unless a recognizer
// reads it; a document without any text is a rag.Problem of code "no_text_layer".
func (f *pdfFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	r := pdfReading{format: f, original: o, builder: b}
	defer r.close()
	err := r.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// pdfReading is the reading of one document.
type pdfReading struct {
	*builder
	format   *pdfFormat
	original rag.Original

	document pdfDocument
	end      func() // gives the instance back; nil while there is none
	read     int    // pages, by this instance

	style   pdfStyle
	outline pdfOutline
	numbers pdfNumbers

	hidden     int   // characters left out
	textless   []int // pages, from 1, that show something and hold no text
	recognized []int // pages whose picture was read
	pictures   int   // that a recognizer was asked to read
	damaged    []int // pages that PDFium gave up on
	cause      error // of the last damage
	failure    error // of the last recognition
	slowest    slowest
}

func (r *pdfReading) run(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	count, err := r.document.instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: r.document.ref})
	if err != nil {
		return unreadable(TypePDF, err)
	}
	total := count.PageCount
	if total > r.format.maxPages {
		return tooLarge("the PDF has %d pages and the limit is %d; split it", total, r.format.maxPages)
	}
	r.given, r.pages = metaTitle(r.document), total
	r.outline = r.document.outline()
	if total > windowPages {
		if err := r.sample(ctx, total); err != nil {
			return err
		}
	}
	for from := 0; from < total && !r.full; from += windowPages {
		if err := r.window(ctx, from, min(from+windowPages, total), total <= windowPages); err != nil {
			return err
		}
	}
	return r.conclude(total)
}

// open opens the document in a new instance. A document that keeps the engine busy is stopped by killing it.
func (r *pdfReading) open(ctx context.Context) error {
	r.close()
	engine, err := r.format.engine.start(ctx)
	if err != nil {
		return err
	}
	instance, err := engine.GetInstanceWithContext(ctx)
	if err != nil {
		return fmt.Errorf("get PDF instance: %w", errors.Join(ctx.Err(), err))
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = instance.Kill()
	})
	r.end = func() {
		if !stop() {
			<-killed
			return
		}
		_ = instance.Kill() // and not Close, which goes through a document that may be what broke it
	}
	r.read = 0
	opened, err := instance.OpenDocument(&requests.OpenDocument{FileReader: r.original, FileReaderSize: r.original.Size})
	switch {
	case errors.Is(err, pdferrors.ErrPassword) || errors.Is(err, pdferrors.ErrSecurity):
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "encrypted", Err: err, Message: "the PDF is encrypted; remove its password and upload it again"}
	case err != nil:
		return unreadable(TypePDF, err)
	}
	r.document = pdfDocument{instance: instance, ref: opened.Document}
	return nil
}

func (r *pdfReading) close() {
	if r.end != nil {
		r.end()
		r.end = nil
	}
}

// sample takes the style from pages all over the document.
func (r *pdfReading) sample(ctx context.Context, total int) error {
	var lines []pdfLine
	for i := range samplePages {
		page, err := r.page(ctx, i*total/samplePages)
		if err != nil {
			return err
		}
		lines = append(lines, sheetLines(page, i+1)...)
	}
	r.style = styleOf(lines)
	r.damaged, r.hidden = nil, 0
	return nil
}

// window reads the pages [from, to) and lays them out. A short document is its own sample.
func (r *pdfReading) window(ctx context.Context, from, to int, alone bool) error {
	var sheets []pdfSheet
	var numbers []int
	for i := from; i < to; i++ {
		sheet, err := r.page(ctx, i)
		if err != nil {
			return err
		}
		sheets, numbers = append(sheets, sheet), append(numbers, i+1)
		r.progress(i+1, r.pages)
	}
	withoutRunning(sheets, numbers)
	lines := make([][]pdfLine, len(sheets))
	var blank []int // indexes of pages without text
	for i, sheet := range sheets {
		lines[i] = sheetLines(sheet, numbers[i])
		if sheet.shows && len(lines[i]) == 0 {
			blank = append(blank, from+i)
		}
	}
	if alone {
		r.style = styleOf(slices.Concat(lines...))
	}
	texts, err := r.recognize(ctx, blank)
	if err != nil {
		return err
	}
	for i, page := range numbers {
		if text, ok := texts[from+i]; ok {
			layOutRecognized(r.builder, text, page)
			continue
		}
		layOut(r.builder, lines[i], r.style, r.outline, &r.numbers)
	}
	return nil
}

// page reads one page. One that PDFium gives up on is noted and left out, and another instance goes on after it.
func (r *pdfReading) page(ctx context.Context, index int) (pdfSheet, error) {
	if err := ctx.Err(); err != nil {
		return pdfSheet{}, err
	}
	if r.read >= instanceLife {
		if err := r.open(ctx); err != nil {
			return pdfSheet{}, err
		}
	}
	r.read++
	sheet, err := r.document.sheet(index)
	if err == nil {
		r.hidden += sheet.hidden
		return sheet, nil
	}
	if ctx.Err() != nil {
		return pdfSheet{}, ctx.Err()
	}
	r.damaged, r.cause = append(r.damaged, index+1), fmt.Errorf("page %d: %w", index+1, err)
	if len(r.damaged) > maxDamaged {
		return pdfSheet{}, unreadable(TypePDF, r.cause)
	}
	return pdfSheet{}, r.open(ctx)
}

// conclude says what the user should know of the document, or why it can't be used.
func (r *pdfReading) conclude(total int) error {
	if r.count == 0 && !r.full {
		switch {
		case len(r.damaged) > 0:
			return unreadable(TypePDF, r.cause)
		case r.failure != nil:
			return &rag.Problem{Kind: rag.ErrInvalid, Code: "no_text_layer", Err: r.failure, Message: fmt.Sprintf("none of the PDF's %d pages holds text, and text recognition could not read them", total)}
		case len(r.textless) > 0 && r.format.recognizer != nil:
			return &rag.Problem{Kind: rag.ErrInvalid, Code: "no_text_layer", Message: fmt.Sprintf("none of the PDF's %d pages holds text, and text recognition found none in their pictures", total)}
		case len(r.textless) > 0:
			return &rag.Problem{Kind: rag.ErrInvalid, Code: "no_text_layer", Message: fmt.Sprintf("none of the PDF's %d pages holds text: it is a scan or a picture; run text recognition on it first, or set ocr", total)}
		}
	}
	if len(r.recognized) > 0 {
		r.warn(rag.WarnOCRUsed, "%d of %d pages were read by text recognition, with errors to be expected: %s", len(r.recognized), total, pageList(r.recognized))
	}
	if len(r.textless) > 0 {
		r.warn(rag.WarnPartialText, "%d of %d pages have no text layer: %s", len(r.textless), total, pageList(r.textless))
	}
	if len(r.damaged) > 0 {
		r.warn(rag.WarnPartialText, "%d of %d pages are damaged: %s", len(r.damaged), total, pageList(r.damaged))
	}
	if r.hidden > 0 {
		r.warn(rag.WarnHiddenText, "%d characters that no reader sees (without ink, white on white, tiny or off the page) were left out", r.hidden)
	}
	return nil
}

// pageList names the pages, the first ten at most.
func pageList(pages []int) string {
	pages = slices.Clone(pages)
	slices.Sort(pages)
	var names []string
	for _, page := range pages[:min(10, len(pages))] {
		names = append(names, fmt.Sprint(page))
	}
	if len(pages) > len(names) {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

// metaTitle gives the title in the document's properties, or "" where it is only the name of a file, as many programs
// put there.
func metaTitle(d pdfDocument) string {
	meta, err := d.instance.GetMetaData(&requests.GetMetaData{Document: d.ref, Tags: &[]string{"Title"}})
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
