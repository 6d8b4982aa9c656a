package parse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/transform"

	"github.com/redkite/redkite/internal/rag"
)

// textFormat reads plain text: paragraphs are what empty lines separate.
type textFormat struct{}

// mostParagraph is how long a block of plain text may be: one that is longer, such as a file without empty lines, is
// several, cut at ends of lines.
const mostParagraph = 128 << 10

// Parse reads plain text as it comes, however long it is.
func (textFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	return streamText(ctx, o, b)
}

// streamText reads an original as plain text, whatever its type says.
func streamText(ctx context.Context, o rag.Original, b *builder) error {
	w, err := surveyed(ctx, o, b)
	if err != nil {
		return err
	}
	return w.paragraphs(ctx, o, b)
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
	_ = paragraphsOf(strings.NewReader(newlines(text)), b) // a string can be read
}

// paragraphsOf adds the paragraphs of a text whose lines end in \n.
func paragraphsOf(text io.Reader, b *builder) error {
	lines := bufio.NewReaderSize(text, 64<<10)
	var open []byte // of the paragraph
	whole := true   // the last line has ended
	for !b.full {
		piece, err := lines.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return fmt.Errorf("read original: %w", err)
		}
		ends := err != bufio.ErrBufferFull
		if whole && ends && len(bytes.TrimSpace(piece)) == 0 {
			b.add(rag.BlockParagraph, string(open))
			open = open[:0]
		} else if open = append(open, piece...); ends {
			open = append(bytes.TrimRight(open, " \t\n"), '\n')
		}
		whole = ends
		for len(open) > mostParagraph && !b.full {
			cut := paragraphCut(open)
			b.add(rag.BlockParagraph, string(open[:cut]))
			open = append(open[:0], open[cut:]...)
		}
		if err == io.EOF {
			b.add(rag.BlockParagraph, string(open))
			return nil
		}
	}
	return nil
}

// paragraphCut gives where a paragraph that is too long is cut: after a line, else a word, else a character, in its
// second half.
func paragraphCut(text []byte) int {
	const half = mostParagraph / 2
	for _, ends := range []string{"\n", " \t"} {
		if at := bytes.LastIndexAny(text[half:mostParagraph], ends); at >= 0 {
			return half + at + 1
		}
	}
	cut := mostParagraph
	for cut > half && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return cut
}

// plainNewlines makes \n of each \r\n and \r.
type plainNewlines struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (*plainNewlines) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		if written == len(dst) {
			return written, read, transform.ErrShortDst
		}
		c := src[read]
		if c == '\r' {
			if read+1 == len(src) && !atEOF {
				return written, read, transform.ErrShortSrc
			}
			if c = '\n'; read+1 < len(src) && src[read+1] == '\n' {
				read++
			}
		}
		dst[written] = c
		written++
		read++
	}
	return written, read, nil
}

func newlines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}
