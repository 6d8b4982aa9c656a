package parse

import (
	"math"
	"slices"
	"strings"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/structs"
)

// pdfPiece is a word, or some of one line, with the place where it is printed: x from the left, y from the bottom, in
// points, turned so that its text runs to the right.
type pdfPiece struct {
	text        string
	left, right float64
	low, high   float64 // of the line: below and above the letters, whatever letters there are
	bold        bool
	glued       bool // no blank before it, where the piece before it ends right there
	cut         bool // ends in a hyphen that PDFium takes for one that cuts a word
}

func (p pdfPiece) size() float64   { return p.high - p.low }
func (p pdfPiece) middle() float64 { return (p.high + p.low) / 2 }

// pdfSheet is what is read of one page.
type pdfSheet struct {
	pieces []pdfPiece // upright text, as the file draws it
	turned []pdfPiece // what is printed at another angle than most of the page
	box    pdfBox     // the page, turned like pieces
	shows  bool       // something is drawn on the page
	hidden int        // characters that no reader sees
}

// pdfBox is a part of a page.
type pdfBox struct{ left, low, right, high float64 }

func (b pdfBox) width() float64  { return b.right - b.left }
func (b pdfBox) height() float64 { return b.high - b.low }

// boxOf gives a rectangle of PDFium's, whichever way round it has its sides.
func boxOf(r structs.FPDF_FS_RECTF) pdfBox {
	return pdfBox{left: float64(min(r.Left, r.Right)), right: float64(max(r.Left, r.Right)), low: float64(min(r.Top, r.Bottom)), high: float64(max(r.Top, r.Bottom))}
}

// pdfDocument is an open document.
type pdfDocument struct {
	instance pdfium.Pdfium
	ref      references.FPDF_DOCUMENT
}

// sheet reads a page.
func (d pdfDocument) sheet(index int) (sheet pdfSheet, err error) {
	loaded, err := d.instance.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.ref, Index: index})
	if err != nil {
		return sheet, err
	}
	defer func() {
		_, closeErr := d.instance.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: loaded.Page})
		if err == nil {
			err = closeErr
		}
	}()
	page := requests.Page{ByReference: &loaded.Page}
	opened, err := d.instance.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: page})
	if err != nil {
		return sheet, err
	}
	defer func() {
		_, closeErr := d.instance.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: opened.TextPage})
		if err == nil {
			err = closeErr
		}
	}()
	text := pdfText{instance: d.instance, page: page, text: opened.TextPage, bounds: d.bounds(page)}
	if err = text.read(); err != nil {
		return sheet, err
	}
	sheet.pieces, sheet.turned, sheet.box = text.turn()
	sheet.hidden, sheet.shows = text.hidden, text.hidden > 0 || len(text.words) > 0
	if !sheet.shows {
		objects, err := d.instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: page})
		if err != nil {
			return sheet, err
		}
		sheet.shows = objects.Count > 0
	}
	return sheet, nil
}

// bounds gives what is seen of a page, in its own coordinates.
func (d pdfDocument) bounds(page requests.Page) pdfBox {
	box, err := d.instance.FPDF_GetPageBoundingBox(&requests.FPDF_GetPageBoundingBox{Page: page})
	if err != nil {
		return pdfBox{right: math.Inf(1), high: math.Inf(1), left: math.Inf(-1), low: math.Inf(-1)}
	}
	return boxOf(box.Rect)
}

// pdfWord is a piece before it is turned.
type pdfWord struct {
	pdfPiece
	quarter int // of a turn, to the left, that its text runs at; 4 for any other angle
}

// pdfText reads the text of an open page.
type pdfText struct {
	instance pdfium.Pdfium
	page     requests.Page
	text     references.FPDF_TEXTPAGE
	bounds   pdfBox

	words   []pdfWord
	hidden  int
	covers  *pdfCovers // what is drawn below the text; nil until it is asked for
	bold    bool       // the font of the word before
	sampled float64    // the size that bold was found at; 0 at a line's start
}

