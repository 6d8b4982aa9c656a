package parse

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	gfm "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/net/html"

	"github.com/redkite/redkite/internal/rag"
)

// markdownFormat reads Markdown as GitHub writes it. Markup is dropped and words are kept.
type markdownFormat struct{}

// Parse reads Markdown. What would cost its reader time or memory out of all proportion is read as plain text.
func (markdownFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	if o.Size > mostMarkup {
		return plainInstead(ctx, o, b, "Markdown")
	}
	raw, err := readMost(ctx, o, mostMarkup)
	if err != nil {
		return err
	}
	decoded, err := decode(raw, TypeMarkdown, b)
	if err != nil {
		return err
	}
	title, source := frontMatter([]byte(newlines(decoded)))
	b.given = title
	if why := hostileMarkdown(source); why != "" {
		b.warn(rag.WarnReadAsPlainText, "%s: the file was read as plain text", why)
		plainText(string(source), b)
		return nil
	}
	m := markdown{builder: b, source: source}
	m.blocks(goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source)))
	return nil
}

// frontMatter takes a YAML head off and gives its title.
func frontMatter(source []byte) (title string, rest []byte) {
	body, ok := bytes.CutPrefix(source, []byte("---\n"))
	if !ok {
		return "", source
	}
	head, rest, ok := bytes.Cut(body, []byte("\n---\n"))
	if !ok {
		return "", source
	}
	for line := range strings.SplitSeq(string(head), "\n") {
		if value, ok := strings.CutPrefix(line, "title:"); ok {
			title = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return title, rest
}

type markdown struct {
	*builder
	source []byte
}

func (m markdown) blocks(parent ast.Node) {
	for node := parent.FirstChild(); node != nil; node = node.NextSibling() {
		m.block(node)
	}
}

func (m markdown) block(node ast.Node) {
	switch n := node.(type) {
	case *ast.Heading:
		m.heading(n.Level, m.inline(n))
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		m.add(rag.BlockCode, m.lines(n))
	case *ast.List:
		m.add(rag.BlockList, m.list(n, ""))
	case *gfm.Table:
		m.add(rag.BlockTable, m.table(n))
	case *ast.Blockquote:
		m.blocks(n)
	case *ast.HTMLBlock:
		m.html(n)
	case *ast.ThematicBreak, *ast.LinkReferenceDefinition:
	default:
		m.add(rag.BlockParagraph, m.inline(n))
	}
}

// html reads a piece of HTML as a page without boilerplate.
func (m markdown) html(n *ast.HTMLBlock) {
	fragment := m.lines(n)
	if n.HasClosure() {
		fragment += string(n.ClosureLine.Value(m.source))
	}
	page, err := html.Parse(strings.NewReader(fragment))
	if err != nil { // nested too deep
		m.add(rag.BlockParagraph, fragment)
		return
	}
	w := htmlWalk{builder: m.builder, boilerplate: true}
	w.children(page)
	w.flush()
}

// list writes an item a line behind its dash or number, what else is in it indented below.
func (m markdown) list(list *ast.List, indent string) string {
	var b strings.Builder
	number := list.Start
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		marker := "- "
		if list.IsOrdered() {
			marker = fmt.Sprintf("%d. ", number)
			number++
		}
		for child := item.FirstChild(); child != nil; child = child.NextSibling() {
			if nested, ok := child.(*ast.List); ok {
				b.WriteString(m.list(nested, indent+"  "))
				continue
			}
			b.WriteString(indent + marker + strings.TrimRight(m.text(child), "\n") + "\n")
			marker = strings.Repeat(" ", len(marker))
		}
	}
	return b.String()
}

// text gives a block's text as it stands inside an item.
func (m markdown) text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.FencedCodeBlock, *ast.CodeBlock, *ast.HTMLBlock:
		return m.lines(n)
	case *gfm.Table:
		return m.table(n)
	}
	return m.inline(node)
}

// table writes a row a line, cells separated by bars.
func (m markdown) table(t *gfm.Table) string {
	var b strings.Builder
	for row := t.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			cells = append(cells, m.inline(cell))
		}
		b.WriteString(strings.Join(cells, " | ") + "\n")
	}
	return b.String()
}

func (m markdown) lines(node ast.Node) string {
	var b strings.Builder
	for i := range node.Lines().Len() {
		line := node.Lines().At(i)
		b.Write(line.Value(m.source))
	}
	return b.String()
}

// inline gives the words inside a node, a line for each block in it.
func (m markdown) inline(node ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && b.Len() > 0 {
			b.WriteByte('\n')
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(unescape(n, m.source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(m.source))
		case *gfm.TaskCheckBox:
			b.WriteString(map[bool]string{true: "[x] ", false: "[ ] "}[n.IsChecked])
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			b.WriteString(m.lines(n))
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

// unescape gives the characters that backslashes and entities stand for.
func unescape(n *ast.Text, source []byte) []byte {
	value := n.Segment.Value(source)
	if n.IsRaw() || !bytes.ContainsAny(value, `\&`) {
		return value
	}
	return util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(value)))
}
