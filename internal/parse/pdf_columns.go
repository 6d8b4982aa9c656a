package parse

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a column of text is, in parts of the font's size unless it says otherwise.
const (
	gridStep      = 0.125 // across, of the grid that gutters are looked for in
	gutterSteps   = 8     // a gutter is so many steps wide
	gutterLines   = 3     // so many lines have to stand on both sides of a gutter
	narrowSteps   = 5     // or only so many steps, where it is as high as narrowLines
	narrowLines   = 6
	columnWidth   = 5.0  // the mean line of a column is at least so wide
	columnFill    = 0.55 // of the column's width: lines of a table's cells are shorter
	columnWords   = 2.0  // a line, in the mean
	maxStrips     = 300  // that are looked at
	maxGrid       = 1200 // steps across, and down
	maxRegions    = 64   // cuts inside each other
	maxLaidOut    = 6000 // pieces of a page: what has more is taken in the order of the file
	rowOverlap    = 0.5  // of the lower of two pieces: so much is on the same height in one row
	blankBetween  = 0.12 // a narrower gap without a blank in the file is inside of a word
	dropCap       = 2.2  // times the print beside it: what is bigger stands for itself
	footnotePrint = 0.93 // of a column's usual print: what is smaller at its end and starts with a mark is footnotes
)

// pdfRegion is a part of a page that is read from top to bottom.
type pdfRegion struct{ pieces []pdfPiece }

// regions cuts a page into its columns, in reading order. What spans the columns stands alone, between them.
func regions(pieces []pdfPiece) []pdfRegion {
	if len(pieces) > maxLaidOut {
		return []pdfRegion{{pieces}}
	}
	return cutColumns(pieces, maxRegions)
}

func cutColumns(pieces []pdfPiece, depth int) []pdfRegion {
	if len(pieces) == 0 {
		return nil
	}
	gutter, found := findGutter(pieces)
	if !found || depth == 0 {
		return []pdfRegion{{pieces}}
	}
	var above, left, right, below []pdfPiece
	for _, p := range pieces {
		switch y := p.middle(); {
		case y > gutter.high:
			above = append(above, p)
		case y < gutter.low:
			below = append(below, p)
		case (p.left+p.right)/2 < (gutter.left+gutter.right)/2:
			left = append(left, p)
		default:
			right = append(right, p)
		}
	}
	if len(left) == 0 || len(right) == 0 {
		return []pdfRegion{{pieces}}
	}
	var out []pdfRegion
	for _, part := range [][]pdfPiece{above, left, right, below} {
		out = append(out, cutColumns(part, depth-1)...)
	}
	return out
}

// pageGrid is a page in squares, each true where something is printed.
type pageGrid struct {
	inked      [][]bool // by column of the grid, then by row from the bottom
	left, low  float64
	step, rise float64 // of a square
	across, up int
}

func newGrid(pieces []pdfPiece, em float64) pageGrid {
	box := around(pieces)
	g := pageGrid{left: box.left, low: box.low, step: max(gridStep*em, box.width()/maxGrid), rise: max(em/2, box.height()/maxGrid)}
	g.across, g.up = int(box.width()/g.step)+1, int(box.height()/g.rise)+1
	g.inked = make([][]bool, g.across)
	for x := range g.inked {
		g.inked[x] = make([]bool, g.up)
	}
	for _, p := range pieces {
		// The lowest and highest fifth of a line is left out: lines touch there.
		fifth := p.size() / 5
		for x := g.column(p.left); x <= g.column(p.right); x++ {
			for y := g.row(p.low + fifth); y <= g.row(p.high-fifth); y++ {
				g.inked[x][y] = true
			}
		}
	}
	return g
}

func (g pageGrid) column(x float64) int { return min(max(int((x-g.left)/g.step), 0), g.across-1) }
func (g pageGrid) row(y float64) int    { return min(max(int((y-g.low)/g.rise), 0), g.up-1) }

func around(pieces []pdfPiece) pdfBox {
	box := pdfBox{left: math.Inf(1), low: math.Inf(1), right: math.Inf(-1), high: math.Inf(-1)}
	for _, p := range pieces {
		box.left, box.low, box.right, box.high = min(box.left, p.left), min(box.low, p.low), max(box.right, p.right), max(box.high, p.high)
	}
	return box
}

// findGutter gives the highest strip without print that has columns of text on both sides.
func findGutter(pieces []pdfPiece) (pdfBox, bool) {
	em := medianSize(pieces)
	if em <= 0 || len(pieces) < 2*gutterLines {
		return pdfBox{}, false
	}
	g := newGrid(pieces, em)
	strips := append(g.strips(gutterSteps, gutterLines*em), g.strips(narrowSteps, narrowLines*em)...)
	slices.SortStableFunc(strips, func(a, b pdfBox) int { return cmp.Compare(b.height(), a.height()) })
	for _, strip := range strips[:min(len(strips), maxStrips)] {
		if separates(pieces, strip) {
			return strip, true
		}
	}
	return pdfBox{}, false
}

