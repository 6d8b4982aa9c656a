package parse

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// pptx reads a presentation: a slide is a page, and its speaker notes come after it. Slides that are hidden are left
// out, as whoever is shown the presentation does not see them; they keep their numbers, as in the program.
type pptx struct {
	p *officePackage
	b *builder
}

// mostSlides bounds a presentation; each slide is a part of its own.
const mostSlides = 10_000

// readPPTX reads the slides in the order in which they are shown.
func readPPTX(p *officePackage, main string) error {
	relations, err := p.relations(main)
	if err != nil {
		return err
	}
	var slides []string
	err = p.walkXML(p.b, main, mostHeld, func(x *xmlWalk) error {
		return x.child("presentation", func(xml.StartElement) error {
			return x.child("sldIdLst", func(xml.StartElement) error {
				return x.child("sldId", func(e xml.StartElement) error {
					if slides = append(slides, relations[relationship(e, "id")].target); len(slides) > mostSlides {
						return tooLarge("the presentation has more than %d slides; split it", mostSlides)
					}
					return nil
				})
			})
		})
	})
	if err != nil {
		return err
	}
	r := pptx{p: p, b: p.b}
	var hidden []string
	for i, slide := range slides {
		p.b.page = i + 1
		shown, err := r.slide(slide)
		if err != nil {
			return err
		}
		if !shown {
			hidden = append(hidden, strconv.Itoa(i+1))
		}
	}
	p.b.pages = len(slides)
	if len(hidden) > 0 {
		p.b.warn(rag.WarnHiddenText, "%d of %d slides are hidden and were left out: %s", len(hidden), len(slides), firstOf(hidden))
	}
	return nil
}

// firstOf names the first ten at most.
func firstOf(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// pptxShape is a text of a slide.
type pptxShape struct {
	holder string // the kind of placeholder; "" for none
	pieces []piece
}

// slide reads a slide and its notes. It reports whether the slide is shown.
func (r *pptx) slide(name string) (shown bool, err error) {
	relations, err := r.p.relations(name)
	if err != nil {
		return false, err
	}
	shapes, shown, err := r.shapes(name, "sld", relations)
	if err != nil || !shown {
		return false, err
	}
	r.b.path = nil // a slide without a title is not part of the one before
	for _, title := range []bool{true, false} {
		for _, shape := range shapes {
			if title == (shape.holder == "title" || shape.holder == "ctrTitle") {
				r.write(shape, title)
			}
		}
	}
	notes := related(relations, "notesSlide")
	if notes == "" || !r.p.has(notes) {
		return true, nil
	}
	shapes, _, err = r.shapes(notes, "notes", nil)
	for _, shape := range shapes {
		if shape.holder == "body" {
			for _, p := range shape.pieces {
				r.b.add(rag.BlockParagraph, p.text())
			}
		}
	}
	return true, err
}

// write gives a shape's text to the builder. What repeats on each slide is left out.
func (r *pptx) write(shape pptxShape, title bool) {
	switch shape.holder {
	case "sldNum", "dt", "ftr", "hdr", "sldImg":
		return
	}
	if title {
		var lines []string
		for _, p := range shape.pieces {
			lines = append(lines, p.text())
		}
		r.b.heading(1, strings.Join(lines, " "))
		return
	}
	for _, p := range shape.pieces {
		r.b.add(p.kind, p.text())
	}
}

// shapes reads the shapes of a slide or of its notes.
func (r *pptx) shapes(name, root string, relations map[string]relation) (shapes []pptxShape, shown bool, err error) {
	s := pptxSlide{pptx: r, relations: relations, shown: true, bullets: root == "sld"}
	err = r.p.walkXML(r.b, name, mostSlide, func(x *xmlWalk) error {
		return x.child(root, func(e xml.StartElement) error {
			if show := value(e, "show"); show == "0" || show == "false" {
				s.shown = false
				return nil
			}
			return x.child("cSld", func(xml.StartElement) error {
				return x.child("spTree", func(xml.StartElement) error { return s.tree(x) })
			})
		})
	})
	return s.shapes, s.shown, err
}

// mostSlide bounds the bytes of a slide, which is held until it is read: its title may come last.
const mostSlide = 64 << 20

type pptxSlide struct {
	*pptx
	relations map[string]relation
	shapes    []pptxShape
	pieces    int
	shown     bool
	bullets   bool // the text of placeholders is a list unless it says otherwise
}

// tree reads shapes, in the order in which a screen reader reads them.
func (s *pptxSlide) tree(x *xmlWalk) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "sp":
			return s.shape(x)
		case "grpSp":
			return s.tree(x)
		case "AlternateContent":
			return x.child("Choice", func(xml.StartElement) error { return s.tree(x) })
		case "graphicFrame":
			return s.frame(x)
		}
		return nil
	})
}

