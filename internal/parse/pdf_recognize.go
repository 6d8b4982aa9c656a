package parse

import (
	"context"
	"fmt"
	"image"
	"math"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium/requests"
	"golang.org/x/sync/errgroup"

	"github.com/redkite/redkite/internal/rag"
)

// Recognizer reads the text off the picture of a page, which has so many dots an inch. It is called by several
// goroutines at the same time.
type Recognizer interface {
	Recognize(ctx context.Context, page *image.Gray, dpi int) (string, error)
}

const (
	recognizeDPI    = 300
	recognizePixels = 20 << 20 // of one picture: a bigger page gets fewer dots an inch
	leastDPI        = 36
)

// slowest is how long the slowest page took to recognize.
type slowest struct {
	mu   sync.Mutex
	took time.Duration
}

func (s *slowest) saw(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = max(s.took, took)
}

// fits reports whether another page can be expected to be done in the time that is left.
func (s *slowest) fits(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	s.mu.Lock()
	defer s.mu.Unlock()
	return !ok || time.Until(deadline) > 2*s.took+time.Second
}

// recognize reads pages that hold no text, by their indexes. What can't be read, or not in time, stays without text.
func (r *pdfReading) recognize(ctx context.Context, pages []int) (map[int]string, error) {
	texts := map[int]string{}
	if r.format.recognizer == nil || len(pages) == 0 {
		r.skip(pages)
		return texts, nil
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, page := range pages {
		if r.pictures >= r.format.recognizePages || !r.slowest.fits(ctx) {
			mu.Lock()
			r.skip(pages[i:])
			mu.Unlock()
			break
		}
		r.pictures++
		picture, dpi, err := r.render(ctx, page)
		if err != nil {
			_ = g.Wait()
			return nil, err
		}
		g.Go(func() error {
			text, err := r.look(ctx, picture, dpi, page)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				r.failure = err
				r.skip([]int{page})
			case strings.TrimSpace(text) == "":
				r.skip([]int{page})
			default:
				texts[page] = text
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for page := range texts {
		r.recognized = append(r.recognized, page+1)
	}
	return texts, nil
}

func (r *pdfReading) skip(pages []int) {
	for _, page := range pages {
		r.textless = append(r.textless, page+1)
	}
}

// look reads one picture.
func (r *pdfReading) look(ctx context.Context, picture *image.Gray, dpi, page int) (string, error) {
	if picture == nil {
		return "", nil
	}
	started := time.Now()
	text, err := r.format.recognizer.Recognize(ctx, picture, dpi)
	r.slowest.saw(time.Since(started))
	if err != nil {
		return "", fmt.Errorf("recognize page %d: %w", page+1, err)
	}
	return text, nil
}

// render draws a page in shades of gray. One that PDFium can't draw has no picture.
func (r *pdfReading) render(ctx context.Context, index int) (*image.Gray, int, error) {
	size, err := r.document.instance.FPDF_GetPageSizeByIndex(&requests.FPDF_GetPageSizeByIndex{Document: r.document.ref, Index: index})
	if err != nil || size.Width <= 0 || size.Height <= 0 {
		return nil, 0, ctx.Err()
	}
	dpi := recognizeDPI
	if most := int(72 * math.Sqrt(recognizePixels/(size.Width*size.Height))); most < dpi {
		dpi = most
	}
	if dpi < leastDPI {
		return nil, 0, ctx.Err()
	}
	drawn, err := r.document.instance.RenderPageInDPI(&requests.RenderPageInDPI{
		DPI: dpi, ImageFormat: requests.RenderImageFormatGrayscale,
		Page: requests.Page{ByIndex: &requests.PageByIndex{Document: r.document.ref, Index: index}},
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		return nil, 0, r.open(ctx) // another instance, since this one may be broken
	}
	defer drawn.Cleanup()
	gray, ok := drawn.Result.RenderedImage.(*image.Gray)
	if !ok {
		return nil, 0, fmt.Errorf("render page %d: got %T", index+1, drawn.Result.RenderedImage)
	}
	own := image.NewGray(gray.Rect)
	for y := range gray.Rect.Dy() {
		copy(own.Pix[y*own.Stride:(y+1)*own.Stride], gray.Pix[y*gray.Stride:])
	}
	return own, dpi, nil
}

// layOutRecognized adds what was read off a page: paragraphs with empty lines between them.
func layOutRecognized(b *builder, text string, page int) {
	b.page = page
	for part := range strings.SplitSeq(newlines(text), "\n\n") {
		var lines []pdfLine
		for line := range strings.SplitSeq(part, "\n") {
			if line = fold(clean(line)); line != "" {
				lines = append(lines, pdfLine{text: line})
			}
		}
		b.add(rag.BlockParagraph, joinLines(lines))
	}
}
