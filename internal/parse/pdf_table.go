package parse

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// What a table is, in parts of the font's size unless it says otherwise.
const (
	cellGap       = 0.95 // a wider gap parts two cells
	cellLapse     = 0.3  // columns of cells are at least so far apart
	tableRows     = 3    // rows with cells that a table of two columns has at least; one less with more columns
	tightRow      = 1.45 // a row that follows closer and fills no first cell goes on with the row above
	maxTableCells = 60   // in a row
)

// pdfTable is a run of rows whose cells stand in columns.
type pdfTable struct {
	length int      // rows as printed
	rows   []string // as they are read: a cell's lines put together
}

// pdfCells is a row cut into cells.
type pdfCells struct {
	cells     [][]pdfPiece
	low, high float64
}

// tablesOf finds the tables among a column's rows, by the index of their first row.
func tablesOf(rows [][]pdfPiece) map[int]pdfTable {
	found := map[int]pdfTable{}
	cut := make([]pdfCells, len(rows))
	for i, row := range rows {
		box := around(row)
		cut[i] = pdfCells{cells: cellsOf(row), low: box.low, high: box.high}
	}
	for i := 0; i < len(rows); i++ {
		if n := len(cut[i].cells); n < 2 || n > maxTableCells {
			continue
		}
		first := i
		if i > 0 && found[i-1].length == 0 {
			if head, ok := headOf(cut[i-1], cut[i:]); ok && !taken(found, i-1) {
				cut[i-1], first = head, i-1
			}
		}
		if table, ok := tableAt(cut[first:]); ok {
			found[first] = table
			i = first + table.length - 1
		}
	}
	return found
}

// taken reports whether a row is part of a table that was found.
func taken(found map[int]pdfTable, at int) bool {
	for from, table := range found {
		if at >= from && at < from+table.length {
			return true
		}
	}
	return false
}

// headOf cuts a row whose words stand too close to be cells into one cell a column of the rows below it, where each
// of its words is over one column and every column has some.
func headOf(head pdfCells, below []pdfCells) (pdfCells, bool) {
	if len(head.cells) != 1 || head.low-below[0].high > head.high-head.low {
		return head, false
	}
	columns := boxesOf(below[0])
	for _, row := range below[1:min(len(below), 8)] {
		next, ok := fit(columns, row, row)
		if !ok {
			break
		}
		columns = next
	}
	cells := make([][]pdfPiece, len(columns))
	for _, p := range head.cells[0] {
		hit := touched(columns, pdfBox{p.left, p.low, p.right, p.high})
		if len(hit) != 1 {
			return head, false
		}
		cells[hit[0]] = append(cells[hit[0]], p)
	}
	for _, cell := range cells {
		if len(cell) == 0 {
			return head, false
		}
	}
	return pdfCells{cells: cells, low: head.low, high: head.high}, len(cells) > 1
}

func cellsOf(row []pdfPiece) [][]pdfPiece {
	var cells [][]pdfPiece
	for i, p := range row {
		if i > 0 && p.left-row[i-1].right < cellGap*min(p.size(), row[i-1].size()) {
			cells[len(cells)-1] = append(cells[len(cells)-1], p)
			continue
		}
		cells = append(cells, []pdfPiece{p})
	}
	return cells
}

// tableAt tries to read a table that starts with the first row.
func tableAt(rows []pdfCells) (pdfTable, bool) {
	var columns []pdfBox
	length, full, widest := 0, 0, 0
	for i, row := range rows {
		if i > 0 && rows[i-1].low-row.high > 2.5*(row.high-row.low) || len(row.cells) > maxTableCells {
			break
		}
		next, ok := fit(columns, row, rows[max(0, i-1)])
		if !ok {
			break
		}
		columns = next
		if length++; len(row.cells) > 1 {
			full++
			widest = max(widest, len(row.cells))
		}
	}
	for length > 0 && len(rows[length-1].cells) < 2 && !goesOn(rows, length-1, columns) {
		length--
	}
	need := tableRows
	if widest > 2 {
		need--
	}
	if full < need || len(columns) < 2 || widest < 2 || columnLabels(rows[:length], columns) {
		return pdfTable{}, false
	}
	return pdfTable{length: length, rows: tableRowsText(rows[:length], columns)}, true
}

