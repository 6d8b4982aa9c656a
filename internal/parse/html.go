package parse

import (
	"context"
	"io"
	"strings"

	"github.com/markusmobius/go-trafilatura"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"github.com/redkite/redkite/internal/rag"
)

// htmlFormat reads web pages: the main content as go-trafilatura finds it, without navigation and other boilerplate. A
// page in which it finds less than a fifth of the body's text is taken whole.
type htmlFormat struct{}

// leastShare is the part of a page's text that the main content must hold to be trusted.
const leastShare = 0.2

// Parse reads HTML.
func (htmlFormat) Parse(ctx context.Context, original io.ReadSeeker, _ int64) (rag.Parsed, error) {
	decoded, err := charset.NewReader(original, "")
	if err != nil {
		return rag.Parsed{}, unreadable(TypeHTML, err)
	}
	page, err := html.Parse(decoded)
	if err != nil {
		return rag.Parsed{}, unreadable(TypeHTML, err)
	}
	if err := ctx.Err(); err != nil {
		return rag.Parsed{}, err
	}
	title := textOf(first(page, atom.Title))
	whole := first(page, atom.Body)
	var all htmlWalk
	all.children(whole)
	extracted, err := trafilatura.ExtractDocument(page, trafilatura.Options{
		ExcludeComments: true, EnableFallback: false, HtmlDateMode: trafilatura.Disabled, Focus: trafilatura.FavorRecall,
	})
	if err != nil || extracted == nil || extracted.ContentNode == nil {
		return all.finish(title), nil
	}
	var main htmlWalk
	main.children(extracted.ContentNode)
	if float64(main.text.Len()) < leastShare*float64(all.text.Len()) {
		return all.finish(title), nil
	}
	return main.finish(title), nil
}

// htmlWalk turns elements into blocks. Text between block elements gathers in loose until the next one.
type htmlWalk struct {
	builder
	loose strings.Builder
}

func (w *htmlWalk) finish(title string) rag.Parsed {
	w.flush()
	return w.parsed(title)
}

func (w *htmlWalk) flush() {
	w.add(rag.BlockParagraph, fold(w.loose.String()))
	w.loose.Reset()
}

func (w *htmlWalk) children(n *html.Node) {
	if n == nil {
		return
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c)
	}
}

func (w *htmlWalk) node(n *html.Node) {
	if n.Type == html.TextNode {
		w.loose.WriteString(n.Data)
		return
	}
	if n.Type != html.ElementNode || hidden(n) {
		return
	}
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Head, atom.Iframe, atom.Svg, atom.Nav, atom.Footer:
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.flush()
		w.heading(int(n.Data[1]-'0'), textOf(n))
	case atom.Pre:
		w.flush()
		w.add(rag.BlockCode, rawText(n))
	case atom.Ul, atom.Ol:
		w.flush()
		w.add(rag.BlockList, listText(n, ""))
	case atom.Table:
		w.flush()
		w.add(rag.BlockTable, tableText(n))
	case atom.Br:
		w.loose.WriteByte(' ')
	case atom.P, atom.Div, atom.Section, atom.Article, atom.Main, atom.Header, atom.Aside, atom.Blockquote, atom.Figure,
		atom.Figcaption, atom.Dl, atom.Dt, atom.Dd, atom.Details, atom.Summary, atom.Form, atom.Fieldset, atom.Address, atom.Body:
		w.flush()
		w.children(n)
		w.flush()
	default:
		w.children(n)
	}
}

// hidden reports whether a reader would not see the element.
func hidden(n *html.Node) bool {
	for _, a := range n.Attr {
		style := strings.ReplaceAll(strings.ToLower(a.Val), " ", "")
		if a.Key == "hidden" || a.Key == "aria-hidden" && a.Val == "true" ||
			a.Key == "style" && (strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")) {
			return true
		}
	}
	return false
}

func listText(list *html.Node, indent string) string {
	var b strings.Builder
	for item := list.FirstChild; item != nil; item = item.NextSibling {
		if item.DataAtom != atom.Li {
			continue
		}
		var own, nested strings.Builder
		for c := item.FirstChild; c != nil; c = c.NextSibling {
			if c.DataAtom == atom.Ul || c.DataAtom == atom.Ol {
				nested.WriteString(listText(c, indent+"  "))
			} else {
				own.WriteString(rawText(c))
			}
		}
		b.WriteString(indent + "- " + fold(own.String()) + "\n" + nested.String())
	}
	return b.String()
}

func tableText(table *html.Node) string {
	var b strings.Builder
	for row := range table.Descendants() {
		if row.DataAtom != atom.Tr {
			continue
		}
		var cells []string
		for cell := row.FirstChild; cell != nil; cell = cell.NextSibling {
			if cell.DataAtom == atom.Td || cell.DataAtom == atom.Th {
				cells = append(cells, textOf(cell))
			}
		}
		b.WriteString(strings.Join(cells, " | ") + "\n")
	}
	return b.String()
}

// first gives the first element of a kind, or nil.
func first(n *html.Node, kind atom.Atom) *html.Node {
	for d := range n.Descendants() {
		if d.DataAtom == kind {
			return d
		}
	}
	return nil
}

// textOf gives the words of an element on one line.
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
		case d.Type == html.TextNode && (d.Parent.DataAtom == atom.Script || d.Parent.DataAtom == atom.Style):
		case d.Type == html.TextNode:
			b.WriteString(d.Data)
		case d.DataAtom == atom.Br, d.DataAtom == atom.P, d.DataAtom == atom.Div:
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// plainHTML gives the words of a fragment.
func plainHTML(fragment string) string {
	node, err := html.Parse(strings.NewReader(fragment))
	if err != nil {
		return ""
	}
	return textOf(node)
}

// fold makes every run of blanks one space.
func fold(text string) string { return strings.Join(strings.Fields(text), " ") }
