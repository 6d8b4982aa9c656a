package parse

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-pdf/fpdf"

	"github.com/redkite/redkite/internal/rag"
)

// raw makes a PDF of objects, numbered from 1, the first being the catalog, without a table of where they are, which
// readers then find out.
func raw(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	for i, object := range objects {
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	b.WriteString("trailer<</Root 1 0 R>>\n%%EOF\n")
	return b.Bytes()
}

func stream(content string) string {
	return fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content)
}

const font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"

// onePage makes a PDF of one page with the given content and box.
func onePage(content, box, more string) []byte {
	return raw("<</Type/Catalog/Pages 2 0 R"+more+">>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox["+box+"]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>", stream(content), font)
}

// TestHostilePDFs asserts that each ends in text or in a problem with a code, and that the next document is read.
func TestHostilePDFs(t *testing.T) {
	whole := pdf(t, nil, strings.Repeat("Some text that is long enough to be cut. ", 50), "Page two.")
	text := "BT /F 12 Tf 72 700 Td (Seen by all) Tj ET"
	deep := []string{"<</Type/Catalog/Pages 2 0 R>>"}
	for i := range 2000 {
		deep = append(deep, fmt.Sprintf("<</Type/Pages/Kids[%d 0 R]/Count 1>>", i+3))
	}
	tests := []struct {
		name     string
		original []byte
		codes    string // "" for text
		want     string
	}{
		{"a password", pdf(t, func(doc *fpdf.Fpdf) { doc.SetProtection(0, "secret", "owner") }, "Locked."), "encrypted", ""},
		{"only the owner's password", pdf(t, func(doc *fpdf.Fpdf) { doc.SetProtection(0, "", "owner") }, "Open to read."), "", "Open to read."},
		{"cut in the middle", whole[:len(whole)/2], "parse_error empty", ""},
		{"without its end", whole[:len(whole)-200], "", ""},
		{"no pages", raw("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 0>>"), "empty parse_error", ""},
		{"a hundred thousand pages said", raw("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 100000>>"), "too_large parse_error empty", ""},
		{"a tree of pages in itself", raw("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>"), "parse_error empty", ""},
		{"a deep tree of pages", raw(deep...), "parse_error empty", ""},
		{"a huge page", onePage(text, "0 0 1000000000 1000000000", ""), "", "Seen by all"},
		{"a page of no size", onePage(text, "0 0 0 0", ""), "", "Seen by all"},
		{"JavaScript and an attachment", onePage(text, "0 0 600 800", "/OpenAction<</S/JavaScript/JS(while\\(1\\){})>>/Names<</EmbeddedFiles<</Names[(a)<</F(a)/EF<</F 4 0 R>>>>]>>>>"), "", "Seen by all"},
		{"a form that draws itself", raw("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>", stream(text+" /X Do"), font,
			"<</Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X 6 0 R>>>>/Length 5>>\nstream\n/X Do\nendstream"), "", "Seen by all"},
		{"states inside each other", onePage(strings.Repeat("q ", 200_000)+text, "0 0 600 800", ""), "", ""},
		{"bookmarks in a circle", raw("<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>", stream(text), font,
			"<</First 7 0 R/Last 7 0 R>>", "<</Title(a)/Parent 6 0 R/Next 7 0 R/First 7 0 R>>"), "", "Seen by all"},
	}
	r := New(Options{CacheDir: cacheDir()})
	defer r.Close()
	small := pdf(t, nil, "one page")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := r.Parse(t.Context(), originalOf(TypePDF, test.original))
			var problem *rag.Problem
			switch {
			case err == nil:
				check(t, p)
				if p.Text == "" || !strings.Contains(p.Text, test.want) {
					t.Errorf("got %q", p.Text)
				}
			case !errors.As(err, &problem) || test.want != "" || test.codes != "" && !strings.Contains(test.codes, problem.Code):
				t.Errorf("got %v", err)
			}
			if p, err := r.Parse(t.Context(), originalOf(TypePDF, small)); err != nil || p.Text != "one page" {
				t.Errorf("the next document: %q, %v", p.Text, err)
			}
		})
	}
}

// TestHiddenTextIsLeftOut knows five ways to hide words from a reader, and two to show white or invisible ones.
func TestHiddenTextIsLeftOut(t *testing.T) {
	at := func(y int, style, text string) string {
		return fmt.Sprintf("q BT /F 12 Tf %s 72 %d Td (%s) Tj ET Q\n", style, y, text)
	}
	p, err := parse(t, TypePDF, onePage(
		"0 0 1 rg 60 590 300 30 re f 0 g\n"+at(700, "", "Seen by all")+at(680, "3 Tr", "no ink")+at(660, "1 g", "white on white")+
			at(640, "0.01 0 0 0.01 0 0 Tm", "tiny")+at(5000, "", "off the page")+at(600, "1 g", "White on blue"), "0 0 600 800", ""))
	if err != nil {
		t.Fatal(err)
	}
	if p.Text != "Seen by all\n\nWhite on blue" && p.Text != "Seen by all White on blue" {
		t.Errorf("got %q", p.Text)
	}
	if len(p.Warnings) != 1 || !strings.HasPrefix(told(p.Warnings)[0], "hidden_text: ") {
		t.Errorf("warnings %q", p.Warnings)
	}
	layer := raw("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>",
		stream("q 600 0 0 800 0 0 cm /X Do Q\n"+at(700, "3 Tr", "Read off the scan")), font,
		"<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>\nstream\n\xff\nendstream")
	if p, err = parse(t, TypePDF, layer); err != nil || p.Text != "Read off the scan" || len(p.Warnings) != 0 {
		t.Errorf("a scan with its text: %q, %q, %v", p.Text, p.Warnings, err)
	}
}

