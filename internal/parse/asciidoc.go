package parse

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// asciidocFormat reads AsciiDoc: sections, paragraphs, lists, blocks between delimiters, tables and a document's own
// attributes. Includes and conditions are not followed.
type asciidocFormat struct{}

// Parse reads AsciiDoc line by line.
func (asciidocFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	if o.Size > mostMarkup {
		return plainInstead(ctx, o, b, "AsciiDoc")
	}
	whole, err := readDecoded(ctx, o, b)
	if err != nil {
		return err
	}
	a := newAsciidoc(b)
	lines := strings.Split(whole, "\n")
	for len(lines) > 0 && !b.full {
		lines = lines[a.element(lines):]
	}
	return nil
}

// asciidoc is a document being read.
type asciidoc struct {
	b                               *builder
	attributes                      map[string]string
	titled                          bool // the document's title has come
	columns                         int  // that the attributes above a table give
	heading, attribute, item, macro *regexp.Regexp
	term, cell, reference           *regexp.Regexp
	inline                          *regexp.Regexp
}

func newAsciidoc(b *builder) *asciidoc {
	line := regexp.MustCompile
	return &asciidoc{
		b: b, attributes: map[string]string{},
		heading:   line(`^(={1,6}) +(\S.*)$`),
		attribute: line(`^:!?([\w-]+)!?:(?: +(.*))?$`),
		item:      line(`^ *(\*{1,5}|-|\.{1,5}|\d+\.|<\d+>) +(\S.*)$`),
		macro:     line(`^(?:include|image|video|audio|toc|ifdef|ifndef|ifeval|endif)::.*\]$`),
		term:      line(`^(\S.*?):{2,4}(?: +(.*))?$`),
		cell:      line(`(?:\d+(?:\.\d+)?[*+])?[<^>.]*[adehlmsv]?\|`),
		reference: line(`\{([\w-]+)\}`),
		inline: line(strings.Join([]string{
			`\[\[[^\]]*\]\]|\(\(\([^)]*\)\)\)`, // anchors
			`(?:link|xref|mailto|kbd|btn|menu|footnote|image):[^\s\[]*\[([^\]]*)\]`,
			`(?:https?|ftp)://[^\s\[\]]+\[([^\]^]+)\^?\]`,
			`<<[^,>]+, *([^>]+)>>`,
			`<<([^>]+)>>`,
			"`\\+?([^`\n]+?)\\+?`",
			`\*\*([^*\n]+)\*\*|\b__([^_\n]+)__\b`,
			`((?:^|[\s(\["']))(?:\*([^*\s](?:[^*\n]*[^*\s])?)\*|_([^_\s](?:[^_\n]*[^_\s])?)_)`,
			`(?:\[[^\]\n]*\])?#([^#\s](?:[^#\n]*[^#\s])?)#`,
			`(?m: \+$)`,
		}, "|")),
	}
}

func (a *asciidoc) plain(text string) string {
	if len(text) > mostMarkup {
		return text
	}
	text = a.reference.ReplaceAllStringFunc(text, func(reference string) string {
		if value, ok := a.attributes[strings.Trim(reference, "{}")]; ok {
			return value
		}
		return reference
	})
	if !strings.ContainsAny(text, "*_`#[<+") {
		return text
	}
	return a.inline.ReplaceAllString(text, "$1$2$3$4$5$6$7$8$9$10$11")
}

// element reads what begins at the first line, and gives how many lines it has.
func (a *asciidoc) element(lines []string) int {
	line := strings.TrimRight(lines[0], " \t")
	if n, ok := a.delimited(lines, line); ok {
		return n
	}
	found := a.heading.FindStringSubmatch(line)
	switch {
	case found != nil:
		a.b.heading(len(found[1]), a.plain(found[2]))
		if len(found[1]) == 1 && !a.titled { // author and revision follow
			a.titled = true
			return 1 + run(lines[1:], func(l string) bool { return strings.TrimSpace(l) != "" && l[0] != ':' })
		}
		return 1
	case line == "", line == "+", strings.HasPrefix(line, "//"), a.macro.MatchString(line), line == "'''", line == "<<<":
		return 1
	case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
		a.columns = columnsOf(line)
		return 1
	case a.setAttribute(line):
		return 1
	case line[0] == '.' && len(line) > 1 && line[1] != '.' && line[1] != ' ':
		a.b.add(rag.BlockParagraph, a.plain(line[1:])) // a block's title
		return 1
	case a.item.MatchString(line):
		return a.list(lines)
	case line[0] == ' ' || line[0] == '\t':
		n := run(lines, func(l string) bool { return strings.TrimSpace(l) != "" })
		a.b.add(rag.BlockCode, strings.Join(dedent(lines[:n]), "\n"))
		return n
	}
	return a.paragraph(lines)
}

// setAttribute takes a line that sets an attribute. Values are not looked up in each other, so that none can grow.
func (a *asciidoc) setAttribute(line string) bool {
	found := a.attribute.FindStringSubmatch(line)
	if found == nil {
		return false
	}
	const most = 200 // bytes of a value, and attributes
	if len(found[2]) <= most && len(a.attributes) < most {
		a.attributes[found[1]] = found[2]
	}
	return true
}

