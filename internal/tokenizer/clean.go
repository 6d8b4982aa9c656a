package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// maxText bounds what one encoding reads, in bytes. An encoder reads 512 tokens, and a word piece covers at most 100
// characters, so nothing beyond is lost; and the cost of tokenising grows faster than the text does.
const maxText = 128 << 10

// clean makes text safe for the C boundary, where a NUL ends it: NUL is dropped, each run of invalid bytes becomes
// U+FFFD, and what no encoder reads is cut off.
func clean(text string) string {
	if len(text) > maxText {
		end := maxText
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "")
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// sameLength makes text safe for the C boundary without moving a byte: NUL and each invalid byte become U+0001, which
// tokenizers drop as a control character.
func sameLength(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	b := []byte(text)
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == 0 || r == utf8.RuneError && size == 1 {
			b[i] = 1
		}
		i += size
	}
	return string(b)
}

// pieceBytes is about how much text is tokenised at once for offsets.
const pieceBytes = 32 << 10

// nextPiece gives the length of the piece of text to tokenise next: up to the last blank within pieceBytes, so that no
// word is torn, or where there is none, up to a rune border.
func nextPiece(text string) int {
	if len(text) <= pieceBytes {
		return len(text)
	}
	if blank := strings.LastIndexAny(text[:pieceBytes], " \n\t"); blank > 0 {
		return blank + 1
	}
	end := pieceBytes
	for end > 1 && !utf8.RuneStart(text[end]) {
		end--
	}
	return end
}
