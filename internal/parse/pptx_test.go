package parse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// shape makes a shape: a placeholder of a kind, or "" for none, of paragraphs.
func shape(holder string, paragraphs ...string) string {
	if holder != "" {
		holder = `<p:ph type="` + holder + `"/>`
	}
	return `<p:sp><p:nvSpPr><p:cNvPr id="1" name="x"/><p:nvPr>` + holder + `</p:nvPr></p:nvSpPr><p:txBody>` + strings.Join(paragraphs, "") + `</p:txBody></p:sp>`
}

func slidePara(properties, text string) string {
	return "<a:p>" + properties + "<a:r><a:t>" + text + "</a:t></a:r></a:p>"
}

func slideOf(shapes ...string) string {
	return `<p:sld><p:cSld><p:spTree>` + strings.Join(shapes, "") + `</p:spTree></p:cSld></p:sld>`
}

// slides makes a presentation of one slide, its notes and a diagram.
func slides(t testing.TB, slide, notes, diagram string) []byte {
	t.Helper()
	return office(t, "ppt/presentation", "presentationml.presentation",
		packed{"ppt/presentation.xml", `<p:presentation><p:sldIdLst><p:sldId id="256" r:id="r0"/></p:sldIdLst></p:presentation>`},
		packed{"ppt/_rels/presentation.xml.rels", relationships("slide slides/slide1.xml")},
		packed{"ppt/slides/_rels/slide1.xml.rels", relationships("notesSlide ../notesSlides/n.xml", "diagramData ../diagrams/data1.xml")},
		packed{"ppt/diagrams/data1.xml", diagram},
		packed{"ppt/notesSlides/n.xml", `<p:notes><p:cSld><p:spTree>` + notes + `</p:spTree></p:cSld></p:notes>`},
		packed{"ppt/slides/slide1.xml", slide})
}

func TestPPTXDetails(t *testing.T) {
	const title = "Title"
	tests := []struct {
		name, slide string
		want        []shown
	}{
		{"a title that comes last", slideOf(shape("body", slidePara("", "one")), shape("ctrTitle", slidePara("", "Title"))), []shown{
			{rag.BlockHeading, "Title", title, 1}, {rag.BlockParagraph, "one", title, 1}}},
		{"lists", slideOf(shape("body", slidePara("", "a"), slidePara(`<a:pPr lvl="1"/>`, "b"), slidePara(`<a:pPr><a:buNone/></a:pPr>`, "c"), slidePara(`<a:pPr><a:buAutoNum type="arabicPeriod"/></a:pPr>`, "d"), slidePara(`<a:pPr><a:buAutoNum type="arabicPeriod"/></a:pPr>`, "e"))), []shown{
			{rag.BlockList, "- a\n  - b", "", 1}, {rag.BlockParagraph, "c", "", 1}, {rag.BlockList, "1. d\n2. e", "", 1}}},
		{"what repeats on each slide", slideOf(shape("sldNum", slidePara("", "7")), shape("ftr", slidePara("", "Imprint")), shape("dt", slidePara("", "today")), shape("", slidePara("", "text"))), []shown{
			{rag.BlockParagraph, "text", "", 1}}},
		{"groups, alternatives and hidden shapes", slideOf("<p:grpSp>"+shape("", slidePara("", "in a group"))+"</p:grpSp>", "<mc:AlternateContent><mc:Choice>"+shape("", slidePara("", "new"))+"</mc:Choice><mc:Fallback>"+shape("", slidePara("", "old"))+"</mc:Fallback></mc:AlternateContent>",
			strings.Replace(shape("", slidePara("", "unseen")), `name="x"`, `hidden="1"`, 1)), []shown{
			{rag.BlockParagraph, "in a group", "", 1}, {rag.BlockParagraph, "new", "", 1}}},
		{"a table", slideOf(`<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tr><a:tc gridSpan="2"><a:txBody>` + slidePara("", "a") + slidePara("", "b") + `</a:txBody></a:tc><a:tc hMerge="1"><a:txBody><a:p/></a:txBody></a:tc></a:tr><a:tr><a:tc><a:txBody>` + slidePara("", "c") + `</a:txBody></a:tc><a:tc><a:txBody>` + slidePara("", "d") + `</a:txBody></a:tc></a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>`), []shown{
			{rag.BlockTable, "a b | \nc | d", "", 1}}},
		{"a diagram", slideOf(`<p:graphicFrame><a:graphic><a:graphicData><dgm:relIds r:dm="r1"/></a:graphicData></a:graphic></p:graphicFrame>`), []shown{
			{rag.BlockList, "- plan\n- build", "", 1}}},
		{"line breaks, fields, formulas", slideOf(shape("", `<a:p><a:r><a:t>a</a:t></a:r><a:br/><a:fld><a:t>b</a:t></a:fld><a14:m><m:oMath><m:r><m:t>=c</m:t></m:r></m:oMath></a14:m></a:p>`)), []shown{
			{rag.BlockParagraph, "a\nb=c", "", 1}}},
	}
	diagram := `<dgm:dataModel><dgm:ptLst><dgm:pt><dgm:t>` + slidePara("", "plan") + `</dgm:t></dgm:pt><dgm:pt><dgm:t>` + slidePara("", "build") + `</dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>`
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypePPTX, slides(t, test.slide, shape("body", slidePara("", "said"))+shape("sldNum", slidePara("", "1")), diagram))
			if err != nil {
				t.Fatal(err)
			}
			path := ""
			if test.want[0].Kind == rag.BlockHeading {
				path = title
			}
			if diff := cmp.Diff(append(test.want, shown{rag.BlockParagraph, "said", path, 1}), check(t, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPPTXWithAMissingSlide(t *testing.T) {
	original := office(t, "ppt/presentation", "presentationml.presentation",
		packed{"ppt/presentation.xml", `<p:presentation><p:sldIdLst><p:sldId id="256" r:id="r9"/></p:sldIdLst></p:presentation>`})
	if _, err := parse(t, TypePPTX, original); problem(err) != "parse_error" {
		t.Errorf("got %v", err)
	}
}

func FuzzPPTX(f *testing.F) {
	f.Add([]byte(slideOf(shape("title", slidePara("", "a")), shape("body", slidePara(`<a:pPr lvl="2"><a:buAutoNum/></a:pPr>`, "b")), "<p:grpSp>"+shape("", slidePara("", "c"))+"</p:grpSp>")))
	f.Add([]byte(slideOf(`<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tr><a:tc><a:txBody>` + slidePara("", "a") + `</a:txBody></a:tc></a:tr></a:tbl><dgm:relIds r:dm="r1"/></a:graphicData></a:graphic></p:graphicFrame>`)))
	r := New(Options{})
	f.Fuzz(func(t *testing.T, slide []byte) {
		fuzzed(t, r, TypePPTX, slides(t, string(slide), string(slide), string(slide)))
	})
}
