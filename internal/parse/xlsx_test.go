package parse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// workbook makes a workbook of one sheet.
func workbook(t testing.TB, sheet, texts, styles string) []byte {
	t.Helper()
	return office(t, "xl/workbook", "spreadsheetml.sheet", workbookParts(sheet, texts, styles)...)
}

func workbookParts(sheet, texts, styles string) []packed {
	return []packed{
		{"xl/workbook.xml", `<workbook><sheets><sheet name="S" sheetId="1" r:id="r0"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", relationships("worksheet worksheets/sheet1.xml", "sharedStrings sharedStrings.xml", "styles styles.xml")},
		{"xl/sharedStrings.xml", texts}, {"xl/styles.xml", styles}, {"xl/worksheets/sheet1.xml", sheet}}
}

func sheetOf(rows string) string {
	return "<worksheet><dimension ref=\"A1:XFD1048576\"/><sheetData>" + rows + "</sheetData></worksheet>"
}

// text makes a cell.
func textCell(reference, text string) string {
	return `<c r="` + reference + `" t="inlineStr"><is><t>` + text + `</t></is></c>`
}

const noTexts, noStyles = "<sst/>", "<styleSheet/>"

func TestXLSXDetails(t *testing.T) {
	sheet := shown{rag.BlockHeading, "S", "S", 0}
	block := func(rows, text string) []shown {
		return []shown{{rag.BlockHeading, rows, "S > " + rows, 0}, {rag.BlockTable, text, "S > " + rows, 0}}
	}
	line := func(rows, text string) []shown {
		return []shown{{rag.BlockHeading, rows, "S > " + rows, 0}, {rag.BlockParagraph, text, "S > " + rows, 0}}
	}
	tests := []struct {
		name, rows string
		want       []shown
		warnings   int
	}{
		{"kinds of cells", `<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>9</v></c><c r="D1" t="b"><v>0</v></c><c r="E1" t="e"><v>#DIV/0!</v></c><c r="F1" t="str"><f>A1&amp;"x"</f><v>a_x0041_</v></c><c r="G1" t="d"><v>2024-03-01</v></c><c r="H1"><v>0.30000000000000004</v></c><c r="I1"><v>1E3</v></c></row>`,
			block("Row 1", "one | two rich |  | FALSE | #DIV/0! | aA | 2024-03-01 | 0.3 | 1000"), 0},
		{"empty rows and cells without words part tables", `<row r="2">` + textCell("B2", "a") + textCell("C2", "b") + `</row><row r="3"><c r="B3" s="5"/>` + textCell("C3", "c") + `</row><row r="4">` + textCell("B4", " ") + `</row><row r="9">` + textCell("A9", "d") + textCell("C9", "e") + `</row>`,
			append(block("Rows 2-3", "a | b\n | c"), block("Row 9", "d |  | e")...), 0},
		{"lines above a table", `<row r="1">` + textCell("A1", "Prices") + `</row><row r="2">` + textCell("A2", "of 2024") + `</row><row r="3">` + textCell("A3", "a") + textCell("B3", "b") + `</row>`, []shown{
			{rag.BlockHeading, "Rows 1-3", "S > Rows 1-3", 0}, {rag.BlockParagraph, "Prices", "S > Rows 1-3", 0}, {rag.BlockParagraph, "of 2024", "S > Rows 1-3", 0}, {rag.BlockTable, "a | b", "S > Rows 1-3", 0}}, 0},
		{"one column", `<row r="1">` + textCell("A1", "a") + `</row><row r="2">` + textCell("A2", "b") + `</row>`, block("Rows 1-2", "a\nb"), 0},
		{"no references", `<row><c><v>1</v></c><c><v>2</v></c></row><row><c><v>3</v></c></row>`, block("Rows 1-2", "1 | 2\n3"), 0},
		{"far cells", `<row r="1">` + textCell("A1", "a") + textCell("XFD1", "b") + `</row><row r="1048576">` + textCell("XFD1048576", "c") + `</row>`,
			append(block("Row 1", "A: a | XFD: b"), line("Row 1048576", "c")...), 0},
		{"hidden rows end no table", `<row r="1"><c><v>1</v></c><c><v>2</v></c></row><row r="2" hidden="1"><c><v>3</v></c></row><row r="3"><c><v>4</v></c><c><v>5</v></c></row>`, block("Rows 1-3", "1 | 2\n4 | 5"), 1},
		{"lines inside cells", `<row r="1">` + textCell("A1", "a&#10;b_x000D_c") + textCell("B1", "d") + `</row>`, block("Row 1", "a b c | d"), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeXLSX, workbook(t, sheetOf(test.rows), `<sst><si><t>one</t></si><si><r><t>two </t></r><r><t>rich</t></r><rPh><t>spoken</t></rPh></si></sst>`, noStyles))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]shown{sheet}, test.want...), check(t, p)); diff != "" {
				t.Error(diff)
			}
			if len(p.Warnings) != test.warnings {
				t.Errorf("warnings %q", p.Warnings)
			}
		})
	}
}

