package parse

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// sourceFormat reads source code: a section for each symbol at the top of the file, with the comment above it. The name's
// ending tells the language. Where no symbol is found, code is cut at empty lines that no indented line follows.
type sourceFormat struct{}

const (
	mostParsedGo = 4 << 20 // bytes of a Go file that Go's own parser reads
	mostCode     = 1 << 20 // bytes of a block
)

// Parse reads source code.
func (sourceFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	if o.Size > mostMarkup {
		return plainInstead(ctx, o, b, "source code")
	}
	text, err := readDecoded(ctx, o, b)
	if err != nil {
		return err
	}
	lines := strings.Split(text, "\n")
	if name := filepath.Base(o.Name); o.Name != "" {
		b.given = name
		b.openSection(1, name)
	}
	file := b.path
	extension := strings.ToLower(filepath.Ext(o.Name))
	symbols := goSymbols(text, extension)
	if symbols == nil {
		symbols = foundSymbols(lines, languageOf(extension, lines[0]))
	}
	from := 0
	for _, s := range append(symbols, symbol{line: len(lines)}) {
		if ctx.Err() != nil || b.full {
			return ctx.Err()
		}
		addCode(b, lines[from:s.line], len(b.path) > len(file))
		b.path = file
		if s.name != "" {
			b.heading(len(file)+1, s.name)
		}
		from = s.line
	}
	b.title = ""
	return nil
}

// symbol is where a part of a file begins: a symbol with its comment or, with an empty name, code that belongs to none.
type symbol struct {
	line int // from 0
	name string
}

// addCode adds lines: as they are inside a symbol, else in blocks.
func addCode(b *builder, lines []string, whole bool) {
	from, size := 0, 0
	for i, line := range lines {
		apart := !whole && i > 0 && strings.TrimSpace(lines[i-1]) == "" && line != "" && line[0] != ' ' && line[0] != '\t'
		if apart || size > mostCode {
			b.add(rag.BlockCode, strings.Join(lines[from:i], "\n"))
			from, size = i, 0
		}
		size += len(line) + 1
	}
	b.add(rag.BlockCode, strings.Join(lines[from:], "\n"))
}

// goSymbols asks Go's own parser; nil where it can't read the file.
func goSymbols(text, extension string) []symbol {
	if extension != ".go" || len(text) > mostParsedGo {
		return nil
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	var out []symbol
	for _, declaration := range parsed.Decls {
		name, doc := goName(declaration)
		at := declaration.Pos()
		if doc != nil {
			at = doc.Pos()
		}
		line := files.PositionFor(at, false).Line - 1
		if n := len(out); n == 0 || out[n-1].line < line {
			out = append(out, symbol{line, name})
		}
	}
	return out
}

// goName names what is declared, and gives its comment.
func goName(declaration ast.Decl) (string, *ast.CommentGroup) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && len(d.Recv.List) > 0 {
			return receiver(d.Recv.List[0].Type) + "." + d.Name.Name, d.Doc
		}
		return d.Name.Name, d.Doc
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return "", d.Doc
		}
		var names []string
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
		if len(names) > 3 {
			names = append(names[:3], "…")
		}
		return strings.Join(names, ", "), d.Doc
	}
	return "", nil
}

func receiver(e ast.Expr) string {
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.IndexListExpr:
			e = t.X
		case *ast.ParenExpr:
			e = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}
