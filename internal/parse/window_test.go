package parse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// windows streams an original and checks what must hold of any windows: they join into one text, and every block is the
// slice of its window's text that its span names.
func windows(t *testing.T, mediaType string, original []byte) ([]rag.Window, rag.Findings) {
	t.Helper()
	r := New(Options{CacheDir: cacheDir()})
	defer r.Close()
	var all []rag.Window
	runes := 0
	found, err := r.Stream(t.Context(), originalOf(mediaType, original), func(w rag.Window) error {
		if w.Start != runes {
			t.Errorf("window %d starts at %d, want %d", len(all), w.Start, runes)
		}
		text := []rune(w.Text)
		for _, b := range w.Blocks {
			if string(text[b.Span.Start:b.Span.End]) != b.Text {
				t.Fatalf("window %d: span %v does not hold %.40q", len(all), b.Span, b.Text)
			}
		}
		runes += len(text)
		all = append(all, w)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, found
}

// longBook is Markdown of sections of 100 kB.
func longBook(sections int) string {
	var b strings.Builder
	for i := range sections {
		fmt.Fprintf(&b, "# Section %d\n\n## Part\n\n", i)
		for j := range 1000 {
			fmt.Fprintf(&b, "Kite number %d of section %d flies over the höchste hills and looks down on all of them, its tail spread.\n\n", j, i)
		}
	}
	return b.String()
}

func TestWindowsEndBetweenSections(t *testing.T) {
	all, found := windows(t, TypeMarkdown, []byte(longBook(50)))
	if len(all) < 4 || found.Title != "Section 0" {
		t.Fatalf("%d windows, title %q", len(all), found.Title)
	}
	for i, w := range all[1:] {
		if first := w.Blocks[0]; first.Kind != rag.BlockHeading || !strings.HasPrefix(first.Text, "Section") {
			t.Errorf("window %d begins with %s %.30q", i+1, first.Kind, first.Text)
		}
	}
	for i, w := range all {
		if len(w.Text) > mostWindow || i < len(all)-1 && len(w.Text) < windowBytes {
			t.Errorf("window %d has %d bytes", i, len(w.Text))
		}
	}
}

// TestPlainTextOfAnyForm reads text without empty lines, without lines, and in other encodings, in windows that are bounded,
// and without losing a word.
func TestPlainTextOfAnyForm(t *testing.T) {
	const line = "Der Rotmilan kreist über dem höchsten Hügel und sieht 1000 Mäuse."
	words := func(ends string) string { return strings.Repeat(line+ends, 80_000) }
	utf16 := func(text string) []byte {
		var b bytes.Buffer
		b.WriteString("\xff\xfe")
		for _, r := range text {
			b.Write([]byte{byte(r), byte(r >> 8)})
		}
		return b.Bytes()
	}
	latin := func(text string) []byte {
		var b bytes.Buffer
		for _, r := range text {
			b.WriteByte(byte(r))
		}
		return b.Bytes()
	}
	for name, test := range map[string]struct {
		raw     []byte
		guessed bool
	}{
		"paragraphs":        {[]byte(words("\n\n")), false},
		"lines":             {[]byte(words("\n")), false},
		"lines of Windows":  {[]byte(words("\r\n")), false},
		"lines of old Macs": {[]byte(words("\r")), false},
		"one line":          {[]byte(words(" ")), false},
		"UTF-16":            {utf16(words("\n")), false},
		"Windows-1252":      {latin(words("\n")), true},
	} {
		t.Run(name, func(t *testing.T) {
			all, found := windows(t, TypeText, test.raw)
			var text strings.Builder
			for _, w := range all {
				text.WriteString(w.Text)
				if len(w.Text) > mostWindow+2*mostParagraph {
					t.Errorf("a window has %d bytes", len(w.Text))
				}
			}
			got, want := strings.Fields(text.String()), strings.Fields(words(" "))
			if !cmp.Equal(got, want) {
				t.Errorf("%d words, want %d", len(got), len(want))
			}
			guessed := len(found.Warnings) == 1 && found.Warnings[0].Code == rag.WarnEncodingGuessed
			if guessed != test.guessed || len(found.Warnings) > 1 {
				t.Errorf("warnings %v", found.Warnings)
			}
			if last := all[len(all)-1]; last.Total != len(test.raw) || last.Done != last.Total {
				t.Errorf("at the end %d of %d bytes are done", last.Done, last.Total)
			}
		})
	}
}

func TestOneWordWithoutEnd(t *testing.T) {
	raw := []byte(strings.Repeat("ü", 300_000))
	all, _ := windows(t, TypeText, raw)
	var text strings.Builder
	for _, w := range all {
		text.WriteString(strings.ReplaceAll(w.Text, "\n\n", ""))
	}
	if text.String() != string(raw) {
		t.Errorf("%d of %d bytes", text.Len(), len(raw))
	}
}

// TestUTF8InPieces has a text that is read in single bytes be told from others as the whole is.
func TestUTF8InPieces(t *testing.T) {
	for _, text := range []string{"plain", "höchste", "caf\xe9", strings.Repeat("é", 20) + "\xff", strings.Repeat("日本", 20), "cut \xe6\x97"} {
		var s survey
		if _, err := io.Copy(&s, iotest.OneByteReader(strings.NewReader(text))); err != nil {
			t.Fatal(err)
		}
		got := s.good >= 10*(s.bad+len(s.carry))
		if want := looksLikeUTF8([]byte(text)); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

func TestHiddenTextIsCounted(t *testing.T) {
	for text, want := range map[string]string{
		"plain \ufeff soft\u00adhyphen \u200d joined": "",
		"a\u200bb \U000E0041\U000E0042":               "3 characters that a reader does not see were left out",
	} {
		p, err := parse(t, TypeMarkdown, []byte("# Kites\n\n"+text))
		got := ""
		if len(p.Warnings) > 0 && p.Warnings[0].Code == rag.WarnHiddenText {
			got = p.Warnings[0].Message
		}
		if err != nil || got != want {
			t.Errorf("%q: %v, warnings %v", text, err, p.Warnings)
		}
	}
}

func TestLargeMarkup(t *testing.T) {
	line := "Kites fly over hills.\n\n"
	large := []byte(strings.Repeat(line, mostMarkup/len(line)+1))
	_, found := windows(t, TypeMarkdown, large)
	if len(found.Warnings) != 1 || found.Warnings[0].Code != rag.WarnReadAsPlainText {
		t.Errorf("Markdown: warnings %v", found.Warnings)
	}
	_, err := parse(t, TypeHTML, large)
	var p *rag.Problem
	if !errors.As(err, &p) || p.Code != "too_large" {
		t.Errorf("HTML: %v", err)
	}
}

func TestPDFTellsPages(t *testing.T) {
	all, found := windows(t, TypePDF, pdf(t, nil, "Kites fly.", "They nest.", "They eat."))
	if last := all[len(all)-1]; last.Done != 3 || last.Total != 3 || found.Pages != 3 {
		t.Errorf("%d of %d pages, %d in all", last.Done, last.Total, found.Pages)
	}
}

// TestTakingFails ends a parser whose windows are not wanted.
func TestTakingFails(t *testing.T) {
	r := New(Options{})
	broken := errors.New("pulled the plug")
	taken := 0
	_, err := r.Stream(t.Context(), originalOf(TypeText, []byte(strings.Repeat("kites and more\n\n", 1<<19))), func(rag.Window) error {
		taken++
		return broken
	})
	if !errors.Is(err, broken) || taken != 1 || r.left.Load() != 0 {
		t.Errorf("%v after %d windows; %d left behind", err, taken, r.left.Load())
	}
}
