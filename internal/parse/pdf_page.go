package parse

import (
	"math"
	"strings"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// pdfLine is one line as it is printed, or two and more where words cut at a line's end were joined.
type pdfLine struct {
	text  string
	page  int     // from 1
	size  float64 // of the font, in points; 0 where it is not known
	x     float64 // where the line starts, in points from the left
	first float64 // baseline of its first character, in points from the bottom
	last  float64 // baseline of its last one
}

// pdfDocument is an open document.
type pdfDocument struct {
	instance pdfium.Pdfium
	ref      references.FPDF_DOCUMENT
}

// page gives the lines of a page in reading order, and whether the page shows anything.
func (d pdfDocument) page(index int) (lines []pdfLine, shows bool, err error) {
	loaded, err := d.instance.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.ref, Index: index})
	if err != nil {
		return nil, false, err
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
		return nil, false, err
	}
	defer func() {
		_, closeErr := d.instance.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: opened.TextPage})
		if err == nil {
			err = closeErr
		}
	}()
	lines, err = pdfText{instance: d.instance, page: opened.TextPage}.lines(index + 1)
	if err != nil || len(lines) > 0 {
		return lines, true, err
	}
	objects, err := d.instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: page})
	if err != nil {
		return nil, false, err
	}
	return nil, objects.Count > 0, nil
}

// pdfText is the text of an open page.
type pdfText struct {
	instance pdfium.Pdfium
	page     references.FPDF_TEXTPAGE
}

// pdfHyphen is what PDFium writes for a hyphen that cuts a word at a line's end, without the newline after it.
const pdfHyphen = '\uFFFE'

func (t pdfText) lines(page int) ([]pdfLine, error) {
	count, err := t.instance.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: t.page})
	if err != nil || count.Count <= 0 {
		return nil, err
	}
	// Twice the count, because a character beyond the basic plane takes two places in PDFium's UTF-16.
	all, err := t.instance.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: t.page, Count: 2 * count.Count})
	if err != nil {
		return nil, err
	}
	runes := []rune(all.Text)
	placed := len(runes) == count.Count // else characters without a code shift the places
	var lines []pdfLine
	for from := 0; from < len(runes); {
		to := from
		for to < len(runes) && runes[to] != '\r' && runes[to] != '\n' {
			to++
		}
		line := pdfLine{page: page, text: fold(clean(strings.ReplaceAll(string(runes[from:to]), string(pdfHyphen), "")))}
		if line.text != "" {
			if placed {
				t.place(&line, runes[from:to], from)
			}
			lines = append(lines, line)
		}
		from = to + 1
	}
	return lines, nil
}

// place finds out where a line stands and how big it is. What PDFium can't tell stays 0.
func (t pdfText) place(line *pdfLine, runes []rune, from int) {
	start, end := 0, len(runes)-1
	for start < end && (runes[start] == ' ' || runes[start] == '\t') {
		start++
	}
	size, err := t.instance.FPDFText_GetFontSize(&requests.FPDFText_GetFontSize{TextPage: t.page, Index: from + start})
	if err != nil {
		return
	}
	scale := 1.0
	if matrix, err := t.instance.FPDFText_GetMatrix(&requests.FPDFText_GetMatrix{TextPage: t.page, Index: from + start}); err == nil {
		scale = math.Hypot(float64(matrix.Matrix.C), float64(matrix.Matrix.D))
	}
	origin, err := t.instance.FPDFText_GetCharOrigin(&requests.FPDFText_GetCharOrigin{TextPage: t.page, Index: from + start})
	if err != nil {
		return
	}
	line.size, line.x, line.first, line.last = size.FontSize*scale, origin.X, origin.Y, origin.Y
	for i := end; i > start; i-- {
		if runes[i] != pdfHyphen {
			continue
		}
		if i < end {
			if below, err := t.instance.FPDFText_GetCharOrigin(&requests.FPDFText_GetCharOrigin{TextPage: t.page, Index: from + i + 1}); err == nil {
				line.last = below.Y
			}
		}
		return
	}
}
