package parse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

const docxStylesPart = `<w:styles>
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="My chapter"/><w:basedOn w:val="berschrift1"/></w:style>
<w:style w:type="paragraph" w:styleId="Kapitel"><w:name w:val="Kapitel"/><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>
<w:style w:type="paragraph" w:styleId="Quiet"><w:name w:val="Quiet"/><w:rPr><w:vanish/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="T1"><w:name w:val="toc 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Titel"><w:name w:val="Title"/></w:style>
</w:styles>`

const docxNumberingPart = `<w:numbering>
<w:abstractNum w:abstractNumId="0">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="4"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="%1.%2.%3"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="1">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/><w:pStyle w:val="Kapitel"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="3"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="3"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>
</w:numbering>`

const docxNotesPart = `<w:footnotes><w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>line</w:t></w:r></w:p></w:footnote>
<w:footnote w:id="1"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t xml:space="preserve"> The note.</w:t></w:r></w:p></w:footnote></w:footnotes>`

// word makes a document of what is inside its body; pages are those that its properties count, "" for none.
func word(t testing.TB, body, pages string) []byte {
	t.Helper()
	return zipped(t,
		packed{"[Content_Types].xml", `<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`},
		packed{"_rels/.rels", relationships("officeDocument word/document.xml", "extended-properties docProps/app.xml")},
		packed{"docProps/app.xml", "<Properties><Pages>" + pages + "</Pages></Properties>"},
		packed{"word/_rels/document.xml.rels", relationships("styles styles.xml", "numbering numbering.xml", "footnotes footnotes.xml")},
		packed{"word/styles.xml", docxStylesPart}, packed{"word/numbering.xml", docxNumberingPart}, packed{"word/footnotes.xml", docxNotesPart},
		packed{"word/document.xml", `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>` + body + `</w:body></w:document>`})
}

// para makes a paragraph of properties and text.
func para(properties, text string) string {
	return "<w:p><w:pPr>" + properties + "</w:pPr><w:r><w:t xml:space=\"preserve\">" + text + "</w:t></w:r></w:p>"
}

func styled(style, text string) string { return para(`<w:pStyle w:val="`+style+`"/>`, text) }

func item(list, level, text string) string {
	return para(`<w:numPr><w:ilvl w:val="`+level+`"/><w:numId w:val="`+list+`"/></w:numPr>`, text)
}

