package parse

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// builder puts the normalised text and its blocks together, in reading order, with an empty line between two blocks. What
// goes over maxText is not kept: parsers of long documents see by full that they can stop.
type builder struct {
	maxText  int64 // bytes; 0 for no limit
	full     bool
	given    string // the document's own title
	pages    int    // 0 where the format has none
	warnings []rag.Warning

	text   strings.Builder
	runes  int
	blocks []rag.Block
	path   []heading // the sections that are open, outermost first
	page   int
	title  string // of the first heading
}

type heading struct {
	level int
	title string
}

// heading opens a section: it closes those of its level and below, and counts itself to the section it opens.
func (b *builder) heading(level int, title string) {
	title = strings.Join(strings.Fields(clean(title)), " ")
	if title == "" {
		return
	}
	if b.title == "" {
		b.title = title
	}
	for len(b.path) > 0 && b.path[len(b.path)-1].level >= level {
		b.path = b.path[:len(b.path)-1]
	}
	b.path = append(slices.Clip(b.path), heading{level: level, title: title})
	b.add(rag.BlockHeading, title)
}

// add appends a block; one without text is left out.
func (b *builder) add(kind rag.BlockKind, text string) {
	if text = trim(kind, clean(text)); text == "" {
		return
	}
	if b.maxText > 0 && int64(b.text.Len()+len(text)) > b.maxText {
		b.full = true
	}
	if b.full {
		return
	}
	if b.runes > 0 {
		b.text.WriteString("\n\n")
		b.runes += 2
	}
	var headings []string
	for _, h := range b.path {
		headings = append(headings, h.title)
	}
	n := utf8.RuneCountInString(text)
	b.blocks = append(b.blocks, rag.Block{Kind: kind, Text: text, Headings: headings, Page: b.page, Span: rag.Span{Start: b.runes, End: b.runes + n}})
	b.text.WriteString(text)
	b.runes += n
}

// take appends the blocks of another builder, whose headings must not lie inside b's.
func (b *builder) take(other *builder) {
	path := b.path
	for _, block := range other.blocks {
		b.path = b.path[:0:0]
		for _, title := range block.Headings {
			b.path = append(b.path, heading{title: title})
		}
		b.add(block.Kind, block.Text)
	}
	b.path = path
	if b.title == "" {
		b.title = other.title
	}
	b.warnings = append(b.warnings, other.warnings...)
}

// warn notes what the user should know of a document that can be searched all the same; the code is one of rag's.
func (b *builder) warn(code, format string, args ...any) {
	b.warnings = append(b.warnings, rag.Warning{Code: code, Message: fmt.Sprintf(format, args...)})
}

// parsed ends the document. The title is its own, else the first heading.
func (b *builder) parsed() (rag.Parsed, error) {
	if b.full {
		return rag.Parsed{}, &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_large", Message: fmt.Sprintf("the document holds more than %d bytes of text; split it", b.maxText)}
	}
	title := strings.Join(strings.Fields(clean(b.given)), " ")
	if title == "" {
		title = b.title
	}
	return rag.Parsed{Title: title, Text: b.text.String(), Blocks: b.blocks, Pages: b.pages, Warnings: b.warnings}, nil
}

// trim takes off the blanks around a block's text, but not what indents the first line of code.
func trim(kind rag.BlockKind, text string) string {
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	if kind != rag.BlockCode {
		return strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	for {
		line, rest, more := strings.Cut(text, "\n")
		if !more || strings.TrimSpace(line) != "" {
			return text
		}
		text = rest
	}
}

// clean makes text valid UTF-8 with plain newlines and without what can't be seen: control characters, zero-width
// characters, marks of writing direction and tags, which carry no words and can hide some.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u00a0' || r == '\u2028' || r == '\u2029' || r == '\v' || r == '\f' || r == '\u0085':
			return ' '
		case unicode.Is(unicode.Cc, r) || unseen(r):
			return -1
		}
		return r
	}, newlines(strings.ToValidUTF8(text, "\uFFFD")))
}

// unseen reports whether a character takes no room on the page.
func unseen(r rune) bool {
	switch r {
	case '\u00ad', '\u034f', '\u061c', '\u180e', '\ufeff', '\ufff9', '\ufffa', '\ufffb':
		return true
	}
	return r >= '\u200b' && r <= '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2060' && r <= '\u206f' ||
		r >= 0xE0000 && r <= 0xE007F
}
