package parse

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/redkite/redkite/internal/rag"
)

// markdownFormat reads Markdown with GitHub's tables. Markup is dropped and words are kept.
type markdownFormat struct{}

// Parse reads Markdown.
func (markdownFormat) Parse(ctx context.Context, original io.ReadSeeker, _ int64) (rag.Parsed, error) {
	raw, err := readAll(ctx, original)
	if err != nil {
		return rag.Parsed{}, err
	}
	decoded, err := decode(raw, TypeMarkdown)
	if err != nil {
		return rag.Parsed{}, err
	}
	title, source := frontMatter([]byte(strings.ReplaceAll(decoded, "\r\n", "\n")))
	m := markdown{source: source}
	root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	for node := root.FirstChild(); node != nil; node = node.NextSibling() {
		m.block(node)
	}
	return m.parsed(title), nil
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
	builder
	source []byte
}

func (m *markdown) block(node ast.Node) {
	switch n := node.(type) {
	case *ast.Heading:
		m.heading(n.Level, m.inline(n))
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		m.add(rag.BlockCode, m.lines(n))
	case *ast.List:
		m.add(rag.BlockList, m.list(n, ""))
	case *table.Table:
		m.add(rag.BlockTable, m.table(n))
	case *ast.Blockquote:
		for child := n.FirstChild(); child != nil; child = child.NextSibling() {
			m.block(child)
		}
	case *ast.HTMLBlock:
		m.add(rag.BlockParagraph, plainHTML(m.lines(n)))
	case *ast.ThematicBreak, *ast.LinkReferenceDefinition:
	default:
		m.add(rag.BlockParagraph, m.inline(n))
	}
}

// list writes a list with a dash an item, nested lists indented.
func (m *markdown) list(list *ast.List, indent string) string {
	var b strings.Builder
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		b.WriteString(indent + "- ")
		for child := item.FirstChild(); child != nil; child = child.NextSibling() {
			switch c := child.(type) {
			case *ast.List:
				b.WriteString(m.list(c, indent+"  "))
			case *ast.FencedCodeBlock, *ast.CodeBlock:
				b.WriteString(m.lines(c))
			default:
				b.WriteString(m.inline(c) + "\n")
			}
		}
	}
	return b.String()
}

// table writes a row a line, cells separated by bars.
func (m *markdown) table(t *table.Table) string {
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

func (m *markdown) lines(node ast.Node) string {
	var b strings.Builder
	for i := range node.Lines().Len() {
		line := node.Lines().At(i)
		b.Write(line.Value(m.source))
	}
	return b.String()
}

// inline gives the words inside a node.
func (m *markdown) inline(node ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(m.source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.URL(m.source))
		case *ast.RawHTML:
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}
