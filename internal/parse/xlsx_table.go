package parse

import (
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

const (
	blockRows    = 100      // rows of a table in one block, its header not counted
	blockText    = 64 << 10 // bytes after which a block ends
	mostCaptions = 3        // lines above a table that are its caption and not its header
)

// xlsxTable puts the rows of a sheet together. An empty row ends a table. A long table is several blocks, each below a
// heading that says which rows it holds, and each beginning with the table's header.
type xlsxTable struct {
	b     *builder
	sheet string // not yet written, or ""

	header *xlsxRow // of the table, where a block of it is written already
	rows   []xlsxRow
	bytes  int
	last   int // number of the last row that was seen
}

type xlsxRow struct {
	number int
	cells  []xlsxCell
	bytes  int
}

type xlsxCell struct {
	column int
	text   string
}

// add takes the next row.
func (t *xlsxTable) add(row xlsxRow) {
	if row.number > t.last+1 || len(row.cells) == 0 {
		t.end()
	}
	t.last = row.number
	if len(row.cells) == 0 {
		return
	}
	if len(t.rows) > blockRows || t.bytes > blockText {
		t.write()
	}
	t.rows = append(t.rows, row)
	t.bytes += row.bytes
}

// pass takes note of a row that is left out and ends no table.
func (t *xlsxTable) pass(number int) {
	if number > t.last+1 {
		t.end()
	}
	t.last = number
}

// end ends a table.
func (t *xlsxTable) end() {
	t.write()
	t.header = nil
}

// write writes the rows that wait as a block.
func (t *xlsxTable) write() {
	rows := t.rows
	if len(rows) == 0 {
		return
	}
	if t.sheet != "" {
		t.b.heading(1, t.sheet)
		t.sheet = ""
	}
	t.b.heading(2, rowRange(rows[0].number, rows[len(rows)-1].number))
	if t.header == nil {
		captions := captions(rows)
		for _, row := range rows[:captions] {
			t.b.add(rag.BlockParagraph, row.cells[0].text)
		}
		rows = rows[captions:]
	} else {
		rows = append([]xlsxRow{*t.header}, rows...)
	}
	if len(rows) > 0 {
		header := rows[0]
		t.header = &header
		t.b.add(rag.BlockTable, lines(rows))
	}
	t.rows, t.bytes = nil, 0
}

// captions gives how many of the first rows of a table are lines above it: of one cell, where the table has more.
func captions(rows []xlsxRow) int {
	n := 0
	for n < len(rows) && len(rows[n].cells) == 1 {
		n++
	}
	if n > mostCaptions || n == len(rows) && n > 1 {
		return 0
	}
	return n
}

// lines writes a row a line. Empty cells keep the columns in their places.
func lines(rows []xlsxRow) string {
	first := mostColumns
	for _, row := range rows {
		first = min(first, row.cells[0].column)
	}
	var b strings.Builder
	for i, row := range rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		row.write(&b, first)
	}
	return b.String()
}

// write writes a row's cells from a column on. Where far more cells are empty than not, those that are not are written,
// each with its column's name.
func (r xlsxRow) write(b *strings.Builder, first int) {
	last := r.cells[len(r.cells)-1].column
	if sparse := last-first > 4*len(r.cells)+32; sparse {
		for i, c := range r.cells {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(columnName(c.column) + ": " + c.text)
		}
		return
	}
	at := first
	for _, c := range r.cells {
		for ; at < c.column; at++ {
			b.WriteString(" | ")
		}
		b.WriteString(c.text)
	}
}
