package parse

import (
	"context"
	"encoding/xml"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// officeFormat reads what Office programs write since 2007. Which of the formats a container holds is what its own list
// of content types says of its main part: the first bytes of a file don't always tell.
type officeFormat struct{}

// Parse reads a document, a presentation or a workbook.
func (officeFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	c, err := openContainer(ctx, o)
	if err != nil {
		return err
	}
	p := &officePackage{container: c, b: b}
	main, kind, err := p.main()
	if err != nil {
		return err
	}
	switch {
	case strings.Contains(kind, "wordprocessingml") || strings.Contains(kind, "ms-word"):
		err = readDOCX(p, main)
	case strings.Contains(kind, "presentationml") || strings.Contains(kind, "ms-powerpoint"):
		err = readPPTX(p, main)
	case strings.Contains(kind, "sheet.binary"):
		err = saveAs("Excel's binary workbooks", ".xlsx")
	case strings.Contains(kind, "spreadsheetml") || strings.Contains(kind, "ms-excel"):
		err = readXLSX(p, main)
	default:
		err = &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported", Message: fmt.Sprintf("the file is an Office container of a kind (%q) that can't be read; save it as .docx, .pptx, .xlsx or PDF", kind)}
	}
	if err == nil {
		b.given = p.title()
	}
	return err
}

// saveAs refuses a format of which programs can make one that is read.
func saveAs(what, extension string) error {
	return &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported", Message: fmt.Sprintf("%s can't be read; save the file as %s and upload that", what, extension)}
}

// officePackage is a container whose parts name each other by relationships.
type officePackage struct {
	*container
	b    *builder
	root map[string]relation // of the container itself
}

// relation is a reference from one part to another.
type relation struct {
	kind   string // the last word of its type, such as "styles"
	target string // part name
}

// relations gives the references of a part by their ids; "" is the container itself. Those that lead out of the
// container are left out, and nothing is ever fetched.
func (p *officePackage) relations(from string) (map[string]relation, error) {
	name := path.Join(path.Dir(from), "_rels", path.Base(from)+".rels")
	if from == "" {
		name = "_rels/.rels"
	}
	relations := map[string]relation{}
	if !p.has(name) {
		return relations, nil
	}
	err := p.walkXML(p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.child("Relationships", func(xml.StartElement) error {
			return x.child("Relationship", func(e xml.StartElement) error {
				if value(e, "TargetMode") != "External" {
					relations[value(e, "Id")] = relation{kind: path.Base(value(e, "Type")), target: resolve(from, value(e, "Target"))}
				}
				return nil
			})
		})
	})
	return relations, err
}

// related gives the part of a kind that a part refers to, or "".
func related(relations map[string]relation, kind string) string {
	var ids []string
	for id, r := range relations {
		if r.kind == kind {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids) // one of several is as good as another, but the same each time
	return relations[ids[0]].target
}

// main gives the main part and its content type.
func (p *officePackage) main() (name, kind string, err error) {
	if p.root, err = p.relations(""); err != nil {
		return "", "", err
	}
	name = related(p.root, "officeDocument")
	types, defaults := map[string]string{}, map[string]string{}
	err = p.walkXML(p.b, "[Content_Types].xml", mostHeld, func(x *xmlWalk) error {
		return x.child("Types", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "Override":
					types[partName(value(e, "PartName"))] = value(e, "ContentType")
				case "Default":
					defaults[strings.ToLower(value(e, "Extension"))] = value(e, "ContentType")
				}
				return nil
			})
		})
	})
	if err != nil {
		return "", "", err
	}
	if name == "" || !p.has(name) {
		return "", "", unreadable(p.mediaType, fmt.Errorf("the container's main part %q is missing", name))
	}
	if kind = types[name]; kind == "" {
		kind = defaults[strings.TrimPrefix(path.Ext(name), ".")]
	}
	return name, kind, nil
}

// title gives the title in the document's properties, or "" where a program put it there. Properties that can't be read
// are no reason to refuse a document.
func (p *officePackage) title() string {
	title := p.property(related(p.root, "core-properties"), "title")
	switch strings.ToLower(title) {
	case "powerpoint presentation", "powerpoint-präsentation", "présentation powerpoint", "presentación de powerpoint", "word document", "slide 1":
		return ""
	}
	if !sensibleTitle(title) {
		return ""
	}
	return title
}

// property gives the text of an element right below a part's outermost one, or "".
func (p *officePackage) property(name, local string) string {
	found := ""
	if name == "" || !p.has(name) {
		return ""
	}
	_ = p.walkXML(p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.each(func(xml.StartElement) error {
			return x.child(local, func(xml.StartElement) (err error) {
				found, err = x.text()
				return err
			})
		})
	})
	return strings.TrimSpace(found)
}