// TestPDFTables reads tables as rows, and two columns of text as text.
func TestPDFTables(t *testing.T) {
	cells := func(doc *fpdf.Fpdf, widths []float64, rows ...string) {
		for _, row := range rows {
			for i, cell := range strings.Split(row, "|") {
				doc.CellFormat(widths[i], 6, cell, "", 0, "L", false, 0, "")
			}
			doc.Ln(6)
		}
	}
	long := strings.Repeat("Words of a paragraph that goes on over several lines. ", 6)
	original := pdf(t, func(doc *fpdf.Fpdf) {
		doc.AddPage()
		doc.MultiCell(0, 6, long, "", "L", false)
		doc.Ln(6)
		doc.MultiCell(0, 6, "Table 1: What was counted.", "", "L", false)
		cells(doc, []float64{60, 40, 30}, "Valley|Nests|Young", "Elan and Claerwen|14|31", "Teifi||17", "|and more|", "Wye|22|40")
		doc.Ln(6)
		doc.MultiCell(0, 6, long, "", "L", false)
		doc.Ln(6)
		cells(doc, []float64{10, 150}, "1.|Turn the key and wait a little", "2.|Press the pedal down", "3.|Drive away from the house")
	})
	p, err := parse(t, TypePDF, original)
	if err != nil {
		t.Fatal(err)
	}
	var tables, captions, lists []string
	for _, block := range check(t, p) {
		switch block.Kind {
		case rag.BlockTable:
			tables = append(tables, block.Text)
		case rag.BlockCaption:
			captions = append(captions, block.Text)
		case rag.BlockList:
			lists = append(lists, block.Text)
		}
	}
	want := "Valley | Nests | Young\nElan and Claerwen | 14 | 31\nTeifi | and more | 17\nWye | 22 | 40"
	if len(tables) != 1 || tables[0] != want || len(captions) != 1 || len(lists) != 1 || strings.Count(lists[0], "\n") != 2 {
		t.Errorf("tables %q, captions %q, lists %q\n%s", tables, captions, lists, p.Text)
	}
}

// TestRunningHeadsAreLeftOut has heads, feet and numbers on pages of different text.
func TestRunningHeadsAreLeftOut(t *testing.T) {
	var pages []string
	for i := range 120 {
		pages = append(pages, fmt.Sprintf("The text of page %s.", strings.Repeat("abc", i%7+1)))
	}
	original := pdf(t, func(doc *fpdf.Fpdf) {
		doc.SetHeaderFunc(func() { doc.CellFormat(0, 6, "A report on kites", "", 1, "C", false, 0, ""); doc.Ln(10) })
		doc.SetFooterFunc(func() {
			doc.SetY(-15)
			doc.CellFormat(0, 6, fmt.Sprintf("Page %d of 120", doc.PageNo()), "", 0, "C", false, 0, "")
		})
	}, pages...)
	p, err := parse(t, TypePDF, original)
	if err != nil {
		t.Fatal(err)
	}
	blocks := check(t, p)
	if len(blocks) != 120 || strings.Contains(p.Text, "report") || strings.Contains(p.Text, " of 120") {
		t.Errorf("%d blocks: %.300q", len(blocks), p.Text)
	}
	for i, block := range blocks {
		if block.Page != i+1 || block.Text != pages[i] {
			t.Fatalf("block %d: %+v", i, block)
		}
	}
}

// FuzzPDFLayout lays out words at any places.
func FuzzPDFLayout(f *testing.F) {
	f.Add([]byte("aaaaaaaabbbbccccdddd"))
	f.Add(bytes.Repeat([]byte{10, 200, 30, 12, 'x', 90, 200, 30, 12, 'y'}, 40))
	f.Fuzz(func(t *testing.T, in []byte) {
		var sheet pdfSheet
		sheet.box = pdfBox{right: 300, high: 300}
		n := 0
		for ; len(in) >= 5 && n < 2000; in = in[5:] {
			left, low := float64(in[0]), float64(in[1])
			word := []string{"word", "•", "1.", "Table 1: x", "12", "end.", "cut", "\u05d0\u05d1", "\u6f22\u5b57", "A"}[in[4]%10]
			sheet.pieces = append(sheet.pieces, pdfPiece{
				text: word, left: left, right: left + float64(in[2]%64), low: low, high: low + float64(in[3]%32), bold: in[4]&16 > 0, cut: in[4]&32 > 0, glued: in[4]&64 > 0,
			})
			n++
		}
		sheets := []pdfSheet{sheet, sheet, sheet}
		withoutRunning(sheets, []int{1, 2, 3})
		var b builder
		for i, sheet := range sheets {
			lines := sheetLines(sheet, i+1)
			layOut(&b, lines, styleOf(lines), nil, &pdfNumbers{})
		}
		p := rag.Parsed{Text: b.text.String(), Blocks: b.finished()}
		check(t, p)
		// Every word comes out, as often as it went in.
		if got, want := strings.Count(p.Text, "word"), len(sheet.pieces); got > 3*want {
			t.Errorf("%d words of %d", got, want)
		}
	})
}
