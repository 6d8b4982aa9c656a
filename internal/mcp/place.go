package mcp

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Documents are read in windows that overlap by half, so that a passage which begins in one window's first half ends in it.
// Both are in code points; a window is about 10,000 tokens of English.
const (
	windowLength = 40_000
	windowStep   = windowLength / 2
)

// place is where search sends fetch: a window of a document. It is written "collection/document", or
// "collection@start/document" for a window that does not begin at the document's start; collections' names have neither
// slashes nor @.
type place struct {
	collection, document string
	start                int // in code points
}

// placeOf is the window to read a passage in: the first, where that has it whole.
func placeOf(collection, document string, passage rag.Span) place {
	p := place{collection: collection, document: document}
	if passage.End > windowLength {
		p.start = passage.Start / windowStep * windowStep
	}
	return p
}

// String writes a place as an id.
func (p place) String() string {
	if p.start == 0 {
		return p.collection + "/" + p.document
	}
	return p.collection + "@" + strconv.Itoa(p.start) + "/" + p.document
}

// parsePlace reads an id.
func parsePlace(id string) (place, error) {
	head, document, found := strings.Cut(id, "/")
	collection, start, placed := strings.Cut(head, "@")
	p := place{collection: collection, document: document}
	ok := found && collection != "" && document != ""
	if ok && placed {
		var err error
		p.start, err = strconv.Atoi(start)
		ok = err == nil && p.start >= 0
	}
	if !ok {
		return place{}, fmt.Errorf("%q is no id: give one as search returned it, such as handbook/guide.md", id)
	}
	return p, nil
}

// link is the address to cite a document by: the one that its metadata names, else that of its text on the server.
func (s *service) link(collection, document string, metadata map[string]any) string {
	for _, key := range []string{"url", "source_url", "source"} {
		if text, ok := metadata[key].(string); ok {
			if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
				return text
			}
		}
	}
	return s.options.Base + "/api/v1/collections/" + url.PathEscape(collection) + "/documents/" + strings.ReplaceAll(url.PathEscape(document), "+", "%2B") + "/text"
}

// titleOf is what a document is called: its title, else its file's name, else its id.
func titleOf(title, filename, document string) string {
	for _, name := range []string{title, filename} {
		if strings.TrimSpace(name) != "" {
			return name
		}
	}
	return document
}