// delimited reads what stands between two lines that are alike.
func (a *asciidoc) delimited(lines []string, line string) (int, bool) {
	if strings.HasPrefix(line, "```") {
		n, inside := between(lines, "```")
		a.b.add(rag.BlockCode, strings.Join(inside, "\n"))
		return n, true
	}
	if line == "|===" || line == ",===" || line == "!===" {
		n, inside := between(lines, line)
		a.table(inside)
		return n, true
	}
	if line == "--" {
		return 1, true
	}
	if len(line) < 4 || strings.Trim(line, line[:1]) != "" {
		return 0, false
	}
	switch line[0] {
	case '-', '.':
		n, inside := between(lines, line)
		a.b.add(rag.BlockCode, strings.Join(inside, "\n"))
		return n, true
	case '/', '+':
		n, _ := between(lines, line)
		return n, true
	case '=', '*', '_':
		return 1, true // what is inside is read like the rest
	}
	return 0, false
}

// between gives the lines up to the one that ends the block, and how many lines that takes; a block that never ends has
// one line.
func between(lines []string, mark string) (int, []string) {
	for i := 1; i < len(lines); i++ {
		if strings.TrimRight(lines[i], " \t") == mark {
			return i + 1, lines[1:i]
		}
	}
	return len(lines), lines[1:]
}

// list writes items behind their dashes or numbers, deeper ones indented.
func (a *asciidoc) list(lines []string) int {
	var out []string
	i := 0
	for ; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \t")
		found := a.item.FindStringSubmatch(line)
		switch {
		case found != nil:
			mark, depth := "-", len(found[1])-1
			switch {
			case found[1][0] == '.':
				mark = "1."
			case found[1][0] != '*':
				mark, depth = found[1], 0
			}
			out = append(out, strings.Repeat("  ", depth)+mark+" "+a.plain(found[2]))
			continue
		case line == "":
			if i+1 < len(lines) && a.item.MatchString(lines[i+1]) {
				continue
			}
		case line != "+" && !strings.HasPrefix(line, "[") && !a.macro.MatchString(line) && lines[i-1] != "" && !a.opens(line):
			out = append(out, "  "+a.plain(strings.TrimSpace(line)))
			continue
		}
		break
	}
	a.b.add(rag.BlockList, strings.Join(out, "\n"))
	return i
}

// opens reports whether a line begins a block of its own.
func (a *asciidoc) opens(line string) bool {
	return a.heading.MatchString(line) || strings.HasPrefix(line, "|===") || strings.HasPrefix(line, "```") || line == "--" ||
		len(line) >= 4 && strings.ContainsAny(line[:1], "-.=*_/+") && strings.Trim(line, line[:1]) == ""
}

func (a *asciidoc) paragraph(lines []string) int {
	n := 1 + run(lines[1:], func(l string) bool { return strings.TrimSpace(l) != "" && !a.opens(strings.TrimRight(l, " \t")) })
	text := make([]string, 0, n)
	for _, line := range lines[:n] {
		if !strings.HasPrefix(line, "//") && !a.macro.MatchString(line) {
			text = append(text, line)
		}
	}
	if found := a.term.FindStringSubmatch(lines[0]); found != nil && len(text) > 0 {
		text[0] = strings.TrimSpace(found[1] + ": " + found[2])
	}
	a.b.add(rag.BlockParagraph, a.plain(strings.Join(text, "\n")))
	return n
}

// columnsOf reads how many columns a table's attributes give it; 0 where they don't.
func columnsOf(attributes string) int {
	found := regexp.MustCompile(`cols="?([^"\]]*)"?`).FindStringSubmatch(attributes)
	if found == nil {
		return 0
	}
	n := 0
	for part := range strings.SplitSeq(found[1], ",") {
		times := 1
		_, _ = fmt.Sscanf(strings.TrimSpace(part), "%d*", &times)
		if !strings.Contains(part, "*") {
			times = 1
		}
		n += min(max(times, 1), 1000)
	}
	return n
}

// table writes a row a line. A row has as many cells as the attributes say, else as the first line.
func (a *asciidoc) table(lines []string) {
	columns := a.columns
	a.columns = 0
	var cells []string
	for _, line := range lines {
		places := a.cell.FindAllStringIndex(line, -1)
		if len(places) == 0 {
			if len(cells) > 0 {
				cells[len(cells)-1] += " " + line
			}
			continue
		}
		if len(cells) > 0 {
			cells[len(cells)-1] += " " + line[:places[0][0]]
		}
		for i, place := range places {
			end := len(line)
			if i+1 < len(places) {
				end = places[i+1][0]
			}
			cells = append(cells, line[place[1]:end])
		}
		if columns == 0 {
			columns = len(cells)
		}
	}
	var out []string
	for len(cells) > 0 {
		n := min(columns, len(cells))
		row := make([]string, n)
		for i, cell := range cells[:n] {
			row[i] = a.plain(cell)
		}
		out = append(out, rowText(row))
		cells = cells[n:]
	}
	a.b.add(rag.BlockTable, strings.Join(out, "\n"))
}
