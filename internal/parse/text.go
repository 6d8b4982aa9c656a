package parse

import (
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/redkite/redkite/internal/rag"
)

// textFormat reads plain text: paragraphs are what empty lines separate. Text that is no UTF-8 is read as its byte
// order mark says, else as Windows-1252.
type textFormat struct{}

// Parse reads plain text.
func (textFormat) Parse(ctx context.Context, original io.ReadSeeker, _ int64) (rag.Parsed, error) {
	raw, err := readAll(ctx, original)
	if err != nil {
		return rag.Parsed{}, err
	}
	text, err := decode(raw, TypeText)
	if err != nil {
		return rag.Parsed{}, err
	}
	var b builder
	var paragraph []string
	flush := func() {
		b.add(rag.BlockParagraph, strings.Join(paragraph, "\n"))
		paragraph = paragraph[:0]
	}
	for line := range strings.SplitSeq(clean(text), "\n") {
		if strings.TrimSpace(line) == "" {
			flush()
			continue
		}
		paragraph = append(paragraph, strings.TrimRight(line, " \t"))
	}
	flush()
	return b.parsed(""), nil
}

// decode turns bytes into UTF-8.
func decode(raw []byte, mediaType string) (string, error) {
	if utf8.Valid(raw) {
		return string(raw), nil
	}
	encoding, _, _ := charset.DetermineEncoding(raw, mediaType)
	decoded, err := encoding.NewDecoder().Bytes(raw)
	if err != nil {
		return "", unreadable(mediaType, err)
	}
	return string(decoded), nil
}
