package parse

import (
	"context"
	"encoding/csv"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/redkite/redkite/internal/rag"
)

// rstFormat reads reStructuredText: sections, paragraphs, lists, literal blocks, tables and the bodies of directives.
// Substitutions are not filled in, and no file is included.
type rstFormat struct{}

// deepestRST is how deep directives and quotes are followed.
const deepestRST = 10

// Parse reads reStructuredText.
func (rstFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	if o.Size > mostMarkup {
		return plainInstead(ctx, o, b, "reStructuredText")
	}
	whole, err := readDecoded(ctx, o, b)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(whole, "\t", "        ")
	newRST(b).body(strings.Split(text, "\n"), 0)
	return nil
}

// rst is a document being read.
type rst struct {
	b         *builder
	styles    []string // of section titles, in the order they came up
	directive *regexp.Regexp
	item      *regexp.Regexp
	inline    *regexp.Regexp
}

func newRST(b *builder) *rst {
	return &rst{
		b:         b,
		directive: regexp.MustCompile(`^\.\. +(?:\|[^|]+\| +)?([A-Za-z][\w:+.-]*?):: *(.*)$`),
		item:      regexp.MustCompile(`^([-*+•]|\(?(?:\d+|#|[A-Za-z]|[ivxlcIVXLC]+)[.)]) +\S`),
		inline: regexp.MustCompile(strings.Join([]string{
			"(?::[\\w:+.-]+:)?`~?([^`<]+?) *<[^`>]*>`(?:__?)?", // a link, a role
			"``(.+?)``",
			"(?::[\\w:+.-]+:)`[~!]?([^`]+)`",
			"`([^`]+)`(?:__?)?",
			`\*\*([^*\s](?:[^*]*[^*\s])?)\*\*`,
			`\*([^*\s](?:[^*]*[^*\s])?)\*`,
			`\b([A-Za-z0-9]+)__?(\s|[.,;:!?)]|$)`, // a name that is a link
			`\\(\S)`,
		}, "|")),
	}
}

// mostMarkupNested is how many bytes of a piece of text have their markup taken off; more is no text that someone wrote.
const mostMarkupNested = 1 << 20

// plain takes the markup off, once: what stood in it is not looked at again.
func (r *rst) plain(text string) string {
	if len(text) > mostMarkupNested || !strings.ContainsAny(text, "*`_\\") {
		return text
	}
	return r.inline.ReplaceAllString(text, "$1$2$3$4$5$6$7$8$9")
}

// body reads lines that stand at the left margin, and what is indented below them.
func (r *rst) body(lines []string, depth int) {
	for len(lines) > 0 && !r.b.full {
		lines = lines[r.element(lines, depth):]
	}
}

// element reads what begins at the first line, and gives how many lines it has.
func (r *rst) element(lines []string, depth int) int {
	line := strings.TrimRight(lines[0], " ")
	next := func(i int) string {
		if i < len(lines) {
			return strings.TrimRight(lines[i], " ")
		}
		return ""
	}
	switch {
	case line == "":
		return 1
	case line[0] == ' ':
		return r.indented(lines, depth)
	case adorns(line) && next(1) != "" && next(2) == line:
		r.title(line[:1]+"over", strings.TrimSpace(next(1)))
		return 3
	case (isGridBorder(line) || isSimpleBorder(line) && next(1) != "") && strings.Count(line, "+")+strings.Count(line, " =") <= mostDrawnColumns:
		n := run(lines, func(l string) bool { return strings.TrimSpace(l) != "" })
		if line[0] == '+' {
			r.b.add(rag.BlockTable, r.table(gridRows(lines[:n])))
			return n
		}
		n = simpleLength(lines)
		r.b.add(rag.BlockTable, r.table(simpleRows(lines[:n])))
		return n
	case adorns(line) && len(line) >= 4 && next(1) == "":
		return 1 // a line across
	case adorns(next(1)) && len([]rune(next(1))) >= min(len([]rune(line)), 4) && !r.item.MatchString(line):
		r.title(next(1)[:1], line)
		return 2
	case strings.HasPrefix(line, ".. ") || line == "..":
		return r.explicit(lines, depth)
	case r.item.MatchString(line):
		n := 1 + run(lines[1:], func(l string) bool { return l == "" || l[0] == ' ' || r.item.MatchString(l) })
		r.list(lines[:n])
		return n
	}
	return r.paragraph(lines)
}

// run counts the first lines that fit.
func run(lines []string, fits func(string) bool) int {
	n := slices.IndexFunc(lines, func(l string) bool { return !fits(l) })
	if n < 0 {
		return len(lines)
	}
	return n
}

// adorns reports whether a line is one punctuation mark again and again.
func adorns(line string) bool {
	return len(line) >= 2 && line[0] < 0x80 && unicode.In(rune(line[0]), unicode.P, unicode.S) && strings.Trim(line, line[:1]) == ""
}

