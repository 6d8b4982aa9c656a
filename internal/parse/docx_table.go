package parse

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// table writes a row a line. A table of one cell is there for its frame: its blocks are taken as they are.
func (d *docx) table(x *xmlWalk) error {
	t := docxTable{page: d.breaks + 1}
	if err := d.rows(x, &t); err != nil {
		return err
	}
	if t.rows == 1 && t.cells == 1 {
		return d.emitAll(t.first)
	}
	if t.text.Len() == 0 {
		return nil
	}
	return d.emit(piece{kind: rag.BlockTable, page: t.page, lines: []string{t.text.String()}})
}

type docxTable struct {
	text        strings.Builder
	header      string // its first row
	rows, cells int
	first       []piece // of the first cell
	page        int
}

// rows reads what is inside a table, or around its rows.
func (d *docx) rows(x *xmlWalk, t *docxTable) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "tr":
			return d.row(x, t)
		case "sdt":
			return d.control(x, func(x *xmlWalk) error { return d.rows(x, t) })
		case "ins", "moveTo", "customXml":
			return d.rows(x, t)
		}
		return nil
	})
}

func (d *docx) row(x *xmlWalk, t *docxTable) error {
	row := docxRow{table: t}
	t.rows++
	if err := d.cells(x, &row); err != nil {
		return err
	}
	line := strings.TrimRight(row.line.String(), " |")
	if row.gone || line == "" {
		return nil
	}
	if d.nested == 0 && t.text.Len() > mostTable {
		if err := d.emit(piece{kind: rag.BlockTable, page: t.page, lines: []string{t.text.String()}}); err != nil {
			return err
		}
		t.text.Reset()
		t.text.WriteString(t.header)
	}
	if t.text.Len() > 0 {
		t.text.WriteByte('\n')
	} else {
		t.header = row.line.String()
	}
	t.text.WriteString(row.line.String())
	if most := d.p.b.maxText; most > 0 && int64(t.text.Len()) > most {
		return tooLarge("the document has a table of more than %d bytes; split it", most)
	}
	return nil
}

type docxRow struct {
	table *docxTable
	line  strings.Builder
	cells int
	gone  bool // deleted or hidden
}

func (d *docx) cells(x *xmlWalk, row *docxRow) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "trPr":
			return x.each(func(e xml.StartElement) error {
				if name := e.Name.Local; name == "del" || name == "hidden" && on(e) {
					row.gone = true
				}
				return nil
			})
		case "tc":
			return d.cell(x, row)
		case "sdt":
			return d.control(x, func(x *xmlWalk) error { return d.cells(x, row) })
		case "ins", "moveTo", "customXml":
			return d.cells(x, row)
		}
		return nil
	})
}

// widestSpan bounds how many columns one cell is taken to cover; Word has at most 63.
const widestSpan = 63

// cell writes a cell. One that covers more columns, or more rows, is written once.
func (d *docx) cell(x *xmlWalk, row *docxRow) error {
	span, goesOn := 1, false
	pieces, err := d.capture(func() error {
		return x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "tcPr":
				return x.each(func(e xml.StartElement) error {
					switch v := value(e, "val"); e.Name.Local {
					case "gridSpan":
						span, _ = strconv.Atoi(v)
					case "vMerge":
						goesOn = v != "restart"
					}
					return nil
				})
			case "p":
				return d.paragraph(x)
			case "tbl":
				return d.table(x)
			case "sdt":
				return d.control(x, d.blocks)
			case "AlternateContent":
				return x.child("Choice", func(xml.StartElement) error { return d.blocks(x) })
			case "ins", "moveTo", "customXml", "smartTag":
				return d.blocks(x)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if row.table.cells++; row.table.cells == 1 {
		row.table.first = pieces
	}
	if row.cells > 0 {
		row.line.WriteString(" | ")
	}
	row.cells++
	if !goesOn {
		row.line.WriteString(flat(pieces))
	}
	row.line.WriteString(strings.Repeat(" | ", min(max(span, 1), widestSpan)-1))
	if most := d.p.b.maxText; most > 0 && int64(row.line.Len()) > most {
		return tooLarge("the document has a table row of more than %d bytes; split it", most)
	}
	return nil
}
