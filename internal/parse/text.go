package parse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// textFormat reads plain text: paragraphs are what empty lines separate.
type textFormat struct{}

// Parse reads plain text.
func (textFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	r, err := decoded(ctx, o, b)
	if err != nil {
		return err
	}
	b.expect(o.Size)
	var p openParagraph
	err = eachLine(r, b, func(line string) { p.line(line, b) })
	p.flush(b)
	return err
}

// eachLine gives the lines of a text without their ends, until the text or the room in b is over. A carriage return ends a line, too.
func eachLine(r *bufio.Reader, b *builder, see func(line string)) error {
	for !b.full {
		text, err := r.ReadString('\n')
		if text != "" {
			text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
			for line := range strings.SplitSeq(text, "\r") {
				see(line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read original: %w", err)
		}
	}
	return nil
}

// plainText reads text that is in memory already.
func plainText(text string, b *builder) {
	var p openParagraph
	for line := range strings.SplitSeq(newlines(text), "\n") {
		p.line(line, b)
	}
	p.flush(b)
}

// openParagraph puts lines together.
type openParagraph struct{ lines []string }

func (p *openParagraph) line(line string, b *builder) {
	if strings.TrimSpace(line) == "" {
		p.flush(b)
		return
	}
	p.lines = append(p.lines, strings.TrimRight(line, " \t"))
}

func (p *openParagraph) flush(b *builder) {
	b.add(rag.BlockParagraph, strings.Join(p.lines, "\n"))
	p.lines = p.lines[:0]
}

func newlines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}
