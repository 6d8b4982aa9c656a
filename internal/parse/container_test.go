package parse

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// repeated reads a text over and over.
type repeatedText struct {
	text string
	left int64
	at   int
}

func (r *repeatedText) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		c := copy(p[n:min(int64(len(p)), int64(n)+r.left)], r.text[r.at:])
		n, r.left, r.at = n+c, r.left-int64(c), (r.at+c)%len(r.text)
	}
	return n, nil
}

// bomb packs a part that is before, so many bytes of a text that repeats, and after.
func bomb(t testing.TB, parts []packed, name, before, text string, bytesOut int64, after string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	for _, p := range parts {
		f, _ := w.Create(p.name)
		_, _ = io.WriteString(f, p.content)
	}
	f, _ := w.Create(name)
	if _, err := io.Copy(f, io.MultiReader(strings.NewReader(before), &repeatedText{text: text, left: bytesOut / int64(len(text)) * int64(len(text))}, strings.NewReader(after))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wordParts are the parts of a document but for its main one.
func wordParts() []packed {
	return []packed{
		{"[Content_Types].xml", `<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`},
		{"_rels/.rels", relationships("officeDocument word/document.xml")},
	}
}

func TestBombsEnd(t *testing.T) {
	const body = "<w:document><w:body>"
	many := wordParts()
	for i := range mostParts {
		many = append(many, packed{fmt.Sprint("p", i), ""})
	}
	long := wordParts()
	for range 200 {
		long = append(long, packed{strings.Repeat("n", 60_000), ""})
	}
	entities := `<!DOCTYPE d [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><w:document><w:body><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>`
	external := `<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><w:document><w:body><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>`
	word := func(content string) []byte {
		return zipped(t, append(wordParts(), packed{"word/document.xml", content})...)
	}
	tests := []struct {
		name     string
		original []byte
		code     string
		kind     error
	}{
		{"unpacks to far more", bomb(t, wordParts(), "word/document.xml", body, " ", 64<<20, ""), "too_large", rag.ErrTooLarge},
		{"a relation list that unpacks to far more", bomb(t, wordParts()[:1], "_rels/.rels", "<Relationships>", " ", 64<<20, ""), "too_large", rag.ErrTooLarge},
		{"too many parts", zipped(t, many...), "too_large", rag.ErrTooLarge},
		{"a list of parts that is too long", zipped(t, long...), "too_large", rag.ErrTooLarge},
		{"entities of entities", word(entities), "parse_error", rag.ErrInvalid},
		{"an entity from outside", word(external), "parse_error", rag.ErrInvalid},
		{"an entity that is not known", word("<w:document><w:body><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>"), "parse_error", rag.ErrInvalid},
		{"elements inside each other", word(body + strings.Repeat("<w:ins>", 100_000)), "too_large", rag.ErrTooLarge},
		{"tables inside each other", word(body + strings.Repeat("<w:tbl><w:tr><w:tc>", 300)), "too_large", rag.ErrTooLarge},
		{"one endless text", word(body + "<w:p><w:r><w:t>" + strings.Repeat("a", 6<<20)), "too_large", rag.ErrTooLarge},
		{"one endless tag", word(body + "<w:p " + strings.Repeat("a='b' ", 1<<20)), "too_large", rag.ErrTooLarge},
		{"an end without a beginning", word("</w:document>"), "parse_error", rag.ErrInvalid},
		{"no end", word(body + "<w:p><w:r><w:t>text"), "parse_error", rag.ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, err := parse(t, TypeDOCX, test.original)
			if problem(err) != test.code || !errors.Is(err, test.kind) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestContainerNames(t *testing.T) {
	for name, want := range map[string]string{
		"word/document.xml": "word/document.xml", `word\Document.xml`: "word/document.xml", "/word/document.xml": "word/document.xml",
		"../../etc/passwd": "etc/passwd", "a/../b": "b", "a//b": "a/b", "a/": "a/",
	} {
		if got := partName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	for reference, want := range map[string]string{"a.xml": "word/a.xml", "../b.xml": "b.xml", "/c.xml": "c.xml", "../../../d.xml": "d.xml"} {
		if got := resolve("word/document.xml", reference); got != want {
			t.Errorf("%q: got %q, want %q", reference, got, want)
		}
	}
}

// TestPartsThatLieAboutTheirSize changes the sizes that a container's headers give.
func TestPartsThatLieAboutTheirSize(t *testing.T) {
	original := zipped(t, append(wordParts(), packed{"word/document.xml", "<w:document><w:body><w:p><w:r><w:t>words</w:t></w:r></w:p></w:body></w:document>"})...)
	lie := bytes.Clone(original)
	directory := bytes.LastIndex(lie, []byte("PK\x01\x02"))
	copy(lie[directory+24:], "\x01\x00\x00\x00") // one byte, unpacked
	if _, err := parse(t, TypeDOCX, lie); problem(err) != "parse_error" {
		t.Errorf("got %v", err)
	}
	encrypted := bytes.Clone(original)
	encrypted[directory+8] |= 1
	if _, err := parse(t, TypeDOCX, encrypted); problem(err) != "encrypted" {
		t.Errorf("got %v", err)
	}
}
