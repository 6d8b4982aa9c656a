package parse

import (
	"regexp"
	"strings"
)

// pdfNumbers are the levels of a document's numbered headings so far. Bookmarks and sizes of print are at odds with the
// numbers in some documents; a heading numbered 6.6.1 belongs under that numbered 6.6, where there is one.
type pdfNumbers struct {
	levels  map[string]int
	chapter int // level of the last heading that one number alone stands before; 0 where there is none
}

// chapterMark is how the titles of chapters and appendices start that say so.
var chapterMark = regexp.MustCompile(`^(?i:appendix|annex|chapter|anhang|kapitel|annexe|chapitre)\s+([0-9]{1,3}|[A-Z]|[IVXL]{1,6})(?:[\s.:–—-]|$)`)

// dotted is a number whose title may start with anything: B.6.8 generate.
var dotted = regexp.MustCompile(`^((?:[0-9]{1,3}|[A-Z])(?:\.[0-9]{1,3}){1,5})\.?\s`)

// level gives a heading's level: below the heading whose number its own goes on from, an appendix's that of the
// chapters, and else the one given.
func (n *pdfNumbers) level(text string, given int) int {
	number, level := "", given
	if found := chapterMark.FindStringSubmatch(text); found != nil {
		number = found[1]
		if n.chapter > 0 {
			level = n.chapter
		}
	} else if numberDepth(text) > 0 {
		number = numbered.FindStringSubmatch(text)[1]
	} else if found := dotted.FindStringSubmatch(text); found != nil {
		number = found[1]
	}
	if number == "" {
		return given
	}
	if dot := strings.LastIndexByte(number, '.'); dot < 0 {
		n.chapter = level
	} else if above := n.levels[number[:dot]]; above > 0 {
		level = min(above+1, headingLevel)
	}
	if n.levels == nil {
		n.levels = map[string]int{}
	}
	n.levels[number] = level
	return level
}
