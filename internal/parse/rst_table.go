package parse

import (
	"regexp"
	"strings"
)

// mostDrawnColumns is how many columns a drawn table has. Each row has a cell for every column, so far more cost far more than
// they show.
const mostDrawnColumns = 500

// table writes rows, a line each.
func (r *rst) table(rows [][]string) string {
	var out []string
	for _, row := range rows {
		for i := range row {
			row[i] = r.plain(row[i])
		}
		if text := rowText(row); strings.Trim(text, "| ") != "" {
			out = append(out, text)
		}
	}
	return strings.Join(out, "\n")
}

func isGridBorder(line string) bool {
	return len(line) > 2 && line[0] == '+' && strings.Trim(line, "+-=") == "" && strings.Contains(line, "-")
}

func isSimpleBorder(line string) bool {
	return len(line) > 2 && line[0] == '=' && strings.Trim(line, "= ") == "" && strings.Contains(line, " ")
}

// gridRows reads a table drawn with bars; a cell that spans columns comes out as the cells it covers.
func gridRows(lines []string) [][]string {
	var columns []int
	for i, c := range []byte(strings.TrimRight(lines[0], " ")) {
		if c == '+' {
			columns = append(columns, i)
		}
	}
	var rows [][]string
	var row []string
	for _, line := range lines {
		if strings.HasPrefix(line, "+") {
			if row != nil {
				rows, row = append(rows, row), nil
			}
			continue
		}
		if row == nil {
			row = make([]string, len(columns)-1)
		}
		runes := []rune(line)
		for i := range row {
			from, to := min(columns[i]+1, len(runes)), min(columns[i+1], len(runes))
			row[i] += " " + strings.Trim(string(runes[from:to]), " |")
		}
	}
	if row != nil {
		rows = append(rows, row)
	}
	return rows
}

// simpleLength counts the lines of a simple table: its last border has an empty line behind it.
func simpleLength(lines []string) int {
	for i := 1; i < len(lines); i++ {
		if isSimpleBorder(strings.TrimRight(lines[i], " ")) && (i+1 == len(lines) || strings.TrimSpace(lines[i+1]) == "") {
			return i + 1
		}
	}
	return run(lines, func(l string) bool { return strings.TrimSpace(l) != "" })
}

// simpleRows reads a table whose columns lie below a border's marks.
func simpleRows(lines []string) [][]string {
	columns := regexp.MustCompile(`=+`).FindAllStringIndex(lines[0], -1)
	var rows [][]string
	for _, line := range lines {
		if strings.Trim(line, "=- ") == "" {
			continue
		}
		runes := []rune(line)
		cells := make([]string, len(columns))
		for i, c := range columns {
			to := len(runes)
			if i+1 < len(columns) {
				to = min(to, columns[i+1][0])
			}
			cells[i] = strings.TrimSpace(string(runes[min(c[0], to):to]))
		}
		if cells[0] == "" && len(rows) > 0 { // the row before goes on
			for i := range cells {
				rows[len(rows)-1][i] += " " + cells[i]
			}
			continue
		}
		rows = append(rows, cells)
	}
	return rows
}

// listRows reads a table written as a list of lists.
func listRows(lines []string) [][]string {
	var rows [][]string
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "* "); ok {
			rows = append(rows, nil)
			line = rest
		}
		if len(rows) == 0 {
			continue
		}
		row := &rows[len(rows)-1]
		bare := strings.TrimSpace(line)
		switch {
		case bare == "-" || strings.HasPrefix(bare, "- "):
			*row = append(*row, strings.TrimSpace(bare[1:]))
		case len(*row) > 0:
			(*row)[len(*row)-1] += " " + bare
		}
	}
	return rows
}
