package parse

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// surveyWindow is how many bytes a survey looks at together.
	surveyWindow = 4 << 10
	// surveySample is how many bytes beyond ASCII, with what is around them, a charset is guessed by.
	surveySample = 64 << 10
	// leastConfidence is how sure, of 100, a guess must be to be preferred to Windows-1252.
	leastConfidence = 35
)

// survey gathers what tells how a text is written, in one pass and little memory.
type survey struct {
	head   []byte // the first window
	sample []byte // windows that are not all ASCII
	carry  []byte // of a character that the last window cuts
	good   int    // characters of UTF-8 beyond ASCII
	bad    int    // bytes that are none
	shifts bool   // it has the escapes of ISO-2022-JP
}

// Write looks at more of the text.
func (s *survey) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), surveyWindow)
		s.window(rest[:n])
		rest = rest[n:]
	}
	return len(p), nil
}

func (s *survey) window(w []byte) {
	if len(s.head) < surveyWindow {
		s.head = append(s.head, w[:min(len(w), surveyWindow-len(s.head))]...)
	}
	if len(s.carry) == 0 && ascii(w) {
		s.shifts = s.shifts || bytes.Contains(w, []byte("\x1b$B")) || bytes.Contains(w, []byte("\x1b$@"))
		return
	}
	s.keep(w)
	w = append(s.carry, w...)
	s.carry = nil
	for len(w) > 0 {
		r, size := utf8.DecodeRune(w)
		switch {
		case r == utf8.RuneError && size == 1 && !utf8.FullRune(w):
			s.carry = bytes.Clone(w)
			return
		case r == utf8.RuneError && size == 1:
			s.bad++
		case size > 1:
			s.good++
		}
		w = w[size:]
	}
}

// keep adds to the sample what is beyond ASCII with a few bytes around: the frequency of letters must not drown in what
// is written alike everywhere.
func (s *survey) keep(w []byte) {
	const piece = 16
	for at := 0; at < len(w) && len(s.sample) < surveySample; at += piece {
		if p := w[at:min(at+piece, len(w))]; !ascii(p) {
			s.sample = append(s.sample, p...)
		}
	}
}