// strips gives the strips without print that are so many steps wide and at least so high.
func (g pageGrid) strips(steps int, height float64) []pdfBox {
	var strips []pdfBox
	for x := 0; x+steps <= g.across; x++ {
		for from := 0; from < g.up; {
			to := from
			for to < g.up && g.free(x, to, steps) {
				to++
			}
			if float64(to-from)*g.rise >= height {
				strips = append(strips, pdfBox{
					left: g.left + float64(x)*g.step, right: g.left + float64(x+steps)*g.step, low: g.low + float64(from)*g.rise, high: g.low + float64(to)*g.rise,
				})
			}
			from = to + 1
		}
	}
	return strips
}

func (g pageGrid) free(x, y, steps int) bool {
	for i := range steps {
		if g.inked[x+i][y] {
			return false
		}
	}
	return true
}

// separates reports whether a strip has columns of running text on both sides.
func separates(pieces []pdfPiece, strip pdfBox) bool {
	var left, right []pdfPiece
	for _, p := range pieces {
		switch y := p.middle(); {
		case y > strip.high || y < strip.low:
		case p.right <= strip.left+(strip.right-strip.left)/2:
			left = append(left, p)
		case p.left >= strip.left+(strip.right-strip.left)/2:
			right = append(right, p)
		}
	}
	if len(left) < gutterLines || len(right) < gutterLines {
		return false
	}
	a, b := around(left), around(right)
	overlap := pdfBox{low: max(a.low, b.low), high: min(a.high, b.high)}
	return overlap.height() >= gutterLines*medianSize(pieces) && isColumn(left) && isColumn(right)
}

// isColumn reports whether pieces are lines of running text.
func isColumn(pieces []pdfPiece) bool {
	rows := rowsOf(pieces)
	width, words, em := 0.0, 0, medianSize(pieces)
	box := around(pieces)
	for _, row := range rows {
		b := around(row)
		width += b.width()
		for _, p := range row {
			words++
			if n := utf8.RuneCountInString(p.text); n > 3 && strings.ContainsFunc(p.text, wideScript) {
				words += n / 2
			}
		}
	}
	n := float64(len(rows))
	return len(rows) >= gutterLines && width/n >= columnWidth*em && width/n >= columnFill*box.width() && float64(words)/n >= columnWords
}

// wideScript reports whether a character is of a script that is written without blanks.
func wideScript(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// medianSize gives the size that half of the text is not bigger than.
func medianSize(pieces []pdfPiece) float64 {
	sizes := make([]float64, 0, len(pieces))
	for _, p := range pieces {
		if size := p.size(); size > 0 {
			sizes = append(sizes, size)
		}
	}
	if len(sizes) == 0 {
		return 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}

// rowsOf groups pieces that stand side by side, from the top, each row from the left.
func rowsOf(pieces []pdfPiece) [][]pdfPiece {
	sorted := slices.Clone(pieces)
	slices.SortStableFunc(sorted, func(a, b pdfPiece) int { return cmp.Compare(b.middle(), a.middle()) })
	var rows []pdfRow
	for _, p := range sorted {
		best := -1
		for i := len(rows) - 1; i >= max(0, len(rows)-4); i-- {
			if rows[i].takes(p) && (best < 0 || rows[i].size() > rows[best].size()) {
				best = i
			}
		}
		if best < 0 {
			rows = append(rows, pdfRow{low: p.low, high: p.high, pieces: []pdfPiece{p}})
			continue
		}
		rows[best].add(p)
	}
	slices.SortStableFunc(rows, func(a, b pdfRow) int { return cmp.Compare(b.low+b.high, a.low+a.high) })
	out := make([][]pdfPiece, len(rows))
	for i, row := range rows {
		slices.SortStableFunc(row.pieces, func(a, b pdfPiece) int { return cmp.Compare(a.left, b.left) })
		out[i] = row.pieces
	}
	return out
}

// pdfRow is a row that is being put together: low and high are those of its biggest piece.
type pdfRow struct {
	low, high float64
	pieces    []pdfPiece
}

func (r pdfRow) size() float64 { return r.high - r.low }

func (r pdfRow) takes(p pdfPiece) bool {
	shared := min(r.high, p.high) - max(r.low, p.low)
	if max(r.size(), p.size()) > dropCap*min(r.size(), p.size()) {
		return false
	}
	return shared >= rowOverlap*min(r.size(), p.size()) && shared > 0
}

func (r *pdfRow) add(p pdfPiece) {
	if p.size() > r.size() {
		r.low, r.high = p.low, p.high
	}
	r.pieces = append(r.pieces, p)
}
