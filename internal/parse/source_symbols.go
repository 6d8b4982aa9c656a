package parse

import (
	"regexp"
	"slices"
	"strings"
)

// language tells the symbols of a source file by how their first lines begin, as ctags does: a grammar for each would be
// exact, but those for Go need cgo or are too young.
type language struct {
	extensions []string
	commands   []string // that run scripts of it
	symbols    *regexp.Regexp
}

// languages are those whose symbols are told. The last group that is matched is the symbol's name.
func languages() []language {
	const modifiers = `(?:(?:public|private|protected|internal|open|final|sealed|abstract|static|data|inline|override|partial|readonly|unsafe|async|suspend|case|implicit|export|default|declare|indirect|fileprivate|@\w+(?:\([^)]*\))?)\s+)*`
	line := regexp.MustCompile
	return []language{
		{[]string{".go"}, nil, line(`^(?:func\s+(?:\([^)]*\)\s*)?|(?:type|var|const)\s+)(\w+)`)},
		{[]string{".py", ".pyi"}, []string{"python"}, line(`^(?:async\s+def|def|class)\s+(\w+)`)},
		{[]string{".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts"}, []string{"node", "deno"}, line(
			`^` + modifiers + `(?:(?:function\s*\*?|class|interface|enum|namespace|type)\s+([\w$]+)|(?:const|let|var)\s+([\w$]+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:function|class|\(|[\w$]+\s*=>))`)},
		{[]string{".java", ".kt", ".kts", ".cs", ".scala", ".swift", ".php", ".dart", ".groovy"}, []string{"php"}, line(
			`^(?:<\?php\s+)?` + modifiers + `(?:class|interface|enum|record|struct|trait|object|protocol|extension|actor|fun|func|function|def|namespace|typealias|annotation\s+class|@interface)\s+(?:<[^>]*>\s*)?([\w.]+)`)},
		{[]string{".rs"}, nil, line(
			`^(?:pub(?:\([^)]*\))?\s+)?(?:(?:default|async|const|unsafe|extern(?:\s+"[^"]*")?)\s+)*(?:(?:fn|struct|enum|trait|union|mod|type|macro_rules!)\s+(\w+)|(impl\b[^{]*))`)},
		{[]string{".c", ".h", ".cpp", ".cc", ".cxx", ".hpp", ".hh", ".m", ".cu"}, nil, line(
			`^(?:(?:typedef\s+)?(?:struct|class|enum(?:\s+class)?|union|namespace|@interface|@implementation)\s+(\w+)[^;]*$|template\b.*\b(?:class|struct)\s+(\w+)[^;,<>()]*$|(?:[A-Za-z_][\w:<>,*&\s\[\]]*[\s*&])?([A-Za-z_~][\w:~]*)\s*\([^;]*$)`)},
		{[]string{".rb"}, []string{"ruby"}, line(`^(?:def|class|module)\s+([\w.:?!]+)`)},
		{[]string{".sh", ".bash", ".zsh"}, []string{"sh", "bash", "zsh"}, line(`^(?:function\s+([\w:.-]+)|([\w:.-]+)\s*\(\))`)},
		{[]string{".sql"}, nil, line(`(?i)^create\s+(?:or\s+replace\s+)?(?:(?:temp|temporary|unique|materialized|global)\s+)*(?:table|view|function|procedure|trigger|index|type|schema)\s+(?:if\s+not\s+exists\s+)?([\w."\[\]]+)`)},
		{[]string{".lua"}, []string{"lua"}, line(`^(?:local\s+)?function\s+([\w.:]+)`)},
		{[]string{".pl", ".pm"}, []string{"perl"}, line(`^sub\s+(\w+)`)},
		{[]string{".r"}, []string{"Rscript"}, line(`^([\w.]+)\s*(?:<-|=)\s*function`)},
		{[]string{".ex", ".exs"}, nil, line(`^(?:defmodule|defprotocol)\s+([\w.]+)`)},
		{[]string{".proto"}, nil, line(`^(?:message|service|enum)\s+(\w+)`)},
		{[]string{".tf"}, nil, line(`^(?:resource|data|module|variable|output|provider)\s+(.*?)\s*\{`)},
		{[]string{".css", ".scss", ".less", ".yaml", ".yml", ".toml", ".ini", ".gradle", ".vim", ".el", ".clj", ".hs", ".ml", ".jl", ".ps1", ".bat", ".mk", ".cmake"}, nil, nil},
	}
}

// sourceExtensions are those of all languages.
func sourceExtensions() []string {
	var out []string
	for _, l := range languages() {
		out = append(out, l.extensions...)
	}
	return out
}

// languageOf tells by a name's ending or by the first line of a script; nil for none.
func languageOf(extension, first string) *regexp.Regexp {
	command := regexp.MustCompile(`^#!.*?([A-Za-z]+)[\d.]*\s*$`).FindStringSubmatch(first)
	for _, l := range languages() {
		if slices.Contains(l.extensions, extension) || command != nil && slices.Contains(l.commands, command[1]) ||
			strings.HasPrefix(first, "<?php") && slices.Contains(l.commands, "php") {
			return l.symbols
		}
	}
	return nil
}

// mostSymbolLine is how many bytes of a line a symbol is looked for in.
const mostSymbolLine = 400

// foundSymbols finds where symbols begin, with the comments above them, and where code between them does.
func foundSymbols(lines []string, begin *regexp.Regexp) []symbol {
	if begin == nil {
		return nil
	}
	var out []symbol
	last := 0 // line of the last symbol
	for i, line := range lines {
		if line == "" || line[0] == ' ' || line[0] == '\t' || line[0] == '}' {
			continue
		}
		name := symbolName(begin, line)
		switch {
		case name != "":
			start := i
			for start > last && belongsBelow(lines[start-1]) {
				start--
			}
			if n := len(out); n > 0 && out[n-1].line >= start && out[n-1].name == "" {
				out = out[:n-1]
			}
			out = append(out, symbol{start, name})
			last = i + 1
		case len(out) > 0 && out[len(out)-1].name != "" && i > last && lines[i-1] == "" && isLoose(line):
			out = append(out, symbol{i, ""})
		}
	}
	return out
}

// symbolName gives the name that a line declares, or "".
func symbolName(begin *regexp.Regexp, line string) string {
	if len(line) > mostSymbolLine {
		line = line[:mostSymbolLine]
	}
	found := begin.FindStringSubmatch(line)
	for i := len(found) - 1; i > 0; i-- {
		if found[i] != "" && !isKeyword(found[i]) {
			return strings.TrimSpace(found[i])
		}
	}
	return ""
}

// isKeyword reports whether a word before a parenthesis calls nothing.
func isKeyword(word string) bool {
	return slices.Contains([]string{"if", "for", "while", "switch", "return", "else", "catch", "do", "sizeof", "defined", "case", "goto"}, word)
}

// belongsBelow reports whether a line is a comment, an annotation or the like of the symbol on the next line.
func belongsBelow(line string) bool {
	line = strings.TrimSpace(line)
	for _, mark := range []string{"//", "#", "/*", "*", "--", "@", "[", "template"} {
		if strings.HasPrefix(line, mark) && !strings.HasPrefix(line, "#include") && !strings.HasPrefix(line, "#!") && !strings.HasPrefix(line, "#endif") {
			return true
		}
	}
	return false
}

// isLoose reports whether a line without indent, after an empty one, is a statement of its own.
func isLoose(line string) bool {
	c := line[0] | 0x20
	return (c >= 'a' && c <= 'z' || line[0] == '_' || line[0] == '$') && !strings.HasSuffix(strings.TrimSpace(line), ":")
}