func ascii(w []byte) bool {
	for _, c := range w {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// written is how a text is written.
type written struct {
	encoding encoding.Encoding // nil for UTF-8
	guessed  string            // its name, where nothing says so
}

// written decides. A byte order mark says it; else it is UTF-8 where that fits, even if some bytes are damaged: at least
// ten characters beyond ASCII for each byte that is none, since in other encodings such characters come about by chance
// only; else what an HTML page says of itself; else what the frequency of letters tells, or Windows-1252.
func (s *survey) written(mediaType string) written {
	s.bad += len(s.carry)
	s.carry = nil
	declared, name, certain := charset.DetermineEncoding(s.head, "")
	if mediaType != TypeHTML && !certain || name == "windows-1252" && !bytes.Contains(bytes.ToLower(s.head), []byte("charset")) {
		declared, name = nil, ""
	}
	switch {
	case certain && name == "utf-8":
		return written{}
	case certain || name == "iso-2022-jp":
		return written{encoding: declared}
	}
	if e, name := utf16Unmarked(s.head); e != nil {
		return written{encoding: e, guessed: name}
	}
	switch {
	case s.good == 0 && s.bad == 0 && s.shifts:
		return guess("iso-2022-jp")
	case s.good >= 10*s.bad:
		return written{}
	case declared != nil && name != "utf-8":
		return written{encoding: declared}
	}
	best, err := chardet.NewTextDetector().DetectBest(s.sample)
	if err != nil || best.Confidence < leastConfidence {
		return guess("windows-1252")
	}
	return guess(best.Charset)
}

// guess names an encoding as browsers know it.
func guess(name string) written {
	e, err := htmlindex.Get(strings.ToLower(name))
	if err != nil {
		e, _ = htmlindex.Get("windows-1252")
	}
	name, err = htmlindex.Name(e)
	if err != nil || name == "utf-8" { // what is not even nearly UTF-8 was ruled out
		e, _ = htmlindex.Get("windows-1252")
		name = "windows-1252"
	}
	return written{encoding: e, guessed: name}
}

// utf16Unmarked tells UTF-16 without a byte order mark: all of it can be seen, blanks and line ends among it. Text
// without any, such as a line of Chinese, can't be told from other encodings.
func utf16Unmarked(head []byte) (encoding.Encoding, string) {
	head = head[:len(head)&^1]
	if len(head) < 8 || bytes.IndexByte(head, 0) < 0 {
		return nil, ""
	}
	best, name := 0, ""
	for i, candidate := range []string{"utf-16le", "utf-16be"} {
		units := make([]uint16, len(head)/2)
		for j := range units {
			units[j] = uint16(head[2*j])<<(8*i) | uint16(head[2*j+1])<<(8*(1-i))
		}
		if plain := plainRunes(units); plain > best {
			best, name = plain, candidate
		}
	}
	if best == 0 {
		return nil, ""
	}
	e, _ := htmlindex.Get(name)
	return e, name
}

// plainRunes counts the most usual characters of a text in UTF-16, and gives 0 where it is none.
func plainRunes(units []uint16) int {
	if last := units[len(units)-1]; utf16.IsSurrogate(rune(last)) {
		units = units[:len(units)-1] // cut
	}
	plain := 0
	for _, r := range utf16.Decode(units) {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r >= ' ' && r < 0x7f || r >= 0x3000 && r <= 0x30ff:
			plain++
		case r == unicode.ReplacementChar || !unicode.IsGraphic(r):
			return 0
		}
	}
	return plain
}

// warnGuessed tells that a charset was guessed, so that a user who sees odd letters knows why.
func (w written) warnGuessed(b *builder) {
	if w.guessed != "" {
		b.warn(rag.WarnEncodingGuessed, "nothing in the file says how its letters are written; it was read as %s", w.guessed)
	}
}

// decode turns bytes into UTF-8 without a byte order mark, and warns where it had to guess.
func decode(raw []byte, mediaType string, b *builder) (string, error) {
	var s survey
	_, _ = s.Write(raw) // it can't fail
	w := s.written(mediaType)
	w.warnGuessed(b)
	if w.encoding == nil {
		return strings.TrimPrefix(string(raw), "\uFEFF"), nil
	}
	decoded, err := w.encoding.NewDecoder().Bytes(raw)
	if err != nil {
		return "", unreadable(mediaType, err)
	}
	return strings.TrimPrefix(string(decoded), "\uFEFF"), nil
}

// decoded reads an original as UTF-8 without holding it: it is read twice, first to tell its charset.
func decoded(ctx context.Context, o rag.Original, b *builder) (*bufio.Reader, error) {
	w, err := surveyed(ctx, o, b)
	if err != nil {
		return nil, err
	}
	return w.open(ctx, o, b)
}

// surveyed reads all of an original to tell how it is written, and warns where that is a guess.
func surveyed(ctx context.Context, o rag.Original, b *builder) (written, error) {
	var s survey
	if _, err := io.Copy(&s, &cancelable{ctx: ctx, r: o}); err != nil {
		return written{}, fmt.Errorf("read original: %w", err)
	}
	w := s.written(o.MediaType)
	w.warnGuessed(b)
	return w, nil
}

// open reads an original from its start, as UTF-8 without a byte order mark; b is told how far that is.
func (w written) open(ctx context.Context, o rag.Original, b *builder) (*bufio.Reader, error) {
	if _, err := o.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read original again: %w", err)
	}
	read := 0
	var r io.Reader = &cancelable{ctx: ctx, r: o, seen: func(n int) {
		read += n
		b.progress(read, int(o.Size))
	}}
	if w.encoding != nil {
		r = transform.NewReader(r, w.encoding.NewDecoder())
	}
	buffered := bufio.NewReaderSize(r, 64<<10)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\uFEFF" {
		_, _ = buffered.Discard(len(mark)) // they were just seen
	}
	return buffered, nil
}

// paragraphs reads an original as plain text, a piece at a time.
func (w written) paragraphs(ctx context.Context, o rag.Original, b *builder) error {
	text, err := w.open(ctx, o, b)
	if err != nil {
		return err
	}
	return paragraphsOf(transform.NewReader(text, &plainNewlines{}), b)
}

// cancelable ends with its context.
type cancelable struct {
	ctx  context.Context
	r    io.Reader
	seen func(n int) // is told of bytes read; nil for nobody
}

func (c *cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if c.seen != nil {
		c.seen(n)
	}
	return n, err
}

// looksLikeUTF8 reports whether bytes are UTF-8, give or take a few that are damaged.
func looksLikeUTF8(raw []byte) bool {
	var s survey
	_, _ = s.Write(raw) // it can't fail
	return s.good >= 10*(s.bad+len(s.carry))
}