const (
	// raised is the part of a word's size that a mark before it is printed in, at most.
	raised = 0.8
	// pdfHyphen is what PDFium writes for a hyphen that cuts a word at a line's end, without the newline after it.
	pdfHyphen = '\uFFFE'
	// maxPageRunes is how much of one page is read.
	maxPageRunes = 1 << 20
)

// read finds the page's words. PDFium gives its characters line by line, blanks between words included.
func (t *pdfText) read() error {
	runes, err := t.runes()
	if err != nil {
		return err
	}
	glued := false
	for from := 0; from < len(runes); {
		r := runes[from]
		if r == '\r' || r == '\n' || r == ' ' || r == '\t' || r == '\u00a0' || r == 0 {
			if r == '\r' || r == '\n' {
				t.sampled = 0
			}
			glued = glued && r == 0
			from++
			continue
		}
		to := from
		for to < len(runes) && !strings.ContainsRune("\r\n \t\u00a0\x00", runes[to]) && runes[to] != pdfHyphen {
			to++
		}
		cut := to < len(runes) && runes[to] == pdfHyphen
		if to > from {
			if err := t.word(runes[from:to], from, glued, cut); err != nil {
				return err
			}
		}
		if cut {
			to++
			t.sampled = 0
		}
		glued = !cut
		from = to
	}
	return nil
}

// runes gives the page's characters, each at its index at PDFium.
func (t *pdfText) runes() ([]rune, error) {
	counted, err := t.instance.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: t.text})
	if err != nil || counted.Count <= 0 {
		return nil, err
	}
	count := min(counted.Count, maxPageRunes)
	// Twice the count, because a character beyond the basic plane takes two places in PDFium's UTF-16.
	all, err := t.instance.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: t.text, Count: 2 * count})
	if err != nil {
		return nil, err
	}
	if runes := []rune(all.Text); len(runes) == count {
		return runes, nil
	}
	runes := make([]rune, count) // characters without a code have shifted the places
	for i := range runes {
		r, err := t.instance.FPDFText_GetUnicode(&requests.FPDFText_GetUnicode{TextPage: t.text, Index: i})
		if err != nil {
			return nil, err
		}
		runes[i] = rune(r.Unicode)
	}
	return runes, nil
}

// word places one word, unless nobody can see it.
func (t *pdfText) word(runes []rune, at int, glued, cut bool) error {
	word := pdfWord{pdfPiece: pdfPiece{text: string(runes), glued: glued, cut: cut}}
	first, err := t.box(at)
	if err != nil {
		return err
	}
	last := first
	if len(runes) > 1 {
		if last, err = t.box(at + len(runes) - 1); err != nil {
			return err
		}
	}
	angle, err := t.instance.FPDFText_GetCharAngle(&requests.FPDFText_GetCharAngle{TextPage: t.text, Index: at})
	if err != nil {
		return err
	}
	if word.quarter = quarter(float64(angle.CharAngle)); word.quarter != 0 {
		if first, last, err = t.inked(at, at+len(runes)-1); err != nil {
			return err
		}
	}
	word.place(first, last)
	hidden, err := t.unseen(word, at)
	if err != nil {
		return err
	}
	if hidden {
		t.hidden += len(runes)
		return nil
	}
	if word.bold, err = t.isBold(word.size(), at); err != nil {
		return err
	}
	t.words = append(t.words, word)
	return nil
}

// place puts the word between its first and last character. A word of a vertical line stays as PDFium orders it.
func (w *pdfWord) place(first, last pdfBox) {
	w.left, w.right = min(first.left, last.left), max(first.right, last.right)
	w.low, w.high = first.low, first.high
	if last.height() > first.height() {
		w.low, w.high = last.low, last.high
	}
	if rest := strings.TrimLeft(w.text, "0123456789"); first.height() < raised*last.height() && rest != "" && rest != w.text {
		w.text = w.text[:len(w.text)-len(rest)] + " " + rest // a footnote's mark and its first word
	}
	if w.quarter != 0 {
		w.low, w.high = min(first.low, last.low), max(first.high, last.high)
		return
	}
	if height := first.height(); height > 0 && first.low-last.low > 1.5*height && math.Abs(first.left-last.left) < height {
		w.quarter = 4
		w.low = last.low
	}
}

