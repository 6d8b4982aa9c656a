package parse

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	deepestXML = 256     // elements inside each other
	mostToken  = 4 << 20 // bytes of one tag or one run of text
	mostBlocks = 1 << 20 // paragraphs, lists and tables of a document
)

// xmlWalk reads a part of a container as a stream of elements. Names are taken without their prefixes. A document type
// declaration is refused, so there are no entities but XML's own; no entity is ever loaded from anywhere.
type xmlWalk struct {
	b       *builder
	decoder *xml.Decoder
	bounded *boundedToken
	lenient bool // a document type declaration is passed over, and HTML's entities are known
	depth   int
	held    int64 // bytes of text taken
}

// allowType passes over a document type declaration, as old books have it, and knows the entities that HTML has. Those
// that the declaration makes are still unknown.
func (x *xmlWalk) allowType() {
	x.lenient = true
	x.decoder.Entity = xml.HTMLEntity
}

// walkXML gives a part to visit, which sees the part's outermost element as the one child there is.
func (c *container) walkXML(b *builder, name string, most int64, visit func(x *xmlWalk) error) error {
	opened, err := c.open(name, most)
	if err != nil {
		return err
	}
	defer opened.Close()
	x := newXMLWalk(b, opened)
	if err := visit(x); err != nil {
		return c.damaged(fmt.Errorf("read part %q: %w", name, err))
	}
	return nil
}

func newXMLWalk(b *builder, r io.Reader) *xmlWalk {
	bounded := &boundedToken{r: transform.NewReader(r, unicode.BOMOverride(transform.Nop))}
	x := &xmlWalk{b: b, bounded: bounded, decoder: xml.NewDecoder(bufio.NewReaderSize(bounded, 32<<10))}
	x.decoder.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		if strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return input, nil // decoded already, by its byte order mark
		}
		return charset.NewReaderLabel(label, input)
	}
	return x
}

// each visits the children of the element it is called in. What a visit leaves of a child is skipped. The element that
// a visit gets is valid until it reads on.
func (x *xmlWalk) each(visit func(e xml.StartElement) error) error {
	inside := x.depth
	for {
		token, err := x.token()
		switch {
		case errors.Is(err, io.EOF) && inside == 0:
			return nil
		case err != nil:
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			if err := visit(e); err != nil {
				return err
			}
			if err := x.leave(inside); err != nil {
				return err
			}
		case xml.EndElement:
			if x.depth < inside {
				return nil
			}
		}
	}
}

// child visits the children of one kind, and skips the others.
func (x *xmlWalk) child(local string, visit func(e xml.StartElement) error) error {
	return x.each(func(e xml.StartElement) error {
		if e.Name.Local != local {
			return nil
		}
		return visit(e)
	})
}

// leave reads on to the end of what is deeper.
func (x *xmlWalk) leave(depth int) error {
	for x.depth > depth {
		if _, err := x.token(); err != nil {
			return err
		}
	}
	return nil
}

// text reads to the end of an element and gives the text in it.
func (x *xmlWalk) text() (string, error) {
	inside := x.depth
	var text strings.Builder
	for x.depth >= inside && inside > 0 {
		token, err := x.token()
		if err != nil {
			return "", err
		}
		if data, ok := token.(xml.CharData); ok {
			x.held += int64(len(data))
			text.Write(data)
		}
	}
	if x.b.maxText > 0 && x.held > x.b.maxText {
		return "", tooLarge("the document holds more than %d bytes of text; split it", x.b.maxText)
	}
	return text.String(), nil
}

// token gives what comes next, while the document is within its bounds.
func (x *xmlWalk) token() (xml.Token, error) {
	if x.b.full {
		_, err := x.b.end()
		return nil, err
	}
	if x.b.count > mostBlocks {
		return nil, tooLarge("the document has more than %d paragraphs, lists and tables; split it", mostBlocks)
	}
	x.bounded.read = 0
	token, err := x.decoder.RawToken()
	if err != nil {
		if errors.Is(err, io.EOF) && x.depth > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := token.(type) {
	case xml.StartElement:
		if x.depth++; x.depth > deepestXML {
			return nil, tooLarge("the document has more than %d elements inside each other; save it anew from the program that made it", deepestXML)
		}
	case xml.EndElement:
		if x.depth--; x.depth < 0 {
			return nil, fmt.Errorf("element %s ends and has no beginning", t.Name.Local)
		}
	case xml.Directive:
		if !x.lenient {
			return nil, errors.New("a document type declaration, which these formats forbid")
		}
	}
	return token, nil
}

// attr gives an attribute's value.
func attr(e xml.StartElement, local string) (string, bool) {
	for _, a := range e.Attr {
		if a.Name.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// value gives an attribute's value, or "".
func value(e xml.StartElement, local string) string {
	v, _ := attr(e, local)
	return v
}

// relationship gives the id by which an element names another part. It has a prefix; the element's own id has none.
func relationship(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

// on reads an attribute that switches something on: left out, it does.
func on(e xml.StartElement) bool {
	switch v, said := attr(e, "val"); v {
	case "0", "false", "off":
		return !said
	}
	return true
}

// boundedToken ends a stream in which one token has no end.
type boundedToken struct {
	r    io.Reader
	read int64 // since the token began
}

func (t *boundedToken) Read(into []byte) (int, error) {
	if t.read > mostToken {
		return 0, tooLarge("the document has a single text or tag of more than %d bytes; save it anew from the program that made it", mostToken)
	}
	n, err := t.r.Read(into)
	t.read += int64(n)
	return n, err
}
