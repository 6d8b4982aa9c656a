package parse

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-pdf/fpdf"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/tesseract"
)

// scanned makes a PDF whose pages are pictures of the pages of another, at 200 dots an inch. Pages of typed stay text.
func scanned(t *testing.T, original []byte, typed ...int) []byte {
	t.Helper()
	engine := pdfEngine{cacheDir: cacheDir()}
	pool, err := engine.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.close() })
	instance, err := pool.GetInstanceWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer instance.Close()
	opened, err := instance.OpenDocument(&requests.OpenDocument{File: &original})
	if err != nil {
		t.Fatal(err)
	}
	count, err := instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: opened.Document})
	if err != nil {
		t.Fatal(err)
	}
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetFont("Helvetica", "", 12)
	for i := range count.PageCount {
		doc.AddPage()
		if slices.Contains(typed, i+1) {
			doc.MultiCell(0, 6, "This page has a text layer.", "", "L", false)
			continue
		}
		drawn, err := instance.RenderPageInDPI(&requests.RenderPageInDPI{
			DPI: 200, ImageFormat: requests.RenderImageFormatGrayscale, Page: requests.Page{ByIndex: &requests.PageByIndex{Document: opened.Document, Index: i}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var picture bytes.Buffer
		if err := png.Encode(&picture, drawn.Result.RenderedImage); err != nil {
			t.Fatal(err)
		}
		drawn.Cleanup()
		name := string(rune('a' + i))
		doc.RegisterImageOptionsReader(name, fpdf.ImageOptions{ImageType: "png"}, &picture)
		doc.ImageOptions(name, 0, 0, 210, 297, false, fpdf.ImageOptions{ImageType: "png"}, 0, "")
	}
	var out bytes.Buffer
	if err := doc.Output(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// reader stands in for a recognizer.
type reader struct {
	mu    sync.Mutex
	asked []image.Rectangle
	read  func(ctx context.Context, n int) (string, error)
}

func (r *reader) Recognize(ctx context.Context, page *image.Gray, _ int) (string, error) {
	r.mu.Lock()
	r.asked = append(r.asked, page.Rect)
	n := len(r.asked)
	r.mu.Unlock()
	return r.read(ctx, n)
}

func TestRecognition(t *testing.T) {
	huge := func(doc *fpdf.Fpdf) {
		doc.AddPageFormat("P", fpdf.SizeType{Wd: 2000, Ht: 2000})
		doc.Rect(20, 20, 50, 50, "F")
	}
	tests := []struct {
		name     string
		original []byte
		most     int
		read     func(ctx context.Context, n int) (string, error)
		want     []shown
		warnings []string
		code     string
	}{
		{"only pages without text are read", pdf(t, nil, "Typed.", picture, ""), 0, func(context.Context, int) (string, error) { return "Read from a pic-\nture.\n\nTwice.\n", nil },
			[]shown{{rag.BlockParagraph, "Typed.", "", 1}, {rag.BlockParagraph, "Read from a picture.", "", 2}, {rag.BlockParagraph, "Twice.", "", 2}},
			[]string{"ocr_used: 1 of 3 pages were read by text recognition, with errors to be expected: 2"}, ""},
		{"what can't be read is said", pdf(t, nil, "Typed.", picture, picture), 0, func(_ context.Context, n int) (string, error) {
			if n == 1 {
				return "", errors.New("broken")
			}
			return " \n", nil
		}, []shown{{rag.BlockParagraph, "Typed.", "", 1}}, []string{"partial_text: 2 of 3 pages have no text layer: 2, 3"}, ""},
		{"a limit of pages", pdf(t, nil, picture, picture, picture), 1, func(context.Context, int) (string, error) { return "Read.", nil },
			[]shown{{rag.BlockParagraph, "Read.", "", 1}},
			[]string{"ocr_used: 1 of 3 pages were read by text recognition, with errors to be expected: 1", "partial_text: 2 of 3 pages have no text layer: 2, 3"}, ""},
		{"nothing is read", pdf(t, nil, picture), 0, func(context.Context, int) (string, error) { return "", nil }, nil, nil, "no_text_layer"},
		{"every picture fails", pdf(t, nil, picture), 0, func(context.Context, int) (string, error) { return "", errors.New("broken") }, nil, nil, "no_text_layer"},
		{"a page as big as a field", pdf(t, huge), 0, func(context.Context, int) (string, error) { return "Read.", nil },
			[]shown{{rag.BlockParagraph, "Read.", "", 1}}, []string{"ocr_used: 1 of 1 pages were read by text recognition, with errors to be expected: 1"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			recognizer := &reader{read: test.read}
			r := New(Options{CacheDir: cacheDir(), Recognizer: recognizer, RecognizePages: test.most})
			defer r.Close()
			p, err := r.Parse(t.Context(), originalOf(TypePDF, test.original))
			if test.code != "" {
				var problem *rag.Problem
				if !errors.As(err, &problem) || problem.Code != test.code {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := check(t, p); !slices.Equal(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if !slices.Equal(told(p.Warnings), test.warnings) {
				t.Errorf("warnings %q", p.Warnings)
			}
			for _, size := range recognizer.asked {
				if size.Dx()*size.Dy() > 1.05*recognizePixels {
					t.Errorf("a picture of %v", size)
				}
			}
		})
	}
}

// TestRecognitionLeavesTime needs a recognizer that takes so long that all pages would not fit into the time.
func TestRecognitionLeavesTime(t *testing.T) {
	r := New(Options{CacheDir: cacheDir(), Recognizer: &reader{read: func(context.Context, int) (string, error) {
		time.Sleep(200 * time.Millisecond)
		return "Read.", nil
	}}})
	defer r.Close()
	pages := slices.Repeat([]string{picture}, 40)
	original := pdf(t, nil, pages...)
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	p, err := r.Parse(ctx, originalOf(TypePDF, original))
	if err != nil || len(p.Warnings) != 2 || !strings.HasPrefix(told(p.Warnings)[0], "ocr_used: ") || !strings.HasPrefix(told(p.Warnings)[1], "partial_text: ") {
		t.Errorf("got %q, %v", p.Warnings, err)
	}
}

// TestTesseractReadsScans reads the picture of a known text with the real program.
func TestTesseractReadsScans(t *testing.T) {
	if _, err := exec.LookPath("tesseract"); err != nil && os.Getenv("REDKITE_TEST_TESSERACT") == "" {
		t.Skip("tesseract is not installed (apt-get install tesseract-ocr); set REDKITE_TEST_TESSERACT=1 to make that an error")
	}
	original, err := os.ReadFile("testdata/pdf/recall-reportlab.pdf")
	if err != nil {
		t.Fatal(err)
	}
	digital, err := parse(t, TypePDF, original)
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{CacheDir: cacheDir(), Recognizer: tesseract.New(tesseract.Config{})})
	defer r.Close()
	p, err := r.Parse(t.Context(), originalOf(TypePDF, scanned(t, original, 2)))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, block := range digital.Blocks {
		if block.Page != 2 {
			want = append(want, words(block.Text)...)
		}
	}
	for _, block := range check(t, p) {
		if block.Page != 2 {
			got = append(got, words(block.Text)...)
		} else if block.Text != "This page has a text layer." {
			t.Errorf("page 2 says %q", block.Text)
		}
	}
	single, triple := recall(got, want)
	t.Logf("recall of words %.4f, of three in a row %.4f", single, triple)
	if single < 0.97 || triple < 0.93 {
		t.Errorf("recall of words %.4f, of three in a row %.4f", single, triple)
	}
	if len(p.Warnings) != 1 || !strings.HasPrefix(told(p.Warnings)[0], "ocr_used: ") {
		t.Errorf("warnings %q", p.Warnings)
	}
}
