package parse

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// pptxBody is the text inside a shape, a piece a paragraph until it is settled.
type pptxBody struct {
	bullets bool // paragraphs are a list's items unless they say otherwise
	pieces  []piece
	numbers [deepestList]int
}

func (t *pptxBody) read(x *xmlWalk) error {
	return x.child("p", func(xml.StartElement) error {
		if len(t.pieces) > mostPieces {
			return tooLarge("the presentation has a shape of more than %d paragraphs; split it", mostPieces)
		}
		return t.paragraph(x)
	})
}

func (t *pptxBody) paragraph(x *xmlWalk) error {
	var text strings.Builder
	level, item, numbered := 0, t.bullets, false
	err := x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "pPr":
			level = min(natural(value(e, "lvl"), 0), deepestList-1)
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "buNone":
					item = false
				case "buChar", "buBlip":
					item = true
				case "buAutoNum":
					item, numbered = true, true
				}
				return nil
			})
		case "br":
			text.WriteByte('\n')
		case "r", "fld":
			return x.child("t", func(xml.StartElement) error {
				words, err := x.text()
				text.WriteString(words)
				return err
			})
		case "AlternateContent", "m": // a formula
			return t.formula(x, &text)
		}
		return nil
	})
	words := strings.TrimSpace(text.String())
	if words == "" || err != nil {
		return err
	}
	if !item {
		t.pieces = append(t.pieces, piece{kind: rag.BlockParagraph, lines: []string{words}})
		return nil
	}
	mark := bullet
	if numbered {
		t.numbers[level]++
		mark = fmt.Sprintf("%d.", t.numbers[level])
	}
	for deeper := level + 1; deeper < deepestList; deeper++ {
		t.numbers[deeper] = 0
	}
	t.pieces = append(t.pieces, piece{kind: rag.BlockList, level: level, lines: []string{mark, words}})
	return nil
}

// formula takes the signs of a formula.
func (t *pptxBody) formula(x *xmlWalk, text *strings.Builder) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "t":
			signs, err := x.text()
			text.WriteString(signs)
			return err
		case "Fallback":
			return nil
		}
		return t.formula(x, text)
	})
}

// settle joins the items of a list. A single one is a paragraph.
func (t *pptxBody) settle() []piece {
	var out []piece
	for i, p := range t.pieces {
		if p.kind != rag.BlockList {
			out = append(out, p)
			continue
		}
		mark, words := p.lines[0], p.lines[1]
		if len(t.pieces) == 1 && mark == bullet {
			return []piece{{kind: rag.BlockParagraph, lines: []string{words}}}
		}
		line := strings.Repeat("  ", p.level) + mark + " " + strings.ReplaceAll(words, "\n", " ")
		if i > 0 && t.pieces[i-1].kind == rag.BlockList {
			out[len(out)-1].lines = append(out[len(out)-1].lines, line)
			continue
		}
		out = append(out, piece{kind: rag.BlockList, lines: []string{line}})
	}
	return out
}
