package parse

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// The media types that have a parser, for those who name one.
const (
	TypeText     = "text/plain"
	TypeMarkdown = "text/markdown"
	TypeHTML     = "text/html"
	TypePDF      = "application/pdf"
	TypeCSV      = "text/csv"
	TypeTSV      = "text/tab-separated-values"
	TypeJSON     = "application/json"
	TypeJSONL    = "application/x-ndjson"
	TypeMail     = "message/rfc822"
	TypeSource   = "text/x-source" // of all languages; the name says which
	TypeRST      = "text/x-rst"
	TypeAsciiDoc = "text/asciidoc"
	TypeDOCX     = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	TypePPTX     = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	TypeXLSX     = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	TypeOffice   = "application/vnd.openxmlformats-package" // one of the three; which is seen when it is parsed
	TypeEPUB     = "application/epub+zip"
	TypeOLE      = "application/x-ole-storage" // Office before 2007, or protected by a password
)

// Sniff names the media type of a file by its first bytes; the name only tells kinds of text apart. It reports whether
// there is a parser for it.
func (r *Registry) Sniff(name string, head []byte) (string, bool) {
	found := mimetype.Detect(head)
	named := r.byName(name)
	if kind := containerType(found, head); kind != "" {
		return kind, true
	}
	switch {
	case found.Is(TypePDF) && (bytes.HasPrefix(bytes.TrimSpace(head), []byte("%PDF-")) || bytes.IndexByte(head, 0) >= 0 || !looksLikeUTF8(head)):
		return TypePDF, true // and not a text that writes about PDF
	case found.Is(TypeHTML) && (named == "" || named == TypeHTML): // Markdown and PHP may begin with a piece of HTML
		return TypeHTML, true
	}
	if !isText(found) && !found.Is(TypePDF) && !isUnmarked(found, head) {
		return strings.TrimSpace(strings.Split(found.String(), ";")[0]), false
	}
	if named == "" {
		named = textKind(found, head)
	}
	return named, true
}

// isUnmarked reports whether what seems to be binary is text in UTF-16 that does not say so.
func isUnmarked(found *mimetype.MIME, head []byte) bool {
	e, _ := utf16Unmarked(head)
	return e != nil && found.Is("application/octet-stream")
}

// textKind tells the kinds of text that show what they are.
func textKind(found *mimetype.MIME, head []byte) string {
	for kind := found; kind != nil; kind = kind.Parent() {
		for _, told := range []string{TypeJSON, TypeJSONL} {
			if kind.Is(told) {
				return told
			}
		}
	}
	switch {
	case looksLikeMail(head):
		return TypeMail
	case bytes.HasPrefix(head, []byte("#!")) && bytes.IndexByte(head, '/') == 2, bytes.HasPrefix(head, []byte("<?php")):
		return TypeSource
	}
	delimiter, rows, columns := separated(head, true)
	switch {
	case rows < leastRows || columns < leastColumns:
		return TypeText
	case delimiter == '\t':
		return TypeTSV
	}
	return TypeCSV
}

// What is not called a table must have so many rows of as many cells to be taken for one: prose has commas, too.
const (
	leastRows    = 5
	leastColumns = 3
)

// isText reports whether a type is text that a person would read as it is.
func isText(found *mimetype.MIME) bool {
	for kind := found; kind != nil; kind = kind.Parent() {
		switch {
		case kind.Is("text/rtf"), kind.Is("application/warc"), strings.HasPrefix(kind.String(), "image/"):
			return false
		case kind.Is(TypeText):
			return true
		}
	}
	return false
}

// byName tells text apart by the extensions that the registry has for it; "" where it has none.
func (r *Registry) byName(name string) string {
	extension := strings.ToLower(filepath.Ext(name))
	for _, f := range r.formats {
		if slices.Contains(f.extensions, extension) {
			return f.mediaType
		}
	}
	return ""
}