func TestXLSXLongTablesRepeatTheirHeader(t *testing.T) {
	var rows strings.Builder
	fmt.Fprintf(&rows, `<row r="1">%s%s</row>`, textCell("A1", "id"), textCell("B1", "name"))
	for i := 2; i <= 251; i++ {
		fmt.Fprintf(&rows, `<row r="%d"><c r="A%d"><v>%d</v></c>%s</row>`, i, i, i, textCell(fmt.Sprint("B", i), "n"))
	}
	p, err := parse(t, TypeXLSX, workbook(t, sheetOf(rows.String()), noTexts, noStyles))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range check(t, p) {
		if b.Kind == rag.BlockTable {
			lines := strings.Split(b.Text, "\n")
			got = append(got, fmt.Sprintf("%s: %s, %s to %s", b.Path, lines[0], lines[1], lines[len(lines)-1]))
		}
	}
	want := []string{"S > Rows 1-101: id | name, 2 | n to 101 | n", "S > Rows 102-202: id | name, 102 | n to 202 | n", "S > Rows 203-251: id | name, 203 | n to 251 | n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestXLSXReadsOnlyCellsThatAre gives a sheet that claims to be full, and rows without end.
func TestXLSXReadsOnlyCellsThatAre(t *testing.T) {
	var rows strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&rows, `<row r="%d"><c r="XFD%d"><v>%d</v></c></row>`, 50*i+1, 50*i+1, i)
	}
	start := time.Now()
	p, err := parse(t, TypeXLSX, workbook(t, sheetOf(rows.String()), noTexts, noStyles))
	if took := time.Since(start); err != nil || len(p.Blocks) != 40_001 || took > 10*time.Second {
		t.Errorf("%d blocks after %s, %v", len(p.Blocks), took, err)
	}
	wide := `<row r="1">` + strings.Repeat("<c><v>1</v></c>", mostColumns+1) + "</row>"
	if _, err := parse(t, TypeXLSX, workbook(t, sheetOf(wide), noTexts, noStyles)); problem(err) != "too_large" {
		t.Errorf("got %v", err)
	}
}

