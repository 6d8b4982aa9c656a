package archive

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// maxPath is how long a path may be in bytes: it becomes a document's id.
const maxPath = 512

// CleanPath makes the path of a file one that stays below its root, with slashes; it is empty for a folder. A path that
// leads elsewhere, or that can't be an id, is refused.
func CleanPath(raw string) (string, *rag.Problem) {
	if !utf8.ValidString(raw) {
		return "", badPath("is not text in UTF-8")
	}
	p := strings.ReplaceAll(raw, `\`, "/")
	if strings.ContainsFunc(p, func(r rune) bool { return unicode.IsControl(r) }) {
		return "", badPath("has control characters in it")
	}
	if strings.HasPrefix(p, "/") || len(p) >= 2 && p[1] == ':' && unicode.IsLetter(rune(p[0])) {
		return "", badPath("is absolute")
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return "", badPath("leads out of its folder")
		}
	}
	if strings.HasSuffix(p, "/") {
		return "", nil
	}
	if p = path.Clean(p); p == "." {
		return "", nil
	}
	if len(p) > maxPath {
		return "", badPath("is longer than 512 bytes")
	}
	return p, nil
}

// hidden tells files that nobody means to send: hidden ones, those in hidden folders, and what macOS adds.
func hidden(clean string) bool {
	for part := range strings.SplitSeq(clean, "/") {
		if part == "__MACOSX" || strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}

func badPath(why string) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrInvalid, Code: "bad_path", Message: "the file's path " + why + "; rename it"}
}

// printable shortens a path for a list of what was refused.
func printable(raw string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(raw, "\uFFFD"))
	if len(clean) > maxPath {
		clean = strings.ToValidUTF8(clean[:maxPath], "") + "..."
	}
	return clean
}