func TestDOCXDetails(t *testing.T) {
	cell := func(properties, text string) string {
		return "<w:tc><w:tcPr>" + properties + "</w:tcPr>" + para("", text) + "</w:tc>"
	}
	row := func(cells ...string) string { return "<w:tr>" + strings.Join(cells, "") + "</w:tr>" }
	const box = `<w:p><w:r><w:t>around</w:t></w:r><w:r><mc:AlternateContent><mc:Choice><w:drawing><wps:txbx><w:txbxContent>%</w:txbxContent></wps:txbx></w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox><w:txbxContent>%</w:txbxContent></v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>`
	paragraph := func(text string) shown { return shown{rag.BlockParagraph, text, "", 0} }
	tests := []struct {
		name, body string
		want       []shown
		warnings   int
	}{
		{"headings by style, base, outline and name", styled("Titel", "Book") + styled("berschrift1", "One") + styled("Kapitel", "Two") + styled("Mine", "Three") +
			para(`<w:outlineLvl w:val="1"/>`, "Four") + styled("Heading3", "Five") + para(`<w:pStyle w:val="berschrift1"/><w:outlineLvl w:val="9"/>`, "text"), []shown{
			{rag.BlockHeading, "Book", "Book", 0}, {rag.BlockHeading, "One", "Book > One", 0}, {rag.BlockHeading, "1.1 Two", "Book > One > 1.1 Two", 0},
			{rag.BlockHeading, "Three", "Book > Three", 0}, {rag.BlockHeading, "Four", "Book > Three > Four", 0}, {rag.BlockHeading, "Five", "Book > Three > Four > Five", 0},
			{rag.BlockParagraph, "text", "Book > Three > Four > Five", 0}}, 0},
		{"a style that is based on itself", styled("Loop", "text"), []shown{paragraph("text")}, 0},
		{"lists", item("1", "0", "a") + item("1", "1", "b") + item("1", "2", "c") + item("1", "1", "d") + item("1", "0", "e") + item("3", "0", "f") + item("4", "0", "g") + item("0", "0", "h") + item("9", "0", "i"), []shown{
			{rag.BlockList, "1. a\n  a) b\n    1.a.iv c\n  b) d\n2. e", "", 0}, {rag.BlockList, "- f", "", 0}, {rag.BlockList, "7. g", "", 0}, paragraph("h"), {rag.BlockList, "- i", "", 0}}, 0},
		{"tracked changes", `<w:p><w:r><w:t>a</w:t></w:r><w:del><w:r><w:delText>b</w:delText><w:t>b</w:t></w:r></w:del><w:ins><w:r><w:t>c</w:t></w:r></w:ins><w:moveFrom><w:r><w:t>d</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>e</w:t></w:r></w:moveTo></w:p><w:del>` + para("", "gone") + `</w:del>`, []shown{paragraph("ace")}, 0},
		{"hidden text", `<w:p><w:r><w:t>a</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>b</w:t></w:r><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>c</w:t></w:r></w:p>` + styled("Quiet", "d"), []shown{paragraph("ac")}, 1},
		{"signs inside a run", `<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r><w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink><w:fldSimple w:instr="PAGE"><w:r><w:t> 5</w:t></w:r></w:fldSimple><w:r><w:instrText>PAGE</w:instrText></w:r><m:oMath><m:r><m:t> x</m:t></m:r></m:oMath><w:ruby><w:rt><w:r><w:t>zz</w:t></w:r></w:rt><w:rubyBase><w:r><w:t> base</w:t></w:r></w:rubyBase></w:ruby></w:p>`, []shown{paragraph("a\tb\nc-d link 5 x base")}, 0},
		{"notes", `<w:p><w:r><w:t>a</w:t><w:footnoteReference w:id="1"/><w:footnoteReference w:id="1"/><w:footnoteReference w:id="7"/></w:r></w:p>` + para("", "b"), []shown{paragraph("a[^1]"), paragraph("[^1]: The note."), paragraph("b")}, 0},
		{"a note in a list", `<w:p><w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr><w:r><w:t>a</w:t><w:footnoteReference w:id="1"/></w:r></w:p>` + item("3", "0", "b") + para("", "c"), []shown{{rag.BlockList, "- a[^1]\n- b", "", 0}, paragraph("[^1]: The note."), paragraph("c")}, 0},
		{"a text box, once", strings.ReplaceAll(box, "%", para("", "boxed")), []shown{paragraph("around"), paragraph("boxed")}, 0},
		{"a table", "<w:tbl>" + row(cell("", "month"), cell("", "pairs"), cell("", "remark")) + row(cell(`<w:gridSpan w:val="2"/>`, "wide"), cell(`<w:vMerge w:val="restart"/>`, "tall")) + row(cell("", "a"), cell("", ""), cell(`<w:vMerge/>`, "tall")) +
			"<w:tr><w:trPr><w:del/></w:trPr>" + cell("", "gone") + "</w:tr>" + row(cell("", ""), cell("", "")) + "</w:tbl>", []shown{{rag.BlockTable, "month | pairs | remark\nwide |  | tall\na |  |", "", 0}}, 0},
		{"a table in a table", "<w:tbl>" + row(cell("", "a"), "<w:tc><w:tbl>"+row(cell("", "b"), cell("", "c"))+"</w:tbl><w:p/></w:tc>") + "</w:tbl>", []shown{{rag.BlockTable, "a | b | c", "", 0}}, 0},
		{"a table of one cell", "<w:tbl><w:tr><w:tc>" + styled("berschrift1", "Framed") + para("", "text") + item("3", "0", "a") + "</w:tc></w:tr></w:tbl>", []shown{
			{rag.BlockHeading, "Framed", "Framed", 0}, {rag.BlockParagraph, "text", "Framed", 0}, {rag.BlockList, "- a", "Framed", 0}}, 0},
		{"a note in a table", "<w:tbl>" + row("<w:tc><w:p><w:r><w:t>a</w:t><w:footnoteReference w:id=\"1\"/></w:r></w:p></w:tc>", cell("", "b")) + "</w:tbl>", []shown{{rag.BlockTable, "a[^1] | b", "", 0}, paragraph("[^1]: The note.")}, 0},
		{"a table of contents", styled("T1", "One\t3") + `<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr><w:sdtContent>` + para("", "Two 4") + `</w:sdtContent></w:sdt><w:sdt><w:sdtContent>` + para("", "kept") + `</w:sdtContent></w:sdt>`, []shown{paragraph("kept")}, 0},
		{"an embedded document", para("", "a") + `<w:altChunk r:id="r9"/>`, []shown{paragraph("a")}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeDOCX, word(t, test.body, ""))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
			if len(p.Warnings) != test.warnings {
				t.Errorf("warnings %q", p.Warnings)
			}
		})
	}
}