func (s *pptxSlide) add(shape pptxShape) error {
	if len(shape.pieces) == 0 {
		return nil
	}
	if s.pieces += len(shape.pieces); s.pieces > mostPieces {
		return tooLarge("the presentation has a slide of more than %d paragraphs; split it", mostPieces)
	}
	s.shapes = append(s.shapes, shape)
	return nil
}

func (s *pptxSlide) shape(x *xmlWalk) error {
	var shape pptxShape
	hidden := false
	err := x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "nvSpPr":
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "cNvPr":
					hidden = value(e, "hidden") == "1" || value(e, "hidden") == "true"
				case "nvPr":
					return x.child("ph", func(e xml.StartElement) error {
						if shape.holder = value(e, "type"); shape.holder == "" {
							shape.holder = "obj"
						}
						return nil
					})
				}
				return nil
			})
		case "txBody":
			body := pptxBody{bullets: s.bullets && (shape.holder == "obj" || shape.holder == "body")}
			err := body.read(x)
			shape.pieces = body.settle()
			return err
		}
		return nil
	})
	if err != nil || hidden {
		return err
	}
	return s.add(shape)
}

// frame reads a table, or the words of a diagram.
func (s *pptxSlide) frame(x *xmlWalk) error {
	return x.child("graphic", func(xml.StartElement) error {
		return x.child("graphicData", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "tbl":
					text, err := s.table(x)
					if err != nil || text == "" {
						return err
					}
					return s.add(pptxShape{pieces: []piece{{kind: rag.BlockTable, lines: []string{text}}}})
				case "relIds":
					return s.diagram(s.relations[relationship(e, "dm")].target)
				}
				return nil
			})
		})
	})
}

// table writes a row a line. A cell that covers others is written once.
func (s *pptxSlide) table(x *xmlWalk) (string, error) {
	var text strings.Builder
	err := x.child("tr", func(xml.StartElement) error {
		var row strings.Builder
		cells := 0
		err := x.child("tc", func(xml.StartElement) error {
			return x.child("txBody", func(xml.StartElement) error {
				var body pptxBody
				err := body.read(x)
				if cells++; cells > 1 {
					row.WriteString(" | ")
				}
				row.WriteString(flat(body.pieces))
				return err
			})
		})
		if strings.Trim(row.String(), " |") != "" {
			text.WriteString(row.String() + "\n")
		}
		return err
	})
	return strings.TrimRight(text.String(), "\n"), err
}

// diagram takes the words of a diagram, which lie in a part of their own, as a list.
func (s *pptxSlide) diagram(name string) error {
	if name == "" || !s.p.has(name) {
		return nil
	}
	var words pptxBody
	var walk func(x *xmlWalk) error
	err := s.p.walkXML(s.b, name, mostHeld, func(x *xmlWalk) error {
		walk = func(x *xmlWalk) error {
			return x.each(func(e xml.StartElement) error {
				if e.Name.Local == "t" { // a:p lies inside, as in a shape
					return words.read(x)
				}
				return walk(x)
			})
		}
		return walk(x)
	})
	var lines []string
	for _, p := range words.pieces {
		lines = append(lines, "- "+strings.ReplaceAll(p.text(), "\n", " "))
	}
	if err != nil || len(lines) == 0 {
		return err
	}
	return s.add(pptxShape{pieces: []piece{{kind: rag.BlockList, lines: lines}}})
}
