package parse

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// xlsx reads a workbook. Sheets are streams: only cells that are written in the file are read, whatever the file says
// of its dimensions. Hidden sheets, rows and columns are left out.
type xlsx struct {
	p        *officePackage
	formats  []numberFormat // by style of a cell
	strings  xlsxStrings
	date1904 bool
}

const (
	mostColumns = 16_384    // of a sheet, as in Excel
	mostRows    = 1_048_576 // of a sheet, as in Excel
	mostRowText = 4 << 20   // bytes shown in one row
	mostFormats = 4_096     // of numbers
	mostStrings = 128 << 20 // bytes of the part that holds the texts of all sheets
)

// xlsxSheet is a sheet as the workbook lists it.
type xlsxSheet struct {
	name   string
	hidden bool
	id     string // of the relation to its part
}

// readXLSX reads the sheets, in their order.
func readXLSX(p *officePackage, main string) error {
	relations, err := p.relations(main)
	if err != nil {
		return err
	}
	w := &xlsx{p: p}
	sheets, err := w.workbook(main)
	if err != nil {
		return err
	}
	if err := w.readFormats(related(relations, "styles")); err != nil {
		return err
	}
	if name := related(relations, "sharedStrings"); name != "" && p.has(name) {
		if err := w.strings.read(p, name); err != nil {
			return err
		}
	}
	var hidden []string
	var unseen xlsxUnseen
	for _, sheet := range sheets {
		r := relations[sheet.id]
		switch {
		case r.kind != "worksheet" || !p.has(r.target): // a sheet of a chart
		case sheet.hidden:
			hidden = append(hidden, strconv.Quote(sheet.name))
		default:
			if err := w.sheet(sheet.name, r.target, &unseen); err != nil {
				return err
			}
		}
	}
	if len(hidden) > 0 {
		p.b.warn(rag.WarnHiddenText, "%d of %d sheets are hidden and were left out: %s", len(hidden), len(sheets), firstOf(hidden))
	}
	if unseen.rows > 0 || unseen.cells > 0 {
		p.b.warn(rag.WarnHiddenText, "%d hidden or filtered rows, and %d cells in hidden columns, were left out; show them and upload the file again if they are wanted", unseen.rows, unseen.cells)
	}
	return nil
}

// xlsxUnseen counts what is left out of sheets that are shown.
type xlsxUnseen struct{ rows, cells int }

// workbook reads the list of sheets.
func (w *xlsx) workbook(name string) ([]xlsxSheet, error) {
	var sheets []xlsxSheet
	err := w.p.walkXML(w.p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.child("workbook", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "workbookPr":
					w.date1904 = isTrue(value(e, "date1904"))
				case "sheets":
					return x.child("sheet", func(e xml.StartElement) error {
						sheets = append(sheets, xlsxSheet{name: value(e, "name"), id: relationship(e, "id"), hidden: strings.Contains(strings.ToLower(value(e, "state")), "hidden")})
						return nil
					})
				}
				return nil
			})
		})
	})
	return sheets, err
}

func isTrue(text string) bool { return text == "1" || text == "true" }

// sheet reads a sheet's rows into tables.
func (w *xlsx) sheet(name, part string, unseen *xlsxUnseen) error {
	s := &xlsxRows{xlsx: w, unseen: unseen, table: xlsxTable{b: w.p.b, sheet: name}}
	err := w.p.walkXML(w.p.b, part, mostPart, func(x *xmlWalk) error {
		return x.child("worksheet", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "sheetFormatPr":
					s.hiddenByDefault = isTrue(value(e, "zeroHeight"))
				case "cols":
					return x.child("col", s.column)
				case "sheetData":
					return x.child("row", func(e xml.StartElement) error { return s.row(x, e) })
				}
				return nil
			})
		})
	})
	if err != nil {
		return err
	}
	s.table.end()
	return nil
}

// xlsxRows reads the rows of a sheet.
type xlsxRows struct {
	*xlsx
	unseen          *xlsxUnseen
	table           xlsxTable
	hidden          []xlsxColumns
	hiddenByDefault bool
	number          int // of the row
}

// xlsxColumns are neighbouring columns, from 0.
type xlsxColumns struct{ first, last int }

func (s *xlsxRows) column(e xml.StartElement) error {
	if isTrue(value(e, "hidden")) && len(s.hidden) < mostColumns {
		s.hidden = append(s.hidden, xlsxColumns{natural(value(e, "min"), 1) - 1, natural(value(e, "max"), mostColumns) - 1})
	}
	return nil
}

func (s *xlsxRows) isHidden(column int) bool {
	for _, c := range s.hidden {
		if column >= c.first && column <= c.last {
			return true
		}
	}
	return false
}