// fit widens the columns by a row's cells, and reports whether they are columns still: no cell may bridge two of them.
func fit(columns []pdfBox, row, above pdfCells) ([]pdfBox, bool) {
	if len(columns) == 0 {
		return boxesOf(row), true
	}
	if len(row.cells) == 1 {
		box := around(row.cells[0])
		tight := above.low-row.high < (tightRow-1)*(row.high-row.low)
		hit := touched(columns, box)
		if !tight || len(hit) != 1 || hit[0] == 0 && len(columns) > 1 && box.right > columns[1].left {
			return columns, false
		}
	}
	merged := slices.Clone(columns)
	for _, cell := range row.cells {
		box := around(cell)
		switch hit := touched(merged, box); len(hit) {
		case 0:
			merged = append(merged, box)
			slices.SortFunc(merged, func(a, b pdfBox) int { return cmp.Compare(a.left, b.left) })
		case 1:
			merged[hit[0]].left, merged[hit[0]].right = min(merged[hit[0]].left, box.left), max(merged[hit[0]].right, box.right)
		default:
			return columns, false
		}
	}
	for i := 1; i < len(merged); i++ {
		if merged[i].left-merged[i-1].right < cellLapse*(row.high-row.low) {
			return columns, false
		}
	}
	seen := map[int]bool{} // two cells of a row are in two columns
	for _, cell := range row.cells {
		at := touched(merged, around(cell))[0]
		if seen[at] {
			return columns, false
		}
		seen[at] = true
	}
	return merged, true
}

func boxesOf(row pdfCells) []pdfBox {
	boxes := make([]pdfBox, len(row.cells))
	for i, cell := range row.cells {
		boxes[i] = around(cell)
	}
	return boxes
}

func touched(columns []pdfBox, box pdfBox) []int {
	var hit []int
	for i, c := range columns {
		if box.left <= c.right && box.right >= c.left {
			hit = append(hit, i)
		}
	}
	return hit
}

// goesOn reports whether a row has only more lines for cells of the row above: its first cell is empty, and it follows
// closer than the rows of the table do.
func goesOn(rows []pdfCells, i int, columns []pdfBox) bool {
	if i == 0 || len(rows[i].cells) >= len(columns) {
		return false
	}
	row := rows[i]
	return touched(columns, around(row.cells[0]))[0] > 0 && rows[i-1].low-row.high < (tightRow-1)*(row.high-row.low)
}

// label is what stands before the text of a list's item, a note, or a line of a table of contents.
var label = regexp.MustCompile(`^(?:[•\-*–▪◦‣●○■]|\(?\[?[0-9]{1,3}[.)\]]?|\(?[a-zA-Z][.)]|[0-9]+(?:\.[0-9]+)+\.?)$`)

// columnLabels reports whether the first of two columns only numbers or marks the other, or dots lead from one to the other.
func columnLabels(rows []pdfCells, columns []pdfBox) bool {
	marks, texts := 0, 0
	for _, row := range rows {
		text, _ := pieceText(row.cells[0])
		if texts++; label.MatchString(text) {
			marks++
		}
		for _, cell := range row.cells {
			if text, _ := pieceText(cell); strings.Contains(text, leader) || strings.Contains(text, "....") {
				return true
			}
		}
	}
	return len(columns) == 2 && 10*marks >= 8*texts && wordy(rows)
}

// wordy reports whether the last cells of rows are text rather than values.
func wordy(rows []pdfCells) bool {
	words := 0
	for _, row := range rows {
		words += len(row.cells[len(row.cells)-1])
	}
	return words >= 2*len(rows)
}

// tableRowsText writes a row a line, cells separated by bars.
func tableRowsText(rows []pdfCells, columns []pdfBox) []string {
	var out [][]string
	for i, row := range rows {
		cells := make([]string, len(columns))
		for _, cell := range row.cells {
			text, _ := pieceText(cell)
			cells[touched(columns, around(cell))[0]] = text
		}
		if len(out) > 0 && goesOn(rows, i, columns) {
			above := out[len(out)-1]
			for at, text := range cells {
				above[at] = strings.TrimSpace(above[at] + " " + text)
			}
			continue
		}
		out = append(out, cells)
	}
	lines := make([]string, len(out))
	for i, cells := range out {
		lines[i] = strings.Join(cells, " | ")
	}
	return lines
}
