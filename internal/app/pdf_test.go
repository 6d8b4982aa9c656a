package app

import (
	"bytes"
	"testing"

	"github.com/go-pdf/fpdf"
)

// pdf makes a PDF with one page a text.
func pdf(t *testing.T, pages ...string) []byte {
	t.Helper()
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetFont("Helvetica", "", 12)
	for _, text := range pages {
		doc.AddPage()
		doc.MultiCell(0, 6, text, "", "", false)
	}
	var out bytes.Buffer
	if err := doc.Output(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