func (r *rst) title(style, text string) {
	if !slices.Contains(r.styles, style) {
		r.styles = append(r.styles, style)
	}
	r.b.heading(slices.Index(r.styles, style)+1, r.plain(text))
}

// below counts the lines that are indented, with the empty ones between them.
func below(lines []string) int {
	n := run(lines, func(l string) bool { return strings.TrimSpace(l) == "" || l[0] == ' ' })
	for n > 0 && strings.TrimSpace(lines[n-1]) == "" {
		n--
	}
	return n
}

// dedent takes off the blanks that all lines begin with.
func dedent(lines []string) []string {
	least := -1
	for _, l := range lines {
		if blanks := len(l) - len(strings.TrimLeft(l, " ")); strings.TrimSpace(l) != "" && (least < 0 || blanks < least) {
			least = blanks
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l[min(len(l), max(least, 0)):]
	}
	return out
}

// indented reads a quote.
func (r *rst) indented(lines []string, depth int) int {
	n := max(below(lines), 1)
	if depth >= deepestRST {
		r.b.add(rag.BlockParagraph, strings.Join(dedent(lines[:n]), "\n"))
		return n
	}
	r.body(dedent(lines[:n]), depth+1)
	return n
}

// paragraph reads one, and the literal block that it may announce.
func (r *rst) paragraph(lines []string) int {
	n := run(lines, func(l string) bool { return strings.TrimSpace(l) != "" })
	text := strings.Join(lines[:n], "\n")
	if strings.HasPrefix(text, ">>> ") {
		r.b.add(rag.BlockCode, text)
		return n
	}
	kind := rag.BlockParagraph
	if lines[0][0] == ':' || strings.HasPrefix(text, "| ") {
		kind = rag.BlockList // fields, or lines that stay lines
		text = regexp.MustCompile(`(?m)^(?::([^:\n]+): *|\| ?)`).ReplaceAllStringFunc(text, func(mark string) string {
			if name := strings.Trim(mark, ": |"); name != "" {
				return name + ": "
			}
			return ""
		})
	}
	literal := strings.HasSuffix(text, "::")
	if literal {
		text = strings.TrimSuffix(text, ":")
		if strings.TrimSpace(text) == ":" {
			text = ""
		}
	}
	r.b.add(kind, r.plain(text))
	if literal {
		code := below(lines[n:])
		r.b.add(rag.BlockCode, strings.Join(dedent(lines[n:n+code]), "\n"))
		n += code
	}
	return n
}

// list writes items as they stand, without the empty lines between them.
func (r *rst) list(lines []string) {
	var out []string
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			bare := strings.TrimLeft(l, " ")
			if strings.HasPrefix(bare, "* ") || strings.HasPrefix(bare, "+ ") || strings.HasPrefix(bare, "• ") {
				_, words, _ := strings.Cut(bare, " ")
				l = l[:len(l)-len(bare)] + "- " + words
			}
			out = append(out, strings.TrimSuffix(l, ":")) // of "::"
		}
	}
	r.b.add(rag.BlockList, r.plain(strings.Join(out, "\n")))
}

// explicit reads what begins with two dots: a directive, a footnote, or what is not shown.
func (r *rst) explicit(lines []string, depth int) int {
	n := 1 + below(lines[1:])
	inside := dedent(lines[1:n])
	found := r.directive.FindStringSubmatch(lines[0])
	if found == nil {
		if strings.HasPrefix(lines[0], ".. [") {
			r.b.add(rag.BlockParagraph, r.plain(lines[0][3:]+"\n"+strings.Join(inside, "\n")))
		}
		return n // a comment, or a link's target
	}
	options := run(inside, func(l string) bool { return strings.HasPrefix(l, ":") })
	content := inside[options:]
	name := found[1][strings.LastIndex(found[1], ":")+1:]
	switch name {
	case "code-block", "code", "sourcecode", "parsed-literal", "literalinclude", "highlight", "math", "doctest", "testcode", "prompt", "productionlist":
		r.b.add(rag.BlockCode, strings.Join(content, "\n"))
		return n
	case "image", "toctree", "include", "contents", "raw", "meta", "index", "currentmodule", "module", "role", "default-role",
		"sectnum", "replace", "unicode", "target-notes", "automodule", "autoclass", "tabularcolumns":
		return n
	case "csv-table":
		reader := csv.NewReader(strings.NewReader(strings.Join(content, "\n")))
		reader.LazyQuotes, reader.FieldsPerRecord, reader.TrimLeadingSpace = true, -1, true
		rows, _ := reader.ReadAll() // what can be read
		r.b.add(rag.BlockTable, r.table(rows))
		return n
	case "list-table":
		r.b.add(rag.BlockTable, r.table(listRows(content)))
		return n
	case "figure":
		found[2] = ""
	}
	if depth >= deepestRST {
		r.b.add(rag.BlockParagraph, strings.Join(content, "\n"))
		return n
	}
	r.b.add(rag.BlockParagraph, r.plain(found[2]))
	r.body(content, depth+1)
	return n
}
