package parse

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// builder puts the normalised text and its blocks together, in reading order, with an empty line between two blocks, and
// hands them over window by window. Parsers of long documents see by full that they can stop: the text is over maxText,
// or nobody takes it any more.
type builder struct {
	maxText  int64                  // bytes; 0 for no limit
	hand     func(rag.Window) error // takes a window; nil where all is kept in one
	full     bool
	failed   error  // why a window was not taken
	given    string // the document's own title
	pages    int    // 0 where the format has none
	warnings []rag.Warning

	text   strings.Builder // of the open window
	blocks []rag.Block     // of the open window, without their texts, which are slices of its text
	starts []int           // where each begins in text, in bytes
	start  int             // code points before the open window
	size   int64           // bytes of the text so far
	runes  int             // code points of it
	count  int             // blocks so far
	hidden int             // characters left out that a reader does not see
	held   bool            // no window is handed over before the end
	path   []heading       // the sections that are open, outermost first
	page   int
	title  string // of the first heading

	done, total int       // how far the parser is
	told        time.Time // when that was handed over
}

const (
	// windowBytes is what a window holds at least, but for the last one. It ends where a section or page does.
	windowBytes = 1 << 20
	// mostWindow is what a window holds before it ends inside a section too.
	mostWindow = 2 * windowBytes
	// tellEvery is how often a parser that fills no window tells how far it is.
	tellEvery = 500 * time.Millisecond
)

type heading struct {
	level int
	title string
}

// openSection opens one without a block for its heading, which stands nowhere in the document.
func (b *builder) openSection(level int, title string) {
	b.path = append(slices.Clip(b.path), heading{level: level, title: fold(clean(title))})
}

// heading opens a section: it closes those of its level and below, and counts itself to the section it opens.
func (b *builder) heading(level int, title string) {
	b.hidden += unseenIn(title)
	title = fold(clean(title))
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
	b.hidden += unseenIn(text)
	if text = trim(kind, clean(text)); text == "" {
		return
	}
	if b.maxText > 0 && b.size+int64(len(text)) > b.maxText {
		b.full = true
	}
	if b.due(kind) {
		b.handOver()
	}
	if b.full {
		return
	}
	if b.runes > 0 {
		b.text.WriteString(blockGap)
		b.runes += len(blockGap)
		b.size += int64(len(blockGap))
	}
	var headings []string
	for _, h := range b.path {
		headings = append(headings, h.title)
	}
	n := utf8.RuneCountInString(text)
	b.starts = append(b.starts, b.text.Len())
	b.blocks = append(b.blocks, rag.Block{Kind: kind, Headings: headings, Page: b.page, Span: rag.Span{Start: b.runes - b.start, End: b.runes - b.start + n}})
	b.text.WriteString(text)
	b.runes += n
	b.size += int64(len(text))
	b.count++
}

// due reports whether the open window ends before a block of this kind. A heading goes with what is below it.
func (b *builder) due(kind rag.BlockKind) bool {
	if b.hand == nil || b.held || b.count == 0 || b.text.Len() < windowBytes {
		return false
	}
	last := b.blocks[len(b.blocks)-1]
	boundary := kind == rag.BlockHeading || last.Page != b.page
	return boundary && last.Kind != rag.BlockHeading || b.text.Len() >= mostWindow
}

// handOver ends the open window.
func (b *builder) handOver() {
	if b.hand == nil || b.failed != nil {
		return
	}
	b.told = time.Now()
	if b.failed = b.hand(rag.Window{Start: b.start, Text: b.text.String(), Blocks: b.finished(), Done: b.done, Total: b.total}); b.failed != nil {
		b.full = true
	}
	b.start = b.runes
	b.text.Reset()
	b.blocks, b.starts = nil, nil
}

// progress says how far the parser is: pages, or bytes of the original.
func (b *builder) progress(done, total int) {
	b.done, b.total = done, total
	if b.hand == nil || b.failed != nil || time.Since(b.told) < tellEvery {
		return
	}
	b.told = time.Now()
	if b.failed = b.hand(rag.Window{Start: b.start, Done: done, Total: total}); b.failed != nil {
		b.full = true
	}
}

// take appends the blocks of another builder, whose headings must not lie inside b's.
func (b *builder) take(other *builder) {
	path := b.path
	for _, block := range other.finished() {
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
	b.hidden += other.hidden
}

// hold keeps all in one window, for parsers that may have to change or drop what they have added.
func (b *builder) hold() { b.held = true }

// restart drops what was added, for a parser that has to begin anew in another way; warnings stay. Nothing may have been
// handed over.
func (b *builder) restart() {
	*b = builder{maxText: b.maxText, hand: b.hand, told: b.told, held: b.held, warnings: b.warnings}
}

// finished gives the blocks of the open window with their texts.
func (b *builder) finished() []rag.Block {
	text := b.text.String()
	for i := range b.blocks {
		end := len(text)
		if i+1 < len(b.blocks) {
			end = b.starts[i+1] - len(blockGap)
		}
		b.blocks[i].Text = text[b.starts[i]:end]
	}
	return b.blocks
}

// blockGap stands between two blocks.
const blockGap = "\n\n"

// warn notes, once, what the user should know of a document that can be searched all the same; the code is one of rag's.
func (b *builder) warn(code, format string, args ...any) {
	warning := rag.Warning{Code: code, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(b.warnings, warning) {
		b.warnings = append(b.warnings, warning)
	}
}

// end hands over the last window and gives what is known of the document. The title is its own, else the first heading.
func (b *builder) end() (rag.Findings, error) {
	switch {
	case b.failed != nil:
		return rag.Findings{}, b.failed
	case b.full:
		return rag.Findings{}, tooLarge("the document holds more than %d bytes of text; split it", b.maxText)
	case b.count == 0:
		return rag.Findings{}, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty", Message: "the document holds no text"}
	}
	if b.handOver(); b.failed != nil {
		return rag.Findings{}, b.failed
	}
	if b.hidden > 0 {
		b.warn(rag.WarnHiddenText, "%d characters that a reader does not see were left out", b.hidden)
	}
	title := fold(clean(b.given))
	if title == "" {
		title = b.title
	}
	return rag.Findings{Title: title, Pages: b.pages, Warnings: b.warnings}, nil
}

// tooLarge says that a document is over a limit.
func tooLarge(format string, args ...any) error {
	return &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_large", Message: fmt.Sprintf(format, args...)}
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

// unseenIn counts the unseen characters of a text that hide something or have no use in it. Those that scripts, emoji and
// word processors need (joiners, marks of direction, soft hyphens, byte order marks) are left out as quietly as ever.
func unseenIn(text string) int {
	n := 0
	for _, r := range text {
		if r < '\u180e' || !unseen(r) {
			continue
		}
		switch r {
		case '\u200c', '\u200d', '\u200e', '\u200f', '\ufeff':
		default:
			n++
		}
	}
	return n
}
