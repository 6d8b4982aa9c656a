package parse

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-pdf/fpdf"
	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// shown is a block without its span, which check looks at.
type shown struct {
	Kind rag.BlockKind
	Text string
	Path string
	Page int
}

// cacheDir lies outside the tests' own folders, so that PDFium is compiled once a machine and not once a test.
func cacheDir() string { return filepath.Join(os.TempDir(), "redkite-test-pdfium") }

func originalOf(mediaType string, content []byte) rag.Original {
	return rag.Original{ReadSeeker: bytes.NewReader(content), Size: int64(len(content)), MediaType: mediaType}
}

func parse(t *testing.T, mediaType string, original []byte) (rag.Parsed, error) {
	t.Helper()
	r := New(Options{CacheDir: cacheDir()})
	defer r.Close()
	return r.Parse(t.Context(), originalOf(mediaType, original))
}

// told writes warnings as their codes and messages.
func told(warnings []rag.Warning) []string {
	var out []string
	for _, w := range warnings {
		out = append(out, w.Code+": "+w.Message)
	}
	return out
}

// check asserts what must hold of anything parsed.
func check(t *testing.T, p rag.Parsed) []shown {
	t.Helper()
	runes := []rune(p.Text)
	at := 0
	var out []shown
	for i, b := range p.Blocks {
		if b.Span.Start < at || b.Span.End > len(runes) || string(runes[b.Span.Start:b.Span.End]) != b.Text {
			t.Fatalf("block %d: span %v does not hold its text %q", i, b.Span, b.Text)
		}
		at = b.Span.End
		out = append(out, shown{b.Kind, b.Text, strings.Join(b.Headings, " > "), b.Page})
	}
	return out
}

