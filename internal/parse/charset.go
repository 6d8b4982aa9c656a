package parse

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"

	"github.com/redkite/redkite/internal/rag"
)

// decode turns bytes into UTF-8 without a byte order mark. A byte order mark says how they are written; else they are
// UTF-8 where that fits, even if some bytes are damaged; else what an HTML page says of itself, or Windows-1252. It warns
// where that is a guess.
func (b *builder) decode(raw []byte, mediaType string) (string, error) {
	text, guessed, err := decodeOrGuess(raw, mediaType)
	if guessed != "" {
		b.warnGuess(guessed)
	}
	return text, err
}

func (b *builder) warnGuess(encoding string) {
	b.warn(rag.WarnEncodingGuessed, "the file is not UTF-8 and does not say how its characters are written; it was read as %s", encoding)
}

// decodeOrGuess gives the encoding too where nothing says that it is the one.
func decodeOrGuess(raw []byte, mediaType string) (text, guessed string, err error) {
	decoder, guessed, err := decoderOf(bytes.NewReader(raw))
	if err != nil {
		return "", "", err
	}
	if decoder == nil {
		return strings.TrimPrefix(string(raw), "\uFEFF"), "", nil
	}
	decoded, err := decoder.Bytes(raw)
	if err != nil {
		return "", "", unreadable(mediaType, err)
	}
	return strings.TrimPrefix(string(decoded), "\uFEFF"), guessed, nil
}

// decoder finds out how an original is written, and warns where that is a guess. It is nil for UTF-8.
func (b *builder) decoder(original io.Reader) (*encoding.Decoder, error) {
	decoder, guessed, err := decoderOf(original)
	if guessed != "" {
		b.warnGuess(guessed)
	}
	return decoder, err
}

// decoderOf reads as much of a text as it takes to tell its encoding: the head, or all of it. The decoder is nil for
// UTF-8; guessed names the encoding where nothing says that it is the one.
func decoderOf(text io.Reader) (decoder *encoding.Decoder, guessed string, err error) {
	head := make([]byte, 1024) // what the library looks at
	n, err := io.ReadFull(text, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, "", fmt.Errorf("read original: %w", err)
	}
	found, name, certain := charset.DetermineEncoding(head[:n], "")
	if name == "utf-8" {
		return nil, "", nil
	}
	if !certain && name != "iso-2022-jp" {
		guessed = name
		fits, err := readsAsUTF8(io.MultiReader(bytes.NewReader(head[:n]), text))
		if err != nil || fits {
			return nil, "", err
		}
	}
	return found.NewDecoder(), guessed, nil
}

// readsAsUTF8 is looksLikeUTF8 for a text of any length.
func readsAsUTF8(text io.Reader) (bool, error) {
	var count utf8Count
	buffer := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := text.Read(buffer[kept:])
		kept += n
		if err != nil && err != io.EOF {
			return false, fmt.Errorf("read original: %w", err)
		}
		done := count.add(buffer[:kept], err == io.EOF)
		kept = copy(buffer, buffer[done:kept])
		if err == io.EOF {
			return count.fits(), nil
		}
	}
}

// looksLikeUTF8 reports whether all bytes are UTF-8, or at least ten characters beyond ASCII are for each byte that is
// not. In other encodings such characters come about by chance only, and seldom.
func looksLikeUTF8(raw []byte) bool {
	var count utf8Count
	count.add(raw, true)
	return count.fits()
}

// utf8Count counts the characters beyond ASCII that are UTF-8, and the bytes that are not.
type utf8Count struct{ good, bad int }

func (c *utf8Count) fits() bool { return c.good >= 10*c.bad }

// add counts on and gives how many bytes it took: a character that may go on in the next piece is left.
func (c *utf8Count) add(raw []byte, last bool) int {
	i := 0
	for i < len(raw) {
		if raw[i] < utf8.RuneSelf {
			i++
			continue
		}
		if !last && !utf8.FullRune(raw[i:]) {
			break
		}
		r, size := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && size == 1 {
			c.bad++
		} else {
			c.good++
		}
		i += size
	}
	return i
}
