package parse

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redkite/redkite/internal/rag"
)

// htmlFormat reads web pages: the main content, without navigation and other boilerplate.
type htmlFormat struct{}

const (
	// leastOfMain is the part of what a page itself declares to be its main content that must be found to be trusted.
	leastOfMain = 0.6
	// leastOfPage is the same of all of a page's text, where it declares nothing.
	leastOfPage = 0.2
	// mostLinked is the part of a plain page's text, one in so many, that links may be.
	mostLinked = 10
)

// Parse reads HTML. Elements nested more than 512 deep are refused by the HTML parser.
func (htmlFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	raw, err := readMost(ctx, o, mostMarkup)
	if err != nil {
		return err
	}
	text, err := decode(raw, TypeHTML, b)
	if err != nil {
		return err
	}
	page, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return unreadable(TypeHTML, err)
	}
	top := textOf(first(page, atom.H1))
	b.given = titleOf(textOf(first(page, atom.Title)), top)
	prepare(page)
	b.take(mainContent(page, top))
	return nil
}

// titleOf prefers the first heading to a title that only adds the site's name to it.
func titleOf(title, top string) string {
	if utf8.RuneCountInString(top) > 3 && strings.Contains(title, top) {
		return top
	}
	return title
}

// mainContent tries what the library finds, what the page declares, the page without its boilerplate, and all of it.
func mainContent(page *html.Node, top string) *builder {
	all := walked(first(page, atom.Body), false)
	declared := walked(declaredMain(page), false)
	found := extracted(page, top)
	switch {
	case declared.text.Len() > 0 && float64(found.text.Len()) >= leastOfMain*float64(declared.text.Len()):
		return found
	case declared.text.Len() > 0:
		return declared
	case plain(page):
		return all
	case float64(found.text.Len()) >= leastOfPage*float64(all.text.Len()) && found.text.Len() > 0:
		return found
	case all.text.Len() > 0:
		return all
	}
	return walked(page, true)
}

// plain reports whether a page has nothing around its text: no element that says so, and few links. Programs that write
// documents as web pages make such pages.
func plain(page *html.Node) bool {
	text, linked := 0, 0
	for d := range page.Descendants() {
		switch {
		case d.DataAtom == atom.Nav || d.DataAtom == atom.Footer || d.DataAtom == atom.Aside || d.DataAtom == atom.Form:
			return false
		case d.DataAtom == atom.A:
			linked += len(textOf(d))
		case d.Type == html.TextNode && d.Parent.DataAtom != atom.Title:
			text += len(strings.TrimSpace(d.Data))
		}
	}
	return linked < text/mostLinked
}

// extracted gives the main content as go-readability finds it. The library only says which elements to keep: it rebuilds
// the page, and tables, levels and the blanks between words would not survive that.
func extracted(page *html.Node, top string) *builder {
	parser := readability.NewParser()
	parser.DisableJSONLD = true
	elements := number(page)
	article, err := parser.ParseDocument(page, nil)
	if err != nil || article.Node == nil {
		return &builder{}
	}
	w := htmlWalk{builder: &builder{}, keep: kept(article.Node, elements)}
	if title := first(page, atom.H1); title != nil && !w.keep[title] { // taken for the title, and dropped
		w.heading(1, top)
	}
	w.children(first(page, atom.Body))
	w.flush()
	return w.builder
}

// numberPrefix begins the attribute that numbers an element. The number is in the attribute's name because the library
// puts the attributes of two elements together where it makes one of them.
const numberPrefix = "data-redkite-"

// number marks every element with its place in the list.
func number(page *html.Node) []*html.Node {
	var elements []*html.Node
	for d := range page.Descendants() {
		if d.Type == html.ElementNode {
			d.Attr = append(d.Attr, html.Attribute{Key: numberPrefix + strconv.Itoa(len(elements))})
			elements = append(elements, d)
		}
	}
	return elements
}

// kept gives the elements that are numbered in article, and those around them.
func kept(article *html.Node, elements []*html.Node) map[*html.Node]bool {
	keep := map[*html.Node]bool{}
	for d := range article.Descendants() {
		for _, a := range d.Attr {
			digits, ours := strings.CutPrefix(a.Key, numberPrefix)
			i, err := strconv.Atoi(digits)
			if !ours || err != nil || i < 0 || i >= len(elements) {
				continue
			}
			for n := elements[i]; n != nil && !keep[n]; n = n.Parent {
				keep[n] = true
			}
		}
	}
	return keep
}

// declaredMain gives the element that the page marks as its main content, or nil where none or more than one is.
func declaredMain(page *html.Node) *html.Node {
	var mains, articles []*html.Node
	for d := range page.Descendants() {
		switch {
		case d.DataAtom == atom.Main || attribute(d, "role") == "main":
			mains = append(mains, d)
		case d.DataAtom == atom.Article:
			articles = append(articles, d)
		}
	}
	switch {
	case len(mains) == 1:
		return mains[0]
	case len(mains) == 0 && len(articles) == 1:
		return articles[0]
	}
	return nil
}

// prepare takes off what a reader of the page would not see.
func prepare(page *html.Node) {
	var unseen []*html.Node
	for d := range page.Descendants() {
		if d.Type == html.CommentNode || hidden(d) {
			unseen = append(unseen, d)
		}
	}
	for _, n := range unseen {
		if n.Parent != nil {
			n.Parent.RemoveChild(n)
		}
	}
}

// hidden reports whether a reader would not see the element.
func hidden(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Iframe, atom.Svg, atom.Object, atom.Canvas,
		atom.Button, atom.Select, atom.Textarea, atom.Datalist:
		return true
	}
	for _, a := range n.Attr {
		style := strings.ReplaceAll(strings.ToLower(a.Val), " ", "")
		if a.Key == "hidden" || a.Key == "aria-hidden" && a.Val == "true" ||
			a.Key == "style" && (strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")) {
			return true
		}
	}
	return false
}

// level gives a heading's level, 0 for any other element.
func level(n *html.Node) int {
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return int(n.Data[1] - '0')
	}
	return 0
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
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
