package parse

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// docxParagraph is a paragraph that is being read.
type docxParagraph struct {
	style   string
	outline int // level of the outline from 0, 9 for none; -1 where the paragraph doesn't say
	list    string
	level   int // of the list; -1 where the paragraph doesn't say
	text    strings.Builder
	page    int
	hidden  bool    // by its style
	after   []piece // of text boxes
}

// paragraph reads a paragraph: a heading, a list's item, a line of code, or words.
func (d *docx) paragraph(x *xmlWalk) error {
	p := &docxParagraph{outline: -1, level: -1}
	err := x.each(func(e xml.StartElement) error {
		if e.Name.Local == "pPr" {
			err := p.properties(x)
			p.hidden = d.styles.of(p.style).vanish
			return err
		}
		return d.inline(x, e, p, p.hidden)
	})
	if err != nil {
		return err
	}
	if err := d.settle(p); err != nil {
		return err
	}
	return d.emitAll(p.after)
}

func (p *docxParagraph) properties(x *xmlWalk) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "pStyle":
			p.style = value(e, "val")
		case "outlineLvl":
			p.outline = natural(value(e, "val"), 9)
		case "numPr":
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "numId":
					p.list = value(e, "val")
				case "ilvl":
					p.level = natural(value(e, "val"), 0)
				}
				return nil
			})
		}
		return nil
	})
}

// natural reads a number from 0, and gives otherwise where there is none.
func natural(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// inline reads an element within a paragraph. Of elements that it doesn't know it takes what is inside.
func (d *docx) inline(x *xmlWalk, e xml.StartElement, p *docxParagraph, hidden bool) error {
	write := func(text string) {
		if hidden || text == "" {
			return
		}
		if p.text.Len() == 0 {
			p.page = d.breaks + 1
		}
		p.text.WriteString(text)
	}
	switch e.Name.Local {
	case "t":
		text, err := x.text()
		if hidden && strings.TrimSpace(text) != "" {
			d.hidden++
		}
		write(text)
		return err
	case "r":
		return x.each(func(e xml.StartElement) error {
			if e.Name.Local == "rPr" {
				return d.runProperties(x, &hidden)
			}
			return d.inline(x, e, p, hidden)
		})
	case "tab", "ptab":
		write("\t")
	case "br", "cr":
		if kind := value(e, "type"); kind != "page" && kind != "column" {
			write("\n")
		}
	case "noBreakHyphen":
		write("-")
	case "lastRenderedPageBreak":
		d.breaks++
	case "footnoteReference":
		write(d.note("footnote", value(e, "id")))
	case "endnoteReference":
		write(d.note("endnote", value(e, "id")))
	case "txbxContent":
		pieces, err := d.capture(func() error { return d.blocks(x) })
		p.after = append(p.after, pieces...)
		return err
	case "sdt":
		return d.control(x, func(x *xmlWalk) error { return d.inlines(x, p, hidden) })
	case "del", "moveFrom", "pPr", "rPr", "Fallback", "rt", "object", "instrText", "delText":
	default:
		return d.inlines(x, p, hidden)
	}
	return nil
}

func (d *docx) inlines(x *xmlWalk, p *docxParagraph, hidden bool) error {
	return x.each(func(e xml.StartElement) error { return d.inline(x, e, p, hidden) })
}

// runProperties sees whether a run is hidden, by its style or by itself.
func (d *docx) runProperties(x *xmlWalk, hidden *bool) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "rStyle":
			*hidden = *hidden || d.styles.of(value(e, "val")).vanish
		case "vanish":
			*hidden = on(e)
		}
		return nil
	})
}

// settle decides what a paragraph is.
func (d *docx) settle(p *docxParagraph) error {
	text := strings.TrimSpace(p.text.String())
	style := d.styles.of(p.style)
	if style.contents {
		return nil
	}
	if style.code {
		return d.emit(piece{kind: rag.BlockCode, page: p.page, lines: []string{strings.TrimRight(p.text.String(), " \t\n")}})
	}
	if text == "" {
		return nil
	}
	marker, level, list := d.marker(p, style)
	switch heading := p.heading(style); {
	case heading >= 0:
		if marker != "" && marker != bullet {
			text = marker + " " + text
		}
		return d.emit(piece{kind: rag.BlockHeading, level: heading, page: p.page, lines: []string{text}})
	case list != "":
		if marker != "" {
			marker += " "
		}
		line := strings.Repeat("  ", level) + marker + strings.ReplaceAll(text, "\n", " ")
		return d.emit(piece{kind: rag.BlockList, level: level, list: list, page: p.page, lines: []string{line}})
	default:
		return d.emit(piece{kind: rag.BlockParagraph, page: p.page, lines: []string{text}})
	}
}

// heading gives a heading's level, 0 for the document's title, or -1.
func (p *docxParagraph) heading(style docxStyle) int {
	switch {
	case p.outline >= 0 && p.outline < 9:
		return p.outline + 1
	case p.outline == 9:
		return -1
	}
	return style.heading
}

// marker counts a list's item and gives the mark before it; no list, no item.
func (d *docx) marker(p *docxParagraph, style docxStyle) (marker string, level int, list string) {
	list, level = p.list, p.level
	if list == "" {
		list = style.list
		if level < 0 {
			level = style.level
		}
		if level < 0 {
			level = d.lists.levelOf(list, style.lister)
		}
	}
	if list == "" || list == "0" {
		return "", 0, ""
	}
	level = min(max(level, 0), deepestList-1)
	marker = d.lists.next(list, level)
	return marker, max(level, style.nesting), list
}
