package parse

import (
	"path/filepath"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// The media types that have a parser.
const (
	TypeText     = "text/plain"
	TypeMarkdown = "text/markdown"
	TypeHTML     = "text/html"
	TypePDF      = "application/pdf"
)

// Sniff names the media type of a file by its first bytes; the name only tells kinds of text apart. It reports whether
// there is a parser for it.
func Sniff(name string, head []byte) (string, bool) {
	found := mimetype.Detect(head)
	switch {
	case found.Is(TypePDF):
		return TypePDF, true
	case found.Is(TypeHTML):
		return TypeHTML, true
	}
	for kind := found; kind != nil; kind = kind.Parent() {
		if kind.Is(TypeText) {
			return textKind(name), true
		}
	}
	return strings.TrimSpace(strings.Split(found.String(), ";")[0]), false
}

func textKind(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".md", ".markdown":
		return TypeMarkdown
	case ".html", ".htm", ".xhtml":
		return TypeHTML
	}
	return TypeText
}