// box gives the place of a character: as wide as it moves the next, as high as its font is.
func (t *pdfText) box(at int) (pdfBox, error) {
	loose, err := t.instance.FPDFText_GetLooseCharBox(&requests.FPDFText_GetLooseCharBox{TextPage: t.text, Index: at})
	if err != nil {
		return pdfBox{}, nil //nolint:nilerr // PDFium has no place for it
	}
	return boxOf(loose.Rect), nil
}

// inked gives where the ink of two characters is, which is all that is told of turned text.
func (t *pdfText) inked(a, b int) (first, last pdfBox, err error) {
	for i, at := range []int{a, b} {
		ink, err := t.instance.FPDFText_GetCharBox(&requests.FPDFText_GetCharBox{TextPage: t.text, Index: at})
		if err != nil {
			continue
		}
		box := pdfBox{left: min(ink.Left, ink.Right), right: max(ink.Left, ink.Right), low: min(ink.Bottom, ink.Top), high: max(ink.Bottom, ink.Top)}
		if i == 0 {
			first = box
		}
		last = box
	}
	return first, last, nil
}

func quarter(angle float64) int {
	turns := angle / (math.Pi / 2)
	nearest := math.Round(turns)
	if math.IsNaN(turns) || math.Abs(turns-nearest) > 0.06 {
		return 4
	}
	return int(nearest) & 3
}

// isBold looks at the font where a line starts, and where the size changes.
func (t *pdfText) isBold(size float64, at int) (bool, error) {
	if size == t.sampled {
		return t.bold, nil
	}
	t.sampled = size
	info, err := t.instance.FPDFText_GetFontInfo(&requests.FPDFText_GetFontInfo{TextPage: t.text, Index: at})
	if err != nil {
		t.bold = false
		return false, nil //nolint:nilerr // a font without a name is not bold
	}
	name := strings.ToLower(info.FontName)
	t.bold = strings.Contains(name, "bold") || strings.Contains(name, "black") || strings.Contains(name, "heavy") ||
		strings.HasPrefix(name, "cmbx") || strings.Contains(name, "+cmbx") || strings.Contains(name, "+sfbx") || info.Flags&forceBold != 0
	return t.bold, nil
}

// forceBold is the flag of a font that is printed bold.
const forceBold = 1 << 18

// turn turns the page so that most of its text is upright, and gives that and the rest.
func (t *pdfText) turn() (upright, turned []pdfPiece, box pdfBox) {
	var share [5]int
	for _, w := range t.words {
		share[w.quarter] += len(w.text)
	}
	main := slices.Index(share[:4], slices.Max(share[:4]))
	for _, w := range t.words {
		if w.quarter == main {
			piece := w.pdfPiece
			b := turnBox(pdfBox{piece.left, piece.low, piece.right, piece.high}, main)
			piece.left, piece.low, piece.right, piece.high = b.left, b.low, b.right, b.high
			upright = append(upright, piece)
			continue
		}
		turned = append(turned, w.pdfPiece)
	}
	return upright, turned, turnBox(t.bounds, main)
}

// turnBox turns a box back by quarters of a turn.
func turnBox(b pdfBox, quarters int) pdfBox {
	switch quarters {
	case 1:
		return pdfBox{left: b.low, right: b.high, low: -b.right, high: -b.left}
	case 2:
		return pdfBox{left: -b.right, right: -b.left, low: -b.high, high: -b.low}
	case 3:
		return pdfBox{left: -b.high, right: -b.low, low: b.left, high: b.right}
	}
	return b
}