func TestFormats(t *testing.T) {
	tests := []struct {
		name, mediaType, in, title string
		want                       []shown
	}{
		{"text", TypeText, "First line\nsecond line\r\n\r\n\r\nNext\u200b par\x00agraph  \n", "", []shown{
			{rag.BlockParagraph, "First line\nsecond line", "", 0}, {rag.BlockParagraph, "Next paragraph", "", 0}}},
		{"text in Windows-1252", TypeText, "caf\xe9 \x80 5", "", []shown{{rag.BlockParagraph, "café € 5", "", 0}}},
		{"text in UTF-8 with a damaged byte", TypeText, strings.Repeat("a", 2000) + " " + strings.Repeat("é", 20) + "\xff", "", []shown{
			{rag.BlockParagraph, strings.Repeat("a", 2000) + " " + strings.Repeat("é", 20) + "\uFFFD", "", 0}}},
		{"hidden characters", TypeText, "a\u00adb\u202ec\U000E0041d\ufeffe\u00a0f", "", []shown{{rag.BlockParagraph, "abcde f", "", 0}}},
		{"text in UTF-16", TypeText, "\xff\xfeh\x00i\x00", "", []shown{{rag.BlockParagraph, "hi", "", 0}}},
		{"Markdown", TypeMarkdown, "# Guide\n\nHello *big* `world`.\n\n## Setup\n\n- one\n- two\n  - deep\n\n```sh\nmake demo\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n# Next\n\n> said [link](x)\n", "Guide", []shown{
			{rag.BlockHeading, "Guide", "Guide", 0}, {rag.BlockParagraph, "Hello big world.", "Guide", 0},
			{rag.BlockHeading, "Setup", "Guide > Setup", 0}, {rag.BlockList, "- one\n- two\n  - deep", "Guide > Setup", 0},
			{rag.BlockCode, "make demo", "Guide > Setup", 0}, {rag.BlockTable, "a | b\n1 | 2", "Guide > Setup", 0},
			{rag.BlockHeading, "Next", "Next", 0}, {rag.BlockParagraph, "said link", "Next", 0}}},
		{"Markdown with front matter", TypeMarkdown, "---\ntitle: \"The title\"\n---\nBody\n", "The title", []shown{{rag.BlockParagraph, "Body", "", 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, test.mediaType, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
			if p.Title != test.title {
				t.Errorf("title %q, want %q", p.Title, test.title)
			}
		})
	}
}

func TestHTMLKeepsTheMainContent(t *testing.T) {
	page := `<html><head><title>Opening hours</title><script>var x = "script text"</script></head><body>
<nav><a href="/">Home</a> <a href="/shop">Shop</a> <a href="/jobs">Jobs</a></nav>
<main><article><h1>Opening hours</h1><p>The museum is open from ten to six, and closed on Mondays. Visitors with a year pass may come an hour earlier than others.</p>
<h2>Prices</h2><table><tr><th>who</th><th>price</th></tr><tr><td>adults</td><td>9</td></tr></table>
<p style="display: none">hidden words</p><ul><li>children under six are free of charge every day</li><li>groups pay <b>half</b> of the price</li></ul></article></main>
<footer>Imprint</footer></body></html>`
	p, err := parse(t, TypeHTML, []byte(page))
	if err != nil {
		t.Fatal(err)
	}
	blocks := check(t, p)
	for _, want := range []string{"closed on Mondays", "adults | 9", "- children under six", "groups pay half"} {
		if !strings.Contains(p.Text, want) {
			t.Errorf("%q is lost:\n%s", want, p.Text)
		}
	}
	for _, unwanted := range []string{"script text", "hidden words", "Shop", "Imprint"} {
		if strings.Contains(p.Text, unwanted) {
			t.Errorf("%q was kept:\n%s", unwanted, p.Text)
		}
	}
	if p.Title != "Opening hours" || blocks[len(blocks)-1].Path != "Opening hours > Prices" {
		t.Errorf("title %q, last block %+v", p.Title, blocks[len(blocks)-1])
	}
}

func TestHTMLWithoutMainContentIsTakenWhole(t *testing.T) {
	p, err := parse(t, TypeHTML, []byte("<p>short</p><div>and <i>small</i></div>"))
	if err != nil || p.Text != "short\n\nand small" {
		t.Errorf("got %q, %v", p.Text, err)
	}
}

// picture is the text of a page that shows something and holds no text, as a scanned one does.
const picture = "\x00"

func pdf(t testing.TB, change func(*fpdf.Fpdf), pages ...string) []byte {
	t.Helper()
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetFont("Helvetica", "", 12)
	if change != nil {
		change(doc)
	}
	for _, text := range pages {
		doc.AddPage()
		if text == picture {
			doc.Rect(20, 20, 50, 50, "F")
			continue
		}
		doc.MultiCell(0, 6, text, "", "L", false)
	}
	var out bytes.Buffer
	if err := doc.Output(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPDFKeepsPages(t *testing.T) {
	long := strings.Repeat("Every word of this long paragraph has to come out with the blanks around it. ", 4)
	original := pdf(t, func(doc *fpdf.Fpdf) { doc.SetTitle("Yearly report", true) }, long+"\n\nRevenue grew.", picture, "Forty engineers joined.", "")
	p, err := parse(t, TypePDF, original)
	if err != nil {
		t.Fatal(err)
	}
	want := []shown{
		{rag.BlockParagraph, strings.TrimSpace(long), "", 1}, {rag.BlockParagraph, "Revenue grew.", "", 1},
		{rag.BlockParagraph, "Forty engineers joined.", "", 3},
	}
	if diff := cmp.Diff(want, check(t, p)); diff != "" {
		t.Error(diff)
	}
	if p.Title != "Yearly report" || p.Pages != 4 || !slices.Equal(p.Warnings, []rag.Warning{{Code: rag.WarnPartialText, Message: "1 of 4 pages have no text layer: 2"}}) {
		t.Errorf("title %q, %d pages, warnings %v", p.Title, p.Pages, p.Warnings)
	}
}

func TestRefusals(t *testing.T) {
	secret := pdf(t, func(doc *fpdf.Fpdf) { doc.SetProtection(fpdf.CnProtectPrint, "secret", "owner") }, "text")
	tests := []struct {
		name, mediaType string
		original        []byte
		code            string
	}{
		{"blank text", TypeText, []byte(" \n\t "), "empty"},
		{"HTML without words", TypeHTML, []byte("<html><body><script>x</script></body></html>"), "empty"},
		{"PDF without text", TypePDF, pdf(t, nil, picture, ""), "no_text_layer"},
		{"PDF without anything", TypePDF, pdf(t, nil, "", ""), "empty"},
		{"encrypted PDF", TypePDF, secret, "encrypted"},
		{"damaged PDF", TypePDF, []byte("%PDF-1.7\nnothing more"), "parse_error"},
		{"unknown type", "image/png", []byte("x"), "unsupported"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(t, test.mediaType, test.original)
			var p *rag.Problem
			if !errors.As(err, &p) || p.Code != test.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParsingEndsWithItsContext(t *testing.T) {
	r := New(Options{})
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	original := pdf(t, nil, "text")
	for _, mediaType := range []string{TypeText, TypeMarkdown, TypeHTML, TypePDF} {
		if _, err := r.Parse(ctx, originalOf(mediaType, original)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", mediaType, err)
		}
	}
}

func TestSniff(t *testing.T) {
	tests := []struct {
		name, head, want string
		ok               bool
	}{
		{"a.txt", "hello", TypeText, true}, {"a.md", "hello", TypeMarkdown, true}, {"A.HTM", "hello", TypeHTML, true},
		{"a.txt", "<!doctype html><html>", TypeHTML, true}, {"a.txt", "%PDF-1.7\n", TypePDF, true}, {"a", "{\"a\":1}", TypeJSON, true},
		{"a.csv", "a,b\n1,2\n", TypeCSV, true}, {"a.txt", "\x7fELF\x02\x01\x01\x00\x00\x00", "application/x-elf", false},
		{"a.md", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png", false}, {"a.txt", "\xff\xfeh\x00i\x00", TypeText, true},
		{"README.md", "<p align=center>Hi</p>\n\n# Title", TypeMarkdown, true}, {"a.txt", "{\\rtf1 hello}", "text/rtf", false},
		{"a.pdf", "\x00\x01junk before\n%PDF-1.7\n", TypePDF, true}, {"a.txt", "it says %PDF- here", TypeText, true},
		{"a.txt", "[{\"a\":1}]", TypeJSON, true}, {"a.json", "// hello\n{\"a\":1}", TypeJSON, true}, {"a", "{\"a\":1}\n{\"a\":2}\n", TypeJSONL, true},
		{"a.jsonl", "{\"a\":1}\n", TypeJSONL, true}, {"a.geojson", "{\"type\":\"FeatureCollection\",\"features\":[]}", TypeJSON, true},
		{"a.TSV", "a\tb\n", TypeTSV, true}, {"a", strings.Repeat("a,b,c\n", 6), TypeCSV, true}, {"a", strings.Repeat("a\tb\tc\n", 6), TypeTSV, true},
		{"a.txt", "Well, yes.\nNow, then.\nSo, what.\nOh, no.\nUm, ah.\nHm, hm.\n", TypeText, true}, // every line has a comma
		{"a", mailHead + "\r\nHello", TypeMail, true}, {"a.eml", "Subject: x\r\n\r\nHello", TypeMail, true},
		{"a.txt", "From: here\nTo: there\nit is far.\n", TypeText, true}, {"a.md", mailHead + "\r\nHello", TypeMarkdown, true},
		{"a.txt", "h\x00e\x00l\x00l\x00o\x00\n\x00", TypeText, true}, {"a.txt", "\x00\x01\x02\x03\x04\x05\x06\x07\x08", "application/octet-stream", false},
	}
	for _, test := range tests {
		got, ok := New(Options{}).Sniff(test.name, []byte(test.head))
		if got != test.want || ok != test.ok {
			t.Errorf("%s %q: got %s, %v", test.name, test.head, got, ok)
		}
	}
}

func fuzz(f *testing.F, mediaType string) {
	r := New(Options{})
	f.Fuzz(func(t *testing.T, original []byte) { fuzzed(t, r, mediaType, original) })
}

// fuzzed asserts of any bytes that they end in blocks or in an error that the user can read.
func fuzzed(t *testing.T, r *Registry, mediaType string, original []byte) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := r.Parse(ctx, originalOf(mediaType, original))
	switch {
	case err == nil:
		check(t, p)
	case !errors.Is(err, rag.ErrInvalid) && !errors.Is(err, rag.ErrTooLarge), strings.Contains(err.Error(), "panic"):
		t.Fatal(err)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a\n\nb\xff\x00\u200b"))
	fuzz(f, TypeText)
}

func FuzzMarkdown(f *testing.F) {
	f.Add([]byte("# a\n\n- b\n  1. c\n\n|x|y|\n|-|-|\n|1|\n\n```\nd\n"))
	fuzz(f, TypeMarkdown)
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte("<h1>a</h1><ul><li>b<ul><li>c</ul></ul><table><tr><td>d<pre>e"))
	fuzz(f, TypeHTML)
}
