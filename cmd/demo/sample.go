package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-pdf/fpdf"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// makeSample writes the project's own documentation into dir in three formats: the first third of the pages stay
// Markdown, the second become HTML, the rest one PDF. It gives the number of files.
func makeSample(docs, dir string) (int, error) {
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil || len(pages) == 0 {
		return 0, fmt.Errorf("no Markdown pages in %s; run the demo in redkite's folder, or name a folder: make demo DOCS=folder", docs)
	}
	var forPDF []string
	files := 0
	for i, page := range pages {
		source, err := os.ReadFile(page)
		if err != nil {
			return 0, err
		}
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		switch i % 3 {
		case 0:
			err = os.WriteFile(filepath.Join(dir, name+".md"), source, 0o644)
			files++
		case 1:
			err = writeHTML(filepath.Join(dir, name+".html"), name, source)
			files++
		default:
			forPDF = append(forPDF, page)
		}
		if err != nil {
			return 0, err
		}
	}
	if len(forPDF) == 0 {
		return files, nil
	}
	return files + 1, writePDF(filepath.Join(dir, "redkite-handbook.pdf"), forPDF)
}

func writeHTML(path, title string, source []byte) error {
	var body bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(source, &body); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	page := fmt.Sprintf("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>redkite: %s</title></head>"+
		"<body><nav><a href=\"/\">Home</a> <a href=\"/docs\">Docs</a></nav><main><article>%s</article></main></body></html>", title, body.String())
	return os.WriteFile(path, []byte(page), 0o644)
}

// writePDF prints pages of Markdown as one PDF, each from a new page on.
func writePDF(path string, pages []string) error {
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetTitle("redkite handbook", true)
	latin := doc.UnicodeTranslatorFromDescriptor("") // the built-in fonts know Windows-1252 only
	for _, page := range pages {
		source, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		doc.AddPage()
		root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
		for node := root.FirstChild(); node != nil; node = node.NextSibling() {
			size, style := 10.0, ""
			if heading, ok := node.(*ast.Heading); ok {
				size, style = 18-2*float64(heading.Level), "B"
			}
			doc.SetFont("Helvetica", style, size)
			doc.MultiCell(0, size/2, latin(plain(node, source)), "", "L", false)
			doc.Ln(size / 4)
		}
	}
	if err := doc.OutputFileAndClose(path); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return nil
}

// plain gives a block's text: its lines where it has some, else those of its children.
func plain(node ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock && b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
				b.WriteString("\n")
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteString(" ")
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				b.Write(line.Value(source))
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}