func (s *xlsxRows) row(x *xmlWalk, e xml.StartElement) error {
	s.number++
	if n := natural(value(e, "r"), 0); n > s.number && n <= mostRows {
		s.number = n
	}
	if s.number > mostRows {
		return tooLarge("the workbook has a sheet of more than %d rows; save it anew from the program that made it", mostRows)
	}
	hidden, said := attr(e, "hidden")
	row := xlsxRow{number: s.number}
	unseen, column := 0, -1
	err := x.child("c", func(e xml.StartElement) error {
		column++
		if at := columnOf(value(e, "r")); at >= 0 {
			column = at
		}
		if column >= mostColumns {
			return tooLarge("the workbook has a row of more than %d columns; save it anew from the program that made it", mostColumns)
		}
		text, err := s.cell(x, e)
		if text = fold(text); text == "" || err != nil {
			return err
		}
		if s.isHidden(column) {
			unseen++
			return nil
		}
		row.cells = append(row.cells, xlsxCell{column, text})
		if row.bytes += len(text); row.bytes > mostRowText {
			return tooLarge("the workbook has a row of more than %d bytes; split it", mostRowText)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if isTrue(hidden) || !said && s.hiddenByDefault {
		if len(row.cells)+unseen > 0 {
			s.unseen.rows++
		}
		s.table.pass(s.number)
		return nil
	}
	s.unseen.cells += unseen
	s.table.add(row)
	return nil
}

// columnOf gives the column of a reference such as "AB12", from 0, or -1.
func columnOf(reference string) int {
	column := 0
	for i := 0; i < len(reference) && i < 4; i++ {
		letter := reference[i] | 0x20
		if letter < 'a' || letter > 'z' {
			break
		}
		column = column*26 + int(letter-'a') + 1
	}
	return column - 1
}

// columnName is the reverse of columnOf.
func columnName(column int) string {
	name := ""
	for column++; column > 0; column = (column - 1) / 26 {
		name = string(rune('A'+(column-1)%26)) + name
	}
	return name
}

// cell gives a cell's text as the program shows it.
func (s *xlsxRows) cell(x *xmlWalk, e xml.StartElement) (string, error) {
	kind, style := value(e, "t"), natural(value(e, "s"), 0)
	var raw, inline string
	err := x.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "v":
			raw, err = x.text()
		case "is":
			inline, err = richText(x)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	switch kind {
	case "s":
		return s.strings.get(natural(strings.TrimSpace(raw), -1)), nil
	case "inlineStr":
		return inline, nil
	case "str", "d":
		return unescapeOffice(raw), nil
	case "e":
		return raw, nil
	case "b":
		return map[bool]string{true: "TRUE", false: "FALSE"}[isTrue(raw)], nil
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(raw), 64)
	if err != nil || style >= len(s.formats) {
		if err == nil {
			return general(n), nil
		}
		return raw, nil
	}
	return s.formats[style].show(n, s.date1904), nil
}

// richText joins the runs of a text, without how it is spoken.
func richText(x *xmlWalk) (string, error) {
	var text strings.Builder
	var walk func() error
	walk = func() error {
		return x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "t":
				run, err := x.text()
				text.WriteString(run)
				return err
			case "r":
				return walk()
			}
			return nil
		})
	}
	err := walk()
	return unescapeOffice(text.String()), err
}

// unescapeOffice gives the characters that stand as _x000D_ in a text.
func unescapeOffice(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	var b strings.Builder
	for {
		at := strings.Index(text, "_x")
		if at < 0 || at+7 > len(text) {
			b.WriteString(text)
			return b.String()
		}
		code, err := strconv.ParseUint(text[at+2:at+6], 16, 16)
		if err != nil || text[at+6] != '_' {
			b.WriteString(text[:at+2])
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at] + string(rune(code)))
		text = text[at+7:]
	}
}

// xlsxStrings are the texts that cells share, one after the other.
type xlsxStrings struct {
	text []byte
	ends []uint32
}

func (s *xlsxStrings) read(p *officePackage, name string) error {
	return p.walkXML(p.b, name, mostStrings, func(x *xmlWalk) error {
		return x.child("sst", func(xml.StartElement) error {
			return x.child("si", func(xml.StartElement) error {
				text, err := richText(x)
				s.text = append(s.text, text...)
				s.ends = append(s.ends, uint32(len(s.text)))
				return err
			})
		})
	})
}

func (s *xlsxStrings) get(i int) string {
	switch {
	case i < 0 || i >= len(s.ends):
		return ""
	case i == 0:
		return string(s.text[:s.ends[0]])
	}
	return string(s.text[s.ends[i-1]:s.ends[i]])
}

// readFormats reads how numbers are shown, by style.
func (w *xlsx) readFormats(name string) error {
	if name == "" || !w.p.has(name) {
		return nil
	}
	codes := map[int]string{}
	parsed := map[int]numberFormat{}
	return w.p.walkXML(w.p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.child("styleSheet", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "numFmts":
					return x.child("numFmt", func(e xml.StartElement) error {
						codes[natural(value(e, "numFmtId"), 0)] = value(e, "formatCode")
						return nil
					})
				case "cellXfs":
					return x.child("xf", func(e xml.StartElement) error {
						id := natural(value(e, "numFmtId"), 0)
						format, ok := parsed[id]
						if !ok && len(parsed) > mostFormats {
							id = 0 // and Excel has no more than a few hundred
						}
						if !ok {
							format = numberFormatOf(id, codes[id])
							parsed[id] = format
						}
						w.formats = append(w.formats, format)
						return nil
					})
				}
				return nil
			})
		})
	})
}

// rowRange names rows as a reader of the sheet counts them.
func rowRange(first, last int) string {
	if first == last {
		return fmt.Sprintf("Row %d", first)
	}
	return fmt.Sprintf("Rows %d-%d", first, last)
}