func TestDOCXPages(t *testing.T) {
	const turn = "<w:r><w:lastRenderedPageBreak/></w:r>"
	body := para("", "one") + "<w:p>" + turn + "<w:r><w:t>two</w:t></w:r></w:p><w:p><w:r><w:t>goes on </w:t><w:lastRenderedPageBreak/><w:t>to three</w:t></w:r></w:p>" + para("", "three")
	tests := []struct {
		counted string
		pages   []int
	}{{"3", []int{1, 2, 2, 3}}, {"1", []int{0, 0, 0, 0}}, {"", []int{0, 0, 0, 0}}}
	for _, test := range tests {
		p, err := parse(t, TypeDOCX, word(t, body, test.counted))
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, b := range check(t, p) {
			got = append(got, b.Page)
		}
		if diff := cmp.Diff(test.pages, got); diff != "" || p.Pages != test.pages[3] {
			t.Errorf("%q pages counted: %d pages, %s", test.counted, p.Pages, diff)
		}
	}
}

func TestDOCXEncodings(t *testing.T) {
	utf16 := "\xff\xfe"
	for _, r := range `<?xml version="1.0" encoding="UTF-16"?><w:document><w:body>` + para("", "caf\u00e9") + `</w:body></w:document>` {
		utf16 += string([]byte{byte(r), byte(r >> 8)})
	}
	latin := `<?xml version="1.0" encoding="ISO-8859-1"?><w:document><w:body>` + para("", "caf\xe9") + `</w:body></w:document>`
	for _, content := range []string{utf16, latin} {
		p, err := parse(t, TypeDOCX, zipped(t, append(wordParts(), packed{"word/document.xml", content})...))
		if err != nil || p.Text != "caf\u00e9" {
			t.Errorf("got %q, %v", p.Text, err)
		}
	}
}

func FuzzDOCX(f *testing.F) {
	f.Add([]byte(`<w:document><w:body>` + styled("berschrift1", "a") + item("1", "2", "b") + "<w:tbl><w:tr><w:tc>" + para("", "c") + "</w:tc></w:tr></w:tbl></w:body></w:document>"))
	f.Add([]byte(`<w:document><w:body><w:p><w:r><w:t>a</w:t><w:footnoteReference w:id="1"/><w:lastRenderedPageBreak/></w:r><w:sdt><w:sdtContent><w:r><w:t>b</w:t></w:r></w:sdtContent></w:sdt></w:p></w:body></w:document>`))
	r := New(Options{})
	f.Fuzz(func(t *testing.T, document []byte) {
		fuzzed(t, r, TypeDOCX, zipped(t, append(wordParts(),
			packed{"word/_rels/document.xml.rels", relationships("styles styles.xml", "numbering numbering.xml", "footnotes footnotes.xml")},
			packed{"word/styles.xml", docxStylesPart}, packed{"word/numbering.xml", docxNumberingPart}, packed{"word/footnotes.xml", docxNotesPart},
			packed{"word/document.xml", string(document)})...))
	})
}

// FuzzContainer changes whole containers, and what they say of themselves.
func FuzzContainer(f *testing.F) {
	f.Add(word(f, para("", "a"), ""))
	f.Add(sample(f, "openpyxl.xlsx"))
	f.Add(sample(f, "pandoc.epub"))
	f.Add(sample(f, "libreoffice.xls"))
	r := New(Options{})
	f.Fuzz(func(t *testing.T, original []byte) {
		for _, mediaType := range []string{TypeOffice, TypeEPUB, TypeOLE} {
			_, err := r.Parse(t.Context(), originalOf(mediaType, original))
			if problem(err) == "" && err != nil || err != nil && strings.Contains(err.Error(), "panic") {
				t.Fatal(err)
			}
		}
		New(Options{}).Sniff("a", original[:min(len(original), 3072)])
	})
}
