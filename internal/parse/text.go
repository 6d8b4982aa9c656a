package parse

import (
	"context"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/redkite/redkite/internal/rag"
)

// textFormat reads plain text: paragraphs are what empty lines separate.
type textFormat struct{}

// Parse reads plain text.
func (textFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	raw, err := readAll(ctx, o)
	if err != nil {
		return err
	}
	text, err := decode(raw, TypeText)
	if err != nil {
		return err
	}
	plainText(text, b)
	return nil
}

func plainText(text string, b *builder) {
	var paragraph []string
	flush := func() {
		b.add(rag.BlockParagraph, strings.Join(paragraph, "\n"))
		paragraph = paragraph[:0]
	}
	for line := range strings.SplitSeq(newlines(text), "\n") {
		if strings.TrimSpace(line) == "" {
			flush()
			continue
		}
		paragraph = append(paragraph, strings.TrimRight(line, " \t"))
	}
	flush()
}

func newlines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// decode turns bytes into UTF-8 without a byte order mark. A byte order mark says how they are written; else they are
// UTF-8 where that fits, even if some bytes are damaged; else what an HTML page says of itself, or Windows-1252.
func decode(raw []byte, mediaType string) (string, error) {
	encoding, name, certain := charset.DetermineEncoding(raw, "")
	if name == "utf-8" || !certain && name != "iso-2022-jp" && looksLikeUTF8(raw) {
		return strings.TrimPrefix(string(raw), "\uFEFF"), nil
	}
	decoded, err := encoding.NewDecoder().Bytes(raw)
	if err != nil {
		return "", unreadable(mediaType, err)
	}
	return strings.TrimPrefix(string(decoded), "\uFEFF"), nil
}

// looksLikeUTF8 reports whether all bytes are UTF-8, or at least ten characters beyond ASCII are for each byte that is
// not. In other encodings such characters come about by chance only, and seldom.
func looksLikeUTF8(raw []byte) bool {
	if utf8.Valid(raw) {
		return true
	}
	good, bad := 0, 0
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			bad++
		case size > 1:
			good++
		}
		i += size
	}
	return good >= 10*bad
}
