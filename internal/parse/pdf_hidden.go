package parse

import (
	"strings"
	"unicode"

	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/requests"
)

const (
	leastSize   = 1.0  // points: smaller print can't be read
	nearlyWhite = 245  // of 255, in each colour
	scanShare   = 0.5  // of a page: a picture that covers so much is a scan, whose invisible text is what was read on it
	maxCovers   = 5000 // objects of a page that are looked at
)

// unseen reports whether a reader of the page can't see a word: it is outside of the page, tiny, drawn without ink, or
// white on nothing.
func (t *pdfText) unseen(word pdfWord, at int) (bool, error) {
	if word.right < t.bounds.left || word.left > t.bounds.right || word.high < t.bounds.low || word.low > t.bounds.high {
		return true, nil
	}
	if word.quarter == 0 && word.size() < leastSize { // a dot of a font that is made of pictures is small by itself
		return strings.ContainsFunc(word.text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }), nil
	}
	object, err := t.instance.FPDFText_GetTextObject(&requests.FPDFText_GetTextObject{TextPage: t.text, Index: at})
	if err != nil {
		return false, nil //nolint:nilerr // a character without an object is PDFium's own
	}
	mode, err := t.instance.FPDFTextObj_GetTextRenderMode(&requests.FPDFTextObj_GetTextRenderMode{PageObject: object.TextObject})
	if err == nil && (mode.TextRenderMode == enums.FPDF_TEXTRENDERMODE_INVISIBLE || mode.TextRenderMode == enums.FPDF_TEXTRENDERMODE_CLIP) {
		covers, err := t.below()
		return err == nil && !covers.scan, err
	}
	ink, err := t.instance.FPDFText_GetFillColor(&requests.FPDFText_GetFillColor{TextPage: t.text, Index: at})
	if err != nil {
		return false, nil //nolint:nilerr // a pattern, not a colour
	}
	if ink.A == 0 {
		return true, nil
	}
	if ink.R < nearlyWhite || ink.G < nearlyWhite || ink.B < nearlyWhite || mode != nil && mode.TextRenderMode != enums.FPDF_TEXTRENDERMODE_FILL {
		return false, nil
	}
	covers, err := t.below()
	return err == nil && !covers.under(word), err
}

// pdfCovers are the things on a page that white text can be seen on.
type pdfCovers struct {
	boxes []pdfBox
	scan  bool // a picture covers most of the page
	many  bool // more than are looked at
}

// under reports whether something lies under a word.
func (c *pdfCovers) under(word pdfWord) bool {
	x, y := (word.left+word.right)/2, word.middle()
	for _, b := range c.boxes {
		if x >= b.left && x <= b.right && y >= b.low && y <= b.high {
			return true
		}
	}
	return c.many
}

// below finds them, once a page.
func (t *pdfText) below() (*pdfCovers, error) {
	if t.covers != nil {
		return t.covers, nil
	}
	covers := &pdfCovers{}
	objects, err := t.instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: t.page})
	if err != nil {
		return nil, err
	}
	covers.many = objects.Count > maxCovers
	for i := range min(objects.Count, maxCovers) {
		object, err := t.instance.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: t.page, Index: i})
		if err != nil {
			return nil, err
		}
		kind, err := t.instance.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: object.PageObject})
		if err != nil {
			return nil, err
		}
		if kind.Type == enums.FPDF_PAGEOBJ_TEXT {
			continue
		}
		if kind.Type == enums.FPDF_PAGEOBJ_PATH {
			ink, err := t.instance.FPDFPageObj_GetFillColor(&requests.FPDFPageObj_GetFillColor{PageObject: object.PageObject})
			if err == nil && (ink.FillColor.A == 0 || ink.FillColor.R >= nearlyWhite && ink.FillColor.G >= nearlyWhite && ink.FillColor.B >= nearlyWhite) {
				continue
			}
			mode, err := t.instance.FPDFPath_GetDrawMode(&requests.FPDFPath_GetDrawMode{PageObject: object.PageObject})
			if err != nil || mode.FillMode == enums.FPDF_FILLMODE_NONE {
				continue
			}
		}
		bounds, err := t.instance.FPDFPageObj_GetBounds(&requests.FPDFPageObj_GetBounds{PageObject: object.PageObject})
		if err != nil {
			continue
		}
		box := pdfBox{left: float64(bounds.Left), low: float64(bounds.Bottom), right: float64(bounds.Right), high: float64(bounds.Top)}
		covers.boxes = append(covers.boxes, box)
		if kind.Type != enums.FPDF_PAGEOBJ_PATH && box.width()*box.height() >= scanShare*t.bounds.width()*t.bounds.height() {
			covers.scan = true
		}
	}
	t.covers = covers
	return covers, nil
}