func TestNumberFormats(t *testing.T) {
	tests := []struct {
		code string
		n    float64
		want string
	}{
		{"General", 1234.5, "1234.5"}, {"General", 12345678901, "12345678901"}, {"General", 0.1 + 0.2, "0.3"}, {"General", 1e20, "1E+20"}, {"General", -2, "-2"},
		{"0", 2.5, "3"}, {"0", -0.2, "0"}, {"0.00", 1.005, "1.01"}, {"#,##0", 1234567, "1,234,567"}, {"#,##0.00", -1234.5, "-1,234.50"}, {"#,##0", 12, "12"},
		{"0%", 0.256, "26%"}, {"0.0%", 0.256, "25.6%"}, {"#.##", 0.5, ".5"}, {"0.##", 3, "3"}, {"00000", 123, "00123"},
		{`"$"#,##0.00`, 9.5, "$9.50"}, {`[$€-407] #,##0.00`, 9.5, "€ 9.50"}, {`#,##0.00\ "EUR"`, 1200, "1,200.00 EUR"}, {"#,##0;(#,##0)", -5, "(5)"}, {`0;-0;"none"`, 0, "none"},
		{";;;", 7, ""}, {`[Red]0.0`, 1, "1.0"}, {"0.00E+00", 12345, "1.23E+04"}, {"# ?/?", 0.5, "0.5"}, {"000-00-0000", 123456789, "123-45-6789"}, {`0.0,,"M"`, 2_500_000, "2.5M"},
		{`[>=1000000]0.0,,"M";[>=1000]0.0,"K";0`, 2500, "2.5K"}, {`[>=1000000]0.0,,"M";[>=1000]0.0,"K";0`, 25, "25"}, {`_(* #,##0.00_);_(* \(#,##0.00\)`, -3, "(3.00)"},
		{"yyyy-mm-dd", 45352, "2024-03-01"}, {"d. mmmm yyyy", 45352, "1. March 2024"}, {"dd/mm/yy", 45352, "01/03/24"}, {"ddd, mmm d", 45352, "Fri, Mar 1"}, {"[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", 45352, "Friday, March 01, 2024"},
		{"h:mm AM/PM", 0.5, "12:00 PM"}, {"h:mm", 0.999999, "0:00"}, {"hh:mm:ss", 0.29513888, "07:05:00"}, {"[h]:mm:ss", 1.5, "36:00:00"}, {"[mm]:ss", 0.0625, "90:00"}, {"mm:ss.0", 0.00001, "00:00.9"},
		{"yyyy-mm-dd hh:mm", 45352.604166666664, "2024-03-01 14:30"}, {"yyyy-mm-dd", 1, "1900-01-01"}, {"yyyy-mm-dd", 61, "1900-03-01"}, {"yyyy-mm-dd", -1, "-1"}, {"yyyy-mm-dd", 1e9, "1000000000"},
		{`"unclosed`, 1, "unclosed"}, {"[", 1, ""}, {`\`, 1, `\`}, {"@", 1.5, "1.5"},
	}
	for _, test := range tests {
		if got := numberFormatOf(0, test.code).show(test.n, false); got != test.want {
			t.Errorf("%q of %v: got %q, want %q", test.code, test.n, got, test.want)
		}
	}
	if got := numberFormatOf(14, "").show(0, true); got != "1904-01-01" {
		t.Errorf("day 0 of a Macintosh: got %q", got)
	}
	for id := range 60 {
		if got := numberFormatOf(id, "").show(45352.5, false); got == "" {
			t.Errorf("format %d shows nothing", id)
		}
	}
}

func TestColumns(t *testing.T) {
	for reference, want := range map[string]int{"A1": 0, "Z9": 25, "AA1": 26, "XFD1048576": 16383, "": -1, "7": -1} {
		if got := columnOf(reference); got != want {
			t.Errorf("%s: got %d", reference, got)
		}
		if want >= 0 && columnName(want) != strings.TrimRight(reference, "0123456789") {
			t.Errorf("%d: got %s", want, columnName(want))
		}
	}
}

func FuzzXLSX(f *testing.F) {
	f.Add([]byte(sheetOf(`<row r="2"><c r="B2" t="s"><v>0</v></c><c s="1"><v>45352.5</v></c></row><row hidden="1"/>`)), "yyyy-mm-dd [h]:mm;0.0%", 1.5)
	f.Add([]byte(sheetOf(`<row r="9999999"><c r="ZZZZ1"><v>1e400</v></c></row>`)), `[>1]#,##0.00_);\("$"0,;;@`, -3e9)
	r := New(Options{})
	f.Fuzz(func(t *testing.T, sheet []byte, code string, n float64) {
		numberFormatOf(0, code).show(n, n > 0)
		fuzzed(t, r, TypeXLSX, workbook(t, string(sheet), "<sst><si><t>a</t></si></sst>", `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="0.0"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>`))
	})
}

func TestXLSXWithTooManyRows(t *testing.T) {
	rows := `<row r="1048576"><c><v>1</v></c></row><row><c><v>2</v></c></row>`
	if _, err := parse(t, TypeXLSX, workbook(t, sheetOf(rows), noTexts, noStyles)); problem(err) != "too_large" {
		t.Errorf("got %v", err)
	}
}
