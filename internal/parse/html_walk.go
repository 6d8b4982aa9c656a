package parse

import (
	"fmt"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redkite/redkite/internal/rag"
)

// htmlWalk turns elements into blocks. Text between block elements gathers in loose until the next one.
type htmlWalk struct {
	*builder
	loose       strings.Builder
	boilerplate bool                // navigation and footers are wanted, too
	keep        map[*html.Node]bool // the block elements that are wanted; nil for all
}

// walked gives the blocks inside an element, which may be nil.
func walked(n *html.Node, boilerplate bool) *builder {
	w := htmlWalk{builder: &builder{}, boilerplate: boilerplate}
	if n != nil {
		w.children(n)
		w.flush()
	}
	return w.builder
}

func (w *htmlWalk) flush() {
	w.add(rag.BlockParagraph, fold(w.loose.String()))
	w.loose.Reset()
}

func (w *htmlWalk) children(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c)
	}
}

func (w *htmlWalk) node(n *html.Node) {
	switch {
	case n.Type == html.TextNode:
		w.loose.WriteString(n.Data)
		return
	case n.Type != html.ElementNode || hidden(n) || !w.wanted(n):
		return
	case level(n) > 0:
		w.flush()
		w.heading(level(n), textOf(n))
		return
	}
	switch n.DataAtom {
	case atom.Head:
	case atom.Br:
		w.loose.WriteByte(' ')
	case atom.Pre:
		w.block(rag.BlockCode, rawText(n))
	case atom.Ul, atom.Ol, atom.Menu:
		if holds(n, atom.Pre, atom.Table) {
			w.container(n)
			return
		}
		w.block(rag.BlockList, listText(n, ""))
	case atom.Table:
		if holds(n, atom.Pre, atom.Table) { // a table that only places things
			w.container(n)
			return
		}
		w.block(rag.BlockTable, tableText(n))
	default:
		if inline(n) {
			w.children(n)
			return
		}
		w.container(n)
	}
}

func (w *htmlWalk) wanted(n *html.Node) bool {
	if w.keep != nil {
		return w.keep[n] || inline(n)
	}
	return w.boilerplate || !isBoilerplate(n)
}

func (w *htmlWalk) block(kind rag.BlockKind, text string) {
	w.flush()
	w.add(kind, text)
}

func (w *htmlWalk) container(n *html.Node) {
	w.flush()
	w.children(n)
	w.flush()
}

func isBoilerplate(n *html.Node) bool {
	switch role := attribute(n, "role"); role {
	case "navigation", "contentinfo", "search", "banner":
		return true
	}
	return n.DataAtom == atom.Nav || n.DataAtom == atom.Footer
}

// inline reports whether an element stands within a line of text. Elements that HTML doesn't know do.
func inline(n *html.Node) bool {
	switch n.DataAtom {
	case atom.P, atom.Div, atom.Section, atom.Article, atom.Main, atom.Header, atom.Footer, atom.Nav, atom.Aside, atom.Blockquote,
		atom.Figure, atom.Figcaption, atom.Dl, atom.Dt, atom.Dd, atom.Details, atom.Summary, atom.Form, atom.Fieldset, atom.Legend,
		atom.Address, atom.Html, atom.Body, atom.Hgroup, atom.Hr, atom.Li, atom.Thead, atom.Tbody, atom.Tfoot, atom.Tr, atom.Td,
		atom.Th, atom.Caption, atom.Center, atom.Dialog, atom.Ul, atom.Ol, atom.Menu, atom.Table, atom.Pre:
		return false
	}
	return level(n) == 0
}

// holds reports whether an element has a heading or one of the kinds inside.
func holds(n *html.Node, kinds ...atom.Atom) bool {
	for d := range n.Descendants() {
		if level(d) > 0 {
			return true
		}
		for _, kind := range kinds {
			if d.DataAtom == kind {
				return true
			}
		}
	}
	return false
}

// listText writes an item a line behind its dash or number, nested lists indented.
func listText(list *html.Node, indent string) string {
	var b strings.Builder
	number := 0
	for item := list.FirstChild; item != nil; item = item.NextSibling {
		if isList(item) {
			b.WriteString(listText(item, indent+"  "))
			continue
		}
		var own, nested strings.Builder
		splitItem(item, indent, &own, &nested)
		text := fold(own.String())
		if text != "" {
			marker := "-"
			if list.DataAtom == atom.Ol {
				number++
				marker = fmt.Sprintf("%d.", number)
			}
			b.WriteString(indent + marker + " " + text + "\n")
		}
		b.WriteString(nested.String())
	}
	return b.String()
}

// splitItem parts an item's own words from the lists inside it.
func splitItem(n *html.Node, indent string, own, nested *strings.Builder) {
	if n.Type == html.TextNode {
		own.WriteString(n.Data)
		return
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case isList(c):
			nested.WriteString(listText(c, indent+"  "))
		default:
			if !inline(c) || c.DataAtom == atom.Br {
				own.WriteByte(' ')
			}
			splitItem(c, indent, own, nested)
			if !inline(c) {
				own.WriteByte(' ')
			}
		}
	}
}

func isList(n *html.Node) bool {
	return n.DataAtom == atom.Ul || n.DataAtom == atom.Ol || n.DataAtom == atom.Menu
}

// tableText writes a row a line, cells separated by bars.
func tableText(table *html.Node) string {
	var b strings.Builder
	for d := range table.Descendants() {
		switch d.DataAtom {
		case atom.Caption:
			b.WriteString(textOf(d) + "\n")
		case atom.Tr:
			var cells []string
			for cell := d.FirstChild; cell != nil; cell = cell.NextSibling {
				if cell.DataAtom == atom.Td || cell.DataAtom == atom.Th {
					cells = append(cells, textOf(cell))
				}
			}
			b.WriteString(strings.Join(cells, " | ") + "\n")
		}
	}
	return b.String()
}

// textOf gives the words of an element, which may be nil, on one line.
func textOf(n *html.Node) string { return fold(rawText(n)) }

// rawText gives the text of a node as it is written.
func rawText(n *html.Node) string {
	if n == nil {
		return ""
	}
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode && d.Parent.DataAtom != atom.Script && d.Parent.DataAtom != atom.Style:
			b.WriteString(d.Data)
		case d.DataAtom == atom.Br, d.Type == html.ElementNode && !inline(d):
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// fold makes every run of blanks one space.
func fold(text string) string { return strings.Join(strings.Fields(text), " ") }
