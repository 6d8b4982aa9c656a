package parse

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-pdf/fpdf"
)

// TestPDFStopsWithItsContext needs a document that takes far longer than the deadline.
func TestPDFStopsWithItsContext(t *testing.T) {
	original := pdf(t, nil, strings.Repeat("Every word of this long text has to be read. ", 100_000))
	r := New(Options{CacheDir: cacheDir()})
	defer r.Close()
	small := pdf(t, nil, "one page")
	if _, err := r.Parse(t.Context(), originalOf(TypePDF, small)); err != nil {
		t.Fatal(err) // and the engine is warm
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := r.Parse(ctx, originalOf(TypePDF, original)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if p, err := r.Parse(t.Context(), originalOf(TypePDF, small)); err != nil || p.Text != "one page" {
		t.Errorf("the next document: %q, %v", p.Text, err)
	}
}

func TestPDFEngineStartsLate(t *testing.T) {
	dir := t.TempDir() + "/cache"
	r := New(Options{CacheDir: dir})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the engine was started without a PDF: %v", err)
	}
	if _, err := r.Parse(t.Context(), originalOf(TypePDF, []byte("%PDF-1.7"))); err == nil {
		t.Error("a closed registry took a PDF")
	}
}

func TestPDFHeadings(t *testing.T) {
	original := pdf(t, func(doc *fpdf.Fpdf) {
		doc.AddPage()
		for _, line := range []struct {
			size float64
			text string
		}{{20, "Handbook"}, {14, "Holidays"}, {10, "Everybody has thirty days off in a year, and may take ten of them over into the next."}, {14, "Travel"}, {10, "Trains are booked by the office, two weeks before you go."}} {
			doc.SetFont("Helvetica", "", line.size)
			doc.MultiCell(0, line.size/2, line.text, "", "L", false)
		}
	})
	p, err := parse(t, TypePDF, original)
	if err != nil {
		t.Fatal(err)
	}
	blocks := check(t, p)
	if last := blocks[len(blocks)-1]; last.Path != "Handbook > Travel" || p.Title != "Handbook" {
		t.Errorf("title %q, blocks %+v", p.Title, blocks)
	}
}

func TestSensibleTitle(t *testing.T) {
	for title, want := range map[string]bool{"Yearly report": true, "report_v3.docx": false, "Microsoft Word - report": false, "Untitled": false, "thesis.TEX": false} {
		if got := sensibleTitle(title); got != want {
			t.Errorf("%q: got %v", title, got)
		}
	}
}

// FuzzPDF asserts of any bytes that they end in blocks or in an error that the user can read.
func FuzzPDF(f *testing.F) {
	f.Add(pdf(f, nil, "some text", "more text"))
	f.Add(pdf(f, func(doc *fpdf.Fpdf) { doc.SetCompression(false) }, "not compressed", picture))
	f.Add([]byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 9>>endobj trailer<</Root 1 0 R>>"))
	r := New(Options{CacheDir: cacheDir(), MaxPages: 50})
	f.Cleanup(func() { _ = r.Close() })
	f.Fuzz(func(t *testing.T, original []byte) { fuzzed(t, r, TypePDF, original) })
}

func TestPDFJoinsWordsCutAtALinesEnd(t *testing.T) {
	original := pdf(t, func(doc *fpdf.Fpdf) {
		doc.AddPage()
		for _, line := range []string{"The library offers parsing and structures man-", "agement, as well as encoding and decoding of", "every value that the grammar knows"} {
			doc.CellFormat(0, 6, line, "", 2, "L", false, 0, "")
		}
	})
	p, err := parse(t, TypePDF, original)
	want := "The library offers parsing and structures management, as well as encoding and decoding of every value that the grammar knows"
	if err != nil || p.Text != want {
		t.Errorf("got %q, %v", p.Text, err)
	}
}
