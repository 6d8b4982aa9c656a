package parse

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// csvFormat reads tables of separated values: a row a line, cells separated by bars, the header first in every block. A
// long table is cut into sections that name their rows, counted as spreadsheets do.
type csvFormat struct{}

const (
	rowsTogether  = 200     // rows in a block
	bytesTogether = 1 << 20 // of a block's rows; a single row may be longer
	headerAgain   = 4 << 10 // bytes of a header that later blocks repeat
	rowsSampled   = 50      // rows that the delimiter and the header are told by
	mostLetters   = 1000    // columns that are named where no header does
	linesInCell   = 1000    // what is longer was begun by a quotation mark that means itself
)

// Parse reads a table row by row, after a look at all rows: none may be handed over before it is clear how they are quoted.
func (csvFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	w, err := surveyed(ctx, o, b)
	if err != nil {
		return err
	}
	r, err := w.open(ctx, o, &builder{})
	if err != nil {
		return err
	}
	delimiter := delimiterOf(r, o.MediaType)
	for next := quotedRows(r, delimiter); err == nil; {
		_, err = next()
	}
	unclosed := errors.Is(err, errUnclosed)
	if !unclosed && !errors.Is(err, io.EOF) {
		return err
	}
	if r, err = w.open(ctx, o, b); err != nil {
		return err
	}
	delimiterOf(r, o.MediaType) // takes off the line that names it
	if unclosed {
		b.warn(rag.WarnReadAsPlainText, "a quotation mark is never closed: quotation marks were read as they stand")
		return tabulate(b, plainRows(r, delimiter))
	}
	return tabulate(b, quotedRows(r, delimiter))
}

// errUnclosed says that a cell goes on and on.
var errUnclosed = errors.New("a cell is never closed")

// quotedRows gives rows whose cells may be in quotation marks, with line ends inside; io.EOF ends them.
func quotedRows(r io.Reader, delimiter rune) func() ([]string, error) {
	reader := csv.NewReader(r)
	reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord, reader.ReuseRecord = delimiter, true, -1, true
	reader.TrimLeadingSpace = delimiter != '\t'
	return func() ([]string, error) {
		row, err := reader.Read()
		for _, cell := range row {
			if strings.Count(cell, "\n") > linesInCell {
				return nil, errUnclosed
			}
		}
		return row, err
	}
}

// plainRows gives a row for each line.
func plainRows(r *bufio.Reader, delimiter rune) func() ([]string, error) {
	return func() ([]string, error) {
		line, err := r.ReadString('\n')
		if line == "" {
			return nil, err
		}
		return strings.Split(strings.TrimRight(line, "\r\n"), string(delimiter)), nil
	}
}

// delimiterOf tells what separates cells: the line "sep=" as Excel writes it, which is taken off, or what parts the
// first rows most evenly.
func delimiterOf(r *bufio.Reader, mediaType string) rune {
	head, err := r.Peek(r.Size())
	if len(head) > 6 && strings.EqualFold(string(head[:4]), "sep=") && (head[5] == '\n' || head[5] == '\r') {
		delimiter := rune(head[4])
		_, _ = r.ReadString('\n') // it was just seen
		if strings.ContainsRune(",;\t|", delimiter) {
			return delimiter
		}
	}
	delimiter, _, columns := separated(head, err == nil)
	if mediaType == TypeTSV && columns < 2 {
		return '\t'
	}
	return delimiter
}

// separated finds the delimiter that gives the head of a text the same number of columns in most of its rows.
func separated(head []byte, cut bool) (delimiter rune, rows, columns int) {
	delimiter = ','
	best := 0.0
	for _, candidate := range ",;\t|" {
		n, width, even := evenness(head, candidate, cut)
		if score := even * float64(min(width, 3)); width > 1 && score > best {
			best, delimiter, rows, columns = score, candidate, n, width
			if even < 1 {
				rows = 0
			}
		}
	}
	return delimiter, rows, columns
}

