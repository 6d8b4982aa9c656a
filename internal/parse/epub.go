package parse

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redkite/redkite/internal/rag"
)

// epubFormat reads electronic books: chapters in the order of the book's spine, each as a web page without boilerplate.
type epubFormat struct{}

const (
	mostChapters = 10_000
	mostChapter  = 4 << 20 // bytes of a chapter, which is held as a tree
)

// Parse reads an EPUB of any version.
func (epubFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	c, err := openContainer(ctx, o)
	if err != nil {
		return err
	}
	if err := epubEncryption(c, b); err != nil {
		return err
	}
	root, err := epubRoot(c, b)
	if err != nil {
		return err
	}
	book, err := readEPUBPackage(c, b, root)
	if err != nil {
		return err
	}
	missing := 0
	for _, chapter := range book.spine {
		if !c.has(chapter) {
			missing++
			continue
		}
		if err := readChapter(c, b, chapter); err != nil {
			return err
		}
		if b.full {
			return nil
		}
		if b.count > mostBlocks {
			return tooLarge("the book has more than %d paragraphs, lists and tables; split it", mostBlocks)
		}
	}
	b.given = book.title
	if missing > 0 {
		b.warn(rag.WarnPartialText, "%d of %d chapters are missing in the file", missing, len(book.spine))
	}
	return nil
}

// epubEncryption refuses books whose text is encrypted. Fonts often are, in two ways that protect nothing else.
func epubEncryption(c *container, b *builder) error {
	const name = "META-INF/encryption.xml"
	if !c.has(name) {
		return nil
	}
	locked := false
	err := c.walkXML(b, name, mostHeld, func(x *xmlWalk) error {
		x.allowType()
		return x.each(func(xml.StartElement) error {
			return x.child("EncryptedData", func(xml.StartElement) error {
				return x.child("EncryptionMethod", func(e xml.StartElement) error {
					switch value(e, "Algorithm") {
					case "http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC":
					default:
						locked = true
					}
					return nil
				})
			})
		})
	})
	if err == nil && locked {
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "encrypted", Message: "the book is protected by digital rights management; upload a copy without it"}
	}
	return err
}

// epubRoot gives the name of the book's package document.
func epubRoot(c *container, b *builder) (string, error) {
	root := ""
	err := c.walkXML(b, "META-INF/container.xml", mostHeld, func(x *xmlWalk) error {
		x.allowType()
		return x.child("container", func(xml.StartElement) error {
			return x.child("rootfiles", func(xml.StartElement) error {
				return x.child("rootfile", func(e xml.StartElement) error {
					if root == "" {
						root = value(e, "full-path")
					}
					return nil
				})
			})
		})
	})
	if err == nil && root == "" {
		err = unreadable(c.mediaType, errors.New("the container names no package document"))
	}
	return root, err
}

type epubPackage struct {
	title string
	spine []string // part names of the chapters
}

// readEPUBPackage reads what a book says of itself.
func readEPUBPackage(c *container, b *builder, name string) (epubPackage, error) {
	var book epubPackage
	type item struct{ part, mediaType, properties string }
	items := map[string]item{}
	err := c.walkXML(b, name, mostHeld, func(x *xmlWalk) error {
		x.allowType()
		return x.child("package", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "metadata":
					return book.metadata(x)
				case "manifest":
					return x.child("item", func(e xml.StartElement) error {
						items[value(e, "id")] = item{resolve(name, unescapePath(value(e, "href"))), value(e, "media-type"), value(e, "properties")}
						return nil
					})
				case "spine":
					return x.child("itemref", func(e xml.StartElement) error {
						i := items[value(e, "idref")]
						if i.part == "" || strings.Contains(" "+i.properties+" ", " nav ") || !strings.Contains(i.mediaType, "html") {
							return nil
						}
						if book.spine = append(book.spine, i.part); len(book.spine) > mostChapters {
							return tooLarge("the book has more than %d chapters; split it", mostChapters)
						}
						return nil
					})
				}
				return nil
			})
		})
	})
	return book, err
}

func (p *epubPackage) metadata(x *xmlWalk) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "title":
			title, err := x.text()
			if p.title == "" {
				p.title = title
			}
			return err
		case "dc-metadata": // of the format's first version
			return p.metadata(x)
		}
		return nil
	})
}

// unescapePath gives the path of a reference inside the book.
func unescapePath(reference string) string {
	reference, _, _ = strings.Cut(reference, "#")
	if path, err := url.PathUnescape(reference); err == nil {
		return path
	}
	return reference
}

// emptyElement is an element that XML closes where it opens it. HTML knows that of few, and would take what follows for
// its content.
var emptyElement = regexp.MustCompile(`<([A-Za-z][A-Za-z0-9:]*)((?:\s+[^<>"']*(?:"[^"]*"|'[^']*')?)*\s*)/>`)

// readChapter reads a part of the book as a web page. A section goes on in the next part until a heading ends it.
func readChapter(c *container, b *builder, name string) error {
	raw, err := c.read(name, mostChapter)
	if err != nil {
		return err
	}
	text, err := decode(raw, TypeEPUB, b)
	if err != nil {
		return err
	}
	page, err := html.Parse(bytes.NewReader(emptyElement.ReplaceAll([]byte(text), []byte("<$1$2></$1>"))))
	if err != nil {
		return unreadable(TypeEPUB, fmt.Errorf("chapter %q: %w", name, err))
	}
	prepare(page)
	dropAnnotations(page)
	w := htmlWalk{builder: b}
	if body := first(page, atom.Body); body != nil {
		w.children(body)
		w.flush()
	}
	return c.ctx.Err()
}

// dropAnnotations takes off the sources that formulas carry with them: their text would come twice.
func dropAnnotations(page *html.Node) {
	var sources []*html.Node
	for d := range page.Descendants() {
		if d.Data == "annotation" || d.Data == "annotation-xml" {
			sources = append(sources, d)
		}
	}
	for _, n := range sources {
		if n.Parent != nil {
			n.Parent.RemoveChild(n)
		}
	}
}
