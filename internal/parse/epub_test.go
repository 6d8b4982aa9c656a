package parse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// book makes an EPUB of a package document and chapters.
func book(t testing.TB, opf string, parts ...packed) []byte {
	t.Helper()
	return zipped(t, append([]packed{{"mimetype", TypeEPUB},
		{"META-INF/container.xml", `<container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>`}, {"OEBPS/content.opf", opf}}, parts...)...)
}

const bookPackage = `<?xml version="1.0"?><!DOCTYPE package PUBLIC "x" "y"><package><metadata><dc:title>Kites &amp; hawks</dc:title><dc:title>Second</dc:title></metadata>
<manifest><item id="b" href="text/b%20c.xhtml" media-type="application/xhtml+xml"/><item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/><item id="x" href="gone.xhtml" media-type="application/xhtml+xml"/><item id="p" href="p.png" media-type="image/png"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="x"/><itemref idref="p"/><itemref idref="none"/></spine></package>`

func TestEPUBDetails(t *testing.T) {
	p, err := parse(t, TypeEPUB, book(t, bookPackage,
		packed{"OEBPS/text/b c.xhtml", `<html><head><title/><script src="x"/></head><body><a id="top"/><p>It goes on.</p><h2>Nests</h2><p>In <i>trees</i>.</p><div class="x"/><ol><li>one</li></ol><p style="display:none">unseen</p></body></html>`},
		packed{"OEBPS/text/a.xhtml", `<html><body><h1>Kites</h1><p>Caf&eacute;</p><nav>Home</nav></body></html>`},
		packed{"OEBPS/nav.xhtml", `<html><body><p>Contents</p></body></html>`}))
	if err != nil {
		t.Fatal(err)
	}
	want := []shown{
		{rag.BlockHeading, "Kites", "Kites", 0}, {rag.BlockParagraph, "Café", "Kites", 0}, {rag.BlockParagraph, "It goes on.", "Kites", 0},
		{rag.BlockHeading, "Nests", "Kites > Nests", 0}, {rag.BlockParagraph, "In trees.", "Kites > Nests", 0}, {rag.BlockList, "1. one", "Kites > Nests", 0},
	}
	if diff := cmp.Diff(want, check(t, p)); diff != "" {
		t.Error(diff)
	}
	if p.Title != "Kites & hawks" || len(p.Warnings) != 1 || !strings.Contains(told(p.Warnings)[0], "1 of 3 chapters") {
		t.Errorf("title %q, warnings %q", p.Title, p.Warnings)
	}
}

func TestEPUBRefusals(t *testing.T) {
	encryption := func(algorithm string) packed {
		return packed{"META-INF/encryption.xml", `<encryption><EncryptedData><EncryptionMethod Algorithm="` + algorithm + `"/></EncryptedData></encryption>`}
	}
	chapter := packed{"OEBPS/text/a.xhtml", "<p>words</p>"}
	tests := []struct {
		name     string
		original []byte
		code     string
	}{
		{"locked", book(t, bookPackage, chapter, encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")), "encrypted"},
		{"fonts are locked", book(t, bookPackage, chapter, encryption("http://www.idpf.org/2008/embedding")), ""},
		{"no package", zipped(t, packed{"META-INF/container.xml", "<container/>"}), "parse_error"},
		{"no container", zipped(t, packed{"mimetype", TypeEPUB}), "parse_error"},
		{"no chapters", book(t, "<package/>"), "empty"},
		{"entities", book(t, `<!DOCTYPE p [<!ENTITY a "b">]><package><metadata><dc:title>&a;</dc:title></metadata></package>`), "parse_error"},
		{"a chapter nested too deep", book(t, bookPackage, packed{"OEBPS/text/a.xhtml", strings.Repeat("<div>", 10_000)}), "parse_error"},
		{"a chapter that is too long", book(t, bookPackage, packed{"OEBPS/text/a.xhtml", strings.Repeat("<p>a", 3<<20)}), "too_large"},
		{"a Word document", sample(t, "pandoc.docx"), "parse_error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parse(t, TypeEPUB, test.original); problem(err) != test.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzEPUB(f *testing.F) {
	f.Add([]byte(bookPackage), []byte(`<html><head><title/></head><body><h1>a</h1><a id="b"/><ul><li>c</ul></body></html>`))
	r := New(Options{})
	f.Fuzz(func(t *testing.T, opf, chapter []byte) {
		fuzzed(t, r, TypeEPUB, book(t, string(opf), packed{"OEBPS/text/a.xhtml", string(chapter)}))
	})
}
