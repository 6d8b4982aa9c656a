package parse

import (
	"strings"
	"unicode"

	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

const (
	maxBookmarks = 5000
	outlineDepth = 8
)

// pdfOutline are the titles that a document's bookmarks point to, by page.
type pdfOutline map[int][]outlineEntry

type outlineEntry struct {
	title string // letters and digits alone
	level int
}

// heading gives the level of a text that a bookmark names.
func (o pdfOutline) heading(page int, text string) (level int, ok bool) {
	if len(o) == 0 || len(text) > headingRunes*4 {
		return 0, false
	}
	title := lettersOf(text)
	for _, entry := range o[page] {
		if entry.title == title || entry.title == strings.TrimLeftFunc(title, unicode.IsDigit) {
			return min(entry.level, headingLevel), true
		}
	}
	return 0, false
}

func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, plainLetters(text))
}

// outline reads the bookmarks. One that goes in circles ends at a limit.
func (d pdfDocument) outline() pdfOutline {
	o := pdfOutline{}
	left := maxBookmarks
	d.bookmarks(o, nil, 1, &left)
	return o
}

func (d pdfDocument) bookmarks(o pdfOutline, parent *references.FPDF_BOOKMARK, level int, left *int) {
	first, err := d.instance.FPDFBookmark_GetFirstChild(&requests.FPDFBookmark_GetFirstChild{Document: d.ref, Bookmark: parent})
	if err != nil {
		return
	}
	for mark := first.Bookmark; mark != nil && *left > 0; {
		*left--
		d.bookmark(o, *mark, level)
		if level < outlineDepth {
			d.bookmarks(o, mark, level+1, left)
		}
		next, err := d.instance.FPDFBookmark_GetNextSibling(&requests.FPDFBookmark_GetNextSibling{Document: d.ref, Bookmark: *mark})
		if err != nil {
			return
		}
		mark = next.Bookmark
	}
}

func (d pdfDocument) bookmark(o pdfOutline, mark references.FPDF_BOOKMARK, level int) {
	title, err := d.instance.FPDFBookmark_GetTitle(&requests.FPDFBookmark_GetTitle{Bookmark: mark})
	if err != nil {
		return
	}
	dest, err := d.instance.FPDFBookmark_GetDest(&requests.FPDFBookmark_GetDest{Document: d.ref, Bookmark: mark})
	if err != nil || dest.Dest == nil {
		return
	}
	page, err := d.instance.FPDFDest_GetDestPageIndex(&requests.FPDFDest_GetDestPageIndex{Document: d.ref, Dest: *dest.Dest})
	if letters := lettersOf(title.Title); err == nil && letters != "" {
		o[page.Index+1] = append(o[page.Index+1], outlineEntry{title: letters, level: level})
	}
}