// evenness counts rows and gives the most frequent number of columns with the part of the rows that have it.
func evenness(head []byte, delimiter rune, cut bool) (rows, columns int, even float64) {
	next := quotedRows(strings.NewReader(string(head)), delimiter)
	widths := map[int]int{}
	last := 0
	for rows < rowsSampled {
		row, err := next()
		if err != nil {
			if cut && rows > 1 {
				widths[last]-- // the head cuts it
				rows--
			}
			break
		}
		last = len(row)
		widths[last]++
		rows++
	}
	for width, n := range widths {
		if n > widths[columns] || n == widths[columns] && width > columns {
			columns = width
		}
	}
	if rows > 0 {
		even = float64(widths[columns]) / float64(rows)
	}
	return rows, columns, even
}

// tabulate writes rows into blocks.
func tabulate(b *builder, next func() ([]string, error)) error {
	var head [][]string
	size := 0
	for len(head) < rowsSampled && size < bytesTogether {
		row, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rowError(err)
		}
		row = append([]string(nil), row...)
		for _, cell := range row {
			size += len(cell)
		}
		head = append(head, row)
	}
	if len(head) == 0 {
		return nil
	}
	t := rowBlocks{b: b}
	if hasHeader(head) {
		t.header, t.row = rowText(head[0]), 1
		head = head[1:]
	} else {
		t.header = rowText(letters(head))
	}
	for _, row := range head {
		t.add(rowText(row))
	}
	for !b.full {
		row, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rowError(err)
		}
		t.add(rowText(row))
	}
	t.end()
	b.title = "" // "Rows 2-201" names no document
	return nil
}

func rowError(err error) error {
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return unreadable(TypeCSV, err)
	}
	return fmt.Errorf("read rows: %w", err)
}

// rowBlocks gathers rows.
type rowBlocks struct {
	b      *builder
	header string
	row    int // the last one seen
	first  int // of those gathered
	rows   strings.Builder
	count  int
	cut    bool // into sections
}

// add takes a row; one without anything in it only counts.
func (t *rowBlocks) add(text string) {
	t.row++
	if strings.Trim(text, "| ") == "" {
		return
	}
	if t.count == rowsTogether || t.rows.Len() > bytesTogether {
		t.cut = true
		t.flush(t.row - 1)
	}
	if t.count == 0 {
		t.first = t.row
	}
	t.rows.WriteString("\n" + text)
	t.count++
}

// flush ends a block.
func (t *rowBlocks) flush(last int) {
	if t.cut {
		t.b.heading(1, fmt.Sprintf("Rows %d-%d", t.first, last))
	}
	t.b.add(rag.BlockTable, t.header+t.rows.String())
	t.rows.Reset()
	t.count = 0
	if len(t.header) > headerAgain {
		end := max(strings.LastIndex(t.header[:headerAgain], " | "), 0)
		t.header = t.header[:end] + " | …"
	}
}

func (t *rowBlocks) end() {
	if t.count > 0 || !t.cut {
		t.flush(t.row)
	}
}

// rowText writes a row on one line.
func rowText(row []string) string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = cell
		if strings.ContainsAny(cell, "\n\r\t ") {
			cells[i] = fold(cell)
		}
	}
	return strings.Join(cells, " | ")
}

// hasHeader reports whether the first row names the columns: all its cells are different words, and none of them stands
// below itself.
func hasHeader(rows [][]string) bool {
	seen := map[string]bool{}
	named := 0
	for column, cell := range rows[0] {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		if seen[cell] || isNumber(cell) {
			return false
		}
		seen[cell] = true
		named++
		for _, row := range rows[1:] {
			if column < len(row) && strings.TrimSpace(row[column]) == cell {
				return false
			}
		}
	}
	return named > 0 && 2*named > len(rows[0])
}

// isNumber reports whether a cell is a number, a date or the like, as headers are not; a year may be one.
func isNumber(cell string) bool {
	if len(cell) == 4 && (cell[:2] == "19" || cell[:2] == "20") {
		return false
	}
	return strings.ContainsAny(cell, "0123456789") && strings.Trim(cell, "0123456789.,:;+-/%$€£ eETZ") == ""
}

// letters names columns as spreadsheets do.
func letters(rows [][]string) []string {
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	names := make([]string, min(columns, mostLetters))
	for i := range names {
		names[i] = columnName(i)
	}
	return names
}
