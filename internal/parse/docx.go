package parse

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// docx reads the main part of a word processor's document. What a reader of the document would not see is left out:
// deleted and hidden text, and what is repeated on each page.
type docx struct {
	p      *officePackage
	styles docxStyles
	lists  *docxLists
	notes  map[string]string // foot- and endnotes by kind and id

	out     []piece // what is not written to the builder yet: it may be joined with what comes
	nested  int     // inside a table's cell or a text box, whose pieces are not written as they come
	fresh   []piece // notes of the block that is being read
	waiting []piece // notes of the block that was read last, written when nothing more is joined with it
	noted   int
	breaks  int // page breaks that the program that wrote the document has seen
	hidden  int
	linked  int
}

// piece is a block that is being put together.
type piece struct {
	kind  rag.BlockKind
	level int // of a heading or a list's item
	page  int
	list  string // which list it is of
	lines []string
}

const (
	mostLines = 10_000  // of a list or of code in one block
	mostTable = 1 << 20 // bytes of a table in one block, after which another begins with the same first row
)

// joins reports whether another piece goes on with p.
func (p piece) joins(next piece) bool {
	switch {
	case p.kind != next.kind || len(p.lines) > mostLines:
		return false
	case p.kind == rag.BlockList:
		return next.level > 0 || p.list == next.list
	}
	return p.kind == rag.BlockCode
}

func (p piece) text() string { return strings.Join(p.lines, "\n") }

// readDOCX reads a document.
func readDOCX(p *officePackage, main string) error {
	d := &docx{p: p, notes: map[string]string{}}
	relations, err := p.relations(main)
	if err != nil {
		return err
	}
	if d.styles, err = readDOCXStyles(p, related(relations, "styles")); err != nil {
		return err
	}
	if d.lists, err = readDOCXLists(p, related(relations, "numbering")); err != nil {
		return err
	}
	for _, kind := range []string{"footnote", "endnote"} {
		if err := d.readNotes(related(relations, kind+"s"), kind); err != nil {
			return err
		}
	}
	d.hidden = 0 // only of the text itself
	pages := d.pagesSaid()
	if pages > 0 {
		p.b.hold() // whether the page breaks are true shows at the end
	}
	if err := p.walkXML(p.b, main, mostPart, func(x *xmlWalk) error {
		return x.child("document", func(xml.StartElement) error { return d.blocks(x) })
	}); err != nil {
		return err
	}
	d.out = append(append(d.out, d.waiting...), d.fresh...)
	d.write(len(d.out))
	d.settlePages(pages)
	if d.hidden > 0 {
		p.b.warn(rag.WarnHiddenText, "%d pieces of hidden text were left out", d.hidden)
	}
	if d.linked > 0 {
		p.b.warn(rag.WarnPartialText, "%d embedded documents were left out; upload them as files of their own", d.linked)
	}
	return nil
}

// pagesSaid is how many pages the program that wrote the document counted; 0 where it did not.
func (d *docx) pagesSaid() int {
	counted, err := strconv.Atoi(d.p.property(related(d.p.root, "extended-properties"), "Pages"))
	if err != nil {
		return 0
	}
	return counted
}

// settlePages keeps pages only where as many were said as the page breaks make: many programs carry such breaks over from
// what they have read.
func (d *docx) settlePages(said int) {
	b := d.p.b
	if d.breaks > 0 && said == d.breaks+1 {
		b.pages = said
		return
	}
	b.page = 0
	for i := range b.blocks {
		b.blocks[i].Page = 0
	}
}

// readNotes keeps the text of notes.
func (d *docx) readNotes(name, kind string) error {
	if name == "" || !d.p.has(name) {
		return nil
	}
	return d.p.walkXML(d.p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.each(func(xml.StartElement) error {
			return x.child(kind, func(e xml.StartElement) error {
				id, of := value(e, "id"), value(e, "type")
				pieces, err := d.capture(func() error { return d.blocks(x) })
				if of == "" || of == "normal" {
					d.notes[kind+id] = flat(pieces)
				}
				return err
			})
		})
	})
}

// blocks reads the paragraphs and tables inside an element.
func (d *docx) blocks(x *xmlWalk) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "p":
			return d.paragraph(x)
		case "tbl":
			return d.table(x)
		case "sdt":
			return d.control(x, d.blocks)
		case "AlternateContent":
			return x.child("Choice", func(xml.StartElement) error { return d.blocks(x) })
		case "body", "ins", "moveTo", "customXml", "smartTag":
			return d.blocks(x)
		case "altChunk":
			d.linked++
		}
		return nil
	})
}

// control reads a content control, unless it holds a table of contents.
func (d *docx) control(x *xmlWalk, content func(x *xmlWalk) error) error {
	contents := false
	return x.each(func(e xml.StartElement) error {
		switch {
		case e.Name.Local == "sdtPr":
			return x.child("docPartObj", func(xml.StartElement) error {
				return x.child("docPartGallery", func(e xml.StartElement) error {
					contents = value(e, "val") == "Table of Contents"
					return nil
				})
			})
		case e.Name.Local == "sdtContent" && !contents:
			return content(x)
		}
		return nil
	})
}

// mostPieces bounds the blocks inside one table's cell, text box or note.
const mostPieces = 50_000

// emit adds a piece. List items and lines of code are joined with those before them.
func (d *docx) emit(p piece) error {
	if n := len(d.out); n > 0 && d.out[n-1].joins(p) {
		d.out[n-1].lines = append(d.out[n-1].lines, p.lines...)
		d.settleNotes()
		return nil
	}
	if len(d.out) > mostPieces {
		return tooLarge("the document has more than %d paragraphs in one table cell, text box or note; split it", mostPieces)
	}
	if d.nested == 0 {
		d.out = append(d.out, d.waiting...)
		d.waiting = nil
	}
	d.out = append(d.out, p)
	if d.nested == 0 {
		d.write(len(d.out) - 1)
	}
	d.settleNotes()
	return nil
}

// settleNotes lets the notes of a block that was emitted wait.
func (d *docx) settleNotes() {
	if d.nested == 0 {
		d.waiting = append(d.waiting, d.fresh...)
		d.fresh = nil
	}
}

func (d *docx) emitAll(pieces []piece) error {
	for _, p := range pieces {
		if err := d.emit(p); err != nil {
			return err
		}
	}
	return nil
}

// write gives the first pieces to the builder.
func (d *docx) write(n int) {
	for _, p := range d.out[:n] {
		if d.p.b.held {
			d.p.b.page = p.page
		}
		if p.kind == rag.BlockHeading {
			d.p.b.heading(p.level, p.text())
			continue
		}
		d.p.b.add(p.kind, p.text())
	}
	d.out = append(d.out[:0], d.out[n:]...)
}

// capture gives the pieces that read emits.
func (d *docx) capture(read func() error) ([]piece, error) {
	before := d.out
	d.out = nil
	d.nested++
	err := read()
	d.nested--
	captured := d.out
	d.out = before
	return captured, err
}

// flat gives the words of pieces on one line.
func flat(pieces []piece) string {
	var words []string
	for _, p := range pieces {
		for _, line := range p.lines {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, " ")
}

// note gives the mark of a note at the first place that refers to it, and keeps its text for after the block.
func (d *docx) note(kind, id string) string {
	text := d.notes[kind+id]
	if text == "" {
		return ""
	}
	delete(d.notes, kind+id)
	d.noted++
	mark := fmt.Sprintf("[^%d]", d.noted)
	d.fresh = append(d.fresh, piece{kind: rag.BlockParagraph, page: d.breaks + 1, lines: []string{mark + ": " + text}})
	return mark
}
