package parse

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// part of a container, in the order of the container.
type packed struct{ name, content string }

// container makes a ZIP.
func zipped(t testing.TB, parts ...packed) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, p := range parts {
		f, err := w.Create(p.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(p.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// office makes a package whose main part is of a kind, such as "word/document".
func office(t testing.TB, main, kind string, parts ...packed) []byte {
	t.Helper()
	return zipped(t, append([]packed{
		{"[Content_Types].xml", `<?xml version="1.0"?><Types><Default Extension="xml" ContentType="application/xml"/><Override PartName="/` + main + `.xml" ContentType="application/vnd.openxmlformats-officedocument.` + kind + `.main+xml"/></Types>`},
		{"_rels/.rels", relationships("officeDocument " + main + ".xml")},
	}, parts...)...)
}

// relationships makes a part of relations "kind target", with the ids r0, r1 and so on.
func relationships(relations ...string) string {
	var b strings.Builder
	b.WriteString("<Relationships>")
	for i, r := range relations {
		kind, target, _ := strings.Cut(r, " ")
		b.WriteString(`<Relationship Id="r` + string(rune('0'+i)) + `" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/` + kind + `" Target="` + target + `"/>`)
	}
	return b.String() + "</Relationships>"
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "office", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// problem gives the code of a rag.Problem, or the error as it is.
func problem(err error) string {
	var p *rag.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestOfficeFilesOfOtherPrograms(t *testing.T) {
	const top = "Kite handbook > Red kites"
	written := []shown{ // hand.md
		{rag.BlockHeading, "Kite handbook", "Kite handbook", 0},
		{rag.BlockParagraph, "A", "Kite handbook", 0},
		{rag.BlockHeading, "Red kites", top, 0},
		{rag.BlockParagraph, "Red kites eat carrion.[^1] They also take earthworms.", top, 0},
		{rag.BlockParagraph, "[^1]: Cramp and Simmons, 1980.", top, 0},
		{rag.BlockHeading, "Food", top + " > Food", 0},
		{rag.BlockList, "- carrion\n  - sheep\n  - hares\n- earthworms", top + " > Food", 0},
		{rag.BlockList, "1. first\n2. second", top + " > Food", 0},
		{rag.BlockCode, "curl example.org\n  --now", top + " > Food", 0},
		{rag.BlockParagraph, "Pairs seen", top + " > Food", 0},
		{rag.BlockTable, "month | pairs\nMarch | 12\nApril | 15", top + " > Food", 0},
		{rag.BlockHeading, "Range", "Kite handbook > Range", 0},
	}
	prices := []shown{
		{rag.BlockHeading, "Prices", "Prices", 0},
		{rag.BlockHeading, "Rows 1-5", "Prices > Rows 1-5", 0},
		{rag.BlockParagraph, "Price list of 2024", "Prices > Rows 1-5", 0},
		{rag.BlockTable, "item | price | since\nkite | 9.50 EUR | 2024-03-01\nstring | 0.25 EUR | 2023-12-24\nbag | 1,200.00 EUR | 2024-01-31", "Prices > Rows 1-5", 0},
		{rag.BlockHeading, "Rows 8-9", "Prices > Rows 8-9", 0},
		{rag.BlockTable, "share | ok\n12.5% | TRUE", "Prices > Rows 8-9", 0},
		{rag.BlockHeading, "Row 12", "Prices > Row 12", 0},
	}
	far := []shown{
		{rag.BlockHeading, "Far", "Far", 0},
		{rag.BlockHeading, "Row 1", "Far > Row 1", 0}, {rag.BlockParagraph, "near", "Far > Row 1", 0},
		{rag.BlockHeading, "Row 1048576", "Far > Row 1048576", 0}, {rag.BlockParagraph, "far", "Far > Row 1048576", 0},
	}
	rows := func(last string) []shown {
		return append(append(append([]shown{}, prices...), shown{rag.BlockTable, last, "Prices > Row 12", 0}), far...)
	}
	tests := []struct {
		name, title string
		pages       int
		warnings    int
		want        []shown
	}{
		{"pandoc.docx", "Kite handbook", 0, 0, append(append([]shown{}, written...), shown{rag.BlockParagraph, "Wales & Spain: a2+b.", "Kite handbook > Range", 0})},
		{"libreoffice.docx", "Kite handbook", 0, 0, append(append([]shown{}, written...), shown{rag.BlockParagraph, "Wales & Spain: .", "Kite handbook > Range", 0})},
		{"python-docx.docx", "Kite handbook", 0, 1, []shown{
			{rag.BlockHeading, "Red kites", "Red kites", 0},
			{rag.BlockHeading, "Food", "Red kites > Food", 0},
			{rag.BlockParagraph, "Red kites eat carrion, e.g. dead sheep.", "Red kites > Food", 0},
			{rag.BlockList, "- first\n  - deep", "Red kites > Food", 0},
			{rag.BlockList, "1. one\n2. two", "Red kites > Food", 0},
			{rag.BlockHeading, "Pairs", "Red kites > Food > Pairs", 0},
			{rag.BlockParagraph, "Table 1: pairs seen", "Red kites > Food > Pairs", 0},
			{rag.BlockTable, "month | pairs | remark\nMarch | 12 | cold and wet\nApril 15 |  |", "Red kites > Food > Pairs", 0},
			{rag.BlockHeading, "Range", "Red kites > Range", 0},
			{rag.BlockParagraph, "Wales and Spain.", "Red kites > Range", 0},
		}},
		{"openpyxl.xlsx", "Prices", 0, 2, rows("2024-03-01 14:30:00 | 7:05:00")},
		{"libreoffice.xlsx", "Prices", 0, 2, rows("2024-03-01 14:30:00 | 7:05:00 | 0.25")},
		{"python-pptx.pptx", "Food", 4, 1, []shown{
			{rag.BlockHeading, "Food", "Food", 1},
			{rag.BlockList, "- carrion\n  - sheep\n- earthworms", "Food", 1},
			{rag.BlockParagraph, "Say that they follow ploughs.", "Food", 1},
			{rag.BlockParagraph, "Pause.", "Food", 1},
			{rag.BlockTable, "c00 | c01\nc10 | c11", "", 3},
			{rag.BlockParagraph, "A box without a title", "", 3},
			{rag.BlockHeading, "Kites", "Kites", 4},
			{rag.BlockParagraph, "A talk", "Kites", 4},
		}},
		{"pandoc.epub", "Kite handbook", 0, 0, []shown{
			{rag.BlockHeading, "Kite handbook", "Kite handbook", 0},
			{rag.BlockParagraph, "A", "Kite handbook", 0},
			{rag.BlockHeading, "Red kites", "Red kites", 0},
			{rag.BlockParagraph, "Red kites eat carrion.1 They also take earthworms.", "Red kites", 0},
			{rag.BlockHeading, "Food", "Red kites > Food", 0},
			{rag.BlockList, "- carrion\n  - sheep\n  - hares\n- earthworms", "Red kites > Food", 0},
			{rag.BlockList, "1. first\n2. second", "Red kites > Food", 0},
			{rag.BlockCode, "curl example.org\n  --now", "Red kites > Food", 0},
			{rag.BlockTable, "Pairs seen\nmonth | pairs\nMarch | 12\nApril | 15", "Red kites > Food", 0},
			{rag.BlockList, "1. Cramp and Simmons, 1980.↩︎", "Red kites > Food", 0},
			{rag.BlockHeading, "Range", "Range", 0},
			{rag.BlockParagraph, "Wales & Spain: a2+b.", "Range", 0},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			original := sample(t, test.name)
			mediaType, ok := New(Options{}).Sniff("file", original[:min(len(original), 3072)])
			if !ok {
				t.Fatalf("sniffed as %s, which has no parser", mediaType)
			}
			p, err := parse(t, mediaType, original)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
			if p.Title != test.title || p.Pages != test.pages || len(p.Warnings) != test.warnings {
				t.Errorf("title %q, %d pages, warnings %q", p.Title, p.Pages, p.Warnings)
			}
		})
	}
}

// TestOfficeSniff uses as many bytes as an upload's type is told by.
func TestOfficeSniff(t *testing.T) {
	tests := []struct{ name, want string }{
		{"pandoc.docx", TypeDOCX}, {"python-docx.docx", TypeDOCX}, {"libreoffice.docx", TypeDOCX}, {"msoffcrypto.docx", TypeOLE},
		{"openpyxl.xlsx", TypeXLSX}, {"libreoffice.xlsx", TypeXLSX}, {"libreoffice.xls", TypeOLE}, {"libreoffice.doc", TypeOLE},
		{"pandoc.pptx", TypePPTX}, {"pandoc.epub", TypeEPUB}, {"python-pptx.pptx", TypePPTX},
	}
	for _, test := range tests {
		original := sample(t, test.name)
		if got, ok := New(Options{}).Sniff("file", original[:min(len(original), 3072)]); got != test.want || !ok {
			t.Errorf("%s: got %s, %v", test.name, got, ok)
		}
	}
	plain := zipped(t, packed{"notes/a.txt", "a"}, packed{"word/b.txt", "b"})
	if got, ok := New(Options{}).Sniff("file.docx", plain); got != "application/zip" || ok {
		t.Errorf("a ZIP of texts: got %s, %v", got, ok)
	}
	// The lists may come last.
	last := zipped(t, packed{"customXml/item1.xml", strings.Repeat("<a>b</a>", 2000)}, packed{"word/document.xml", "<document/>"})
	if got, ok := New(Options{}).Sniff("file", last[:60]); got != TypeOffice || !ok {
		t.Errorf("a document whose beginning says little: got %s, %v", got, ok)
	}
}

// TestOfficeTypeIsTheContainersOwn gives documents under the wrong type.
func TestOfficeTypeIsTheContainersOwn(t *testing.T) {
	for _, mediaType := range []string{TypeDOCX, TypeXLSX, TypePPTX, TypeOffice} {
		p, err := parse(t, mediaType, sample(t, "pandoc.docx"))
		if err != nil || !strings.Contains(p.Text, "earthworms") {
			t.Errorf("as %s: got %q, %v", mediaType, p.Text, err)
		}
	}
}

func TestOfficeRefusals(t *testing.T) {
	visio := office(t, "visio/document", "visio", packed{"visio/document.xml", "<a/>"})
	binary := zipped(t, packed{"[Content_Types].xml", `<Types><Override PartName="/xl/workbook.bin" ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>`},
		packed{"_rels/.rels", relationships("officeDocument xl/workbook.bin")}, packed{"xl/workbook.bin", "x"})
	truncated := sample(t, "pandoc.docx")
	damaged := bytes.Clone(truncated)
	for i := 4000; i < 4300; i++ {
		damaged[i] ^= 0x55
	}
	tests := []struct {
		name, mediaType string
		original        []byte
		code, says      string
	}{
		{"Word before 2007", TypeOLE, sample(t, "libreoffice.doc"), "unsupported", ".docx"},
		{"Excel before 2007", TypeOLE, sample(t, "libreoffice.xls"), "unsupported", ".xlsx"},
		{"a password", TypeOLE, sample(t, "msoffcrypto.docx"), "encrypted", "remove the password"},
		{"OLE that ends early", TypeOLE, sample(t, "libreoffice.doc")[:600], "unsupported", "save"},
		{"OLE that is none", TypeOLE, []byte("x"), "parse_error", "save it anew"},
		{"another Office program", TypeOffice, visio, "unsupported", "PDF"},
		{"Excel's binary workbook", TypeXLSX, binary, "unsupported", ".xlsx"},
		{"cut off", TypeDOCX, truncated[:len(truncated)/2], "parse_error", "save it anew"},
		{"damaged", TypeDOCX, damaged, "parse_error", "save it anew"},
		{"a ZIP of something else", TypeDOCX, zipped(t, packed{"a.txt", "a"}), "parse_error", "save it anew"},
		{"no main part", TypeDOCX, office(t, "word/document", "wordprocessingml.document"), "parse_error", "save it anew"},
		{"no words", TypeDOCX, office(t, "word/document", "wordprocessingml.document", packed{"word/document.xml", "<document><body><p/></body></document>"}), "empty", "no text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(t, test.mediaType, test.original)
			if problem(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
