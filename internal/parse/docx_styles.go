package parse

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// docxStyle is what a style says of its paragraphs or runs.
type docxStyle struct {
	name     string
	based    string
	heading  int // level of a heading, 0 for the document's title, -1 for none
	code     bool
	contents bool // a line of a table of contents
	vanish   bool
	list     string
	level    int    // of the list, -1 where it doesn't say
	lister   string // id of the style that says which list
	nesting  int    // of the built-in styles for lists in lists, each a list of its own
}

// docxStyles are a document's styles by id.
type docxStyles map[string]docxStyle

// of gives a style; one that the document doesn't define is taken by what its id says.
func (s docxStyles) of(id string) docxStyle {
	if style, ok := s[id]; ok {
		return style
	}
	style := docxStyle{name: id, heading: -1, level: -1}
	style.byName()
	return style
}

// headingName knows names of the built-in headings, in the languages of programs that translate them, and in ids that
// have lost their blanks and what is not ASCII.
var headingName = regexp.MustCompile(`^(?:heading|(?:ü|u)?berschrift|titre|título|titulo|ttulo|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nagwek|nadpis|заголовок|başlık|címsor|标题|標題|見出し|제목)\s*([1-9])$`)

var nestedListName = regexp.MustCompile(`^list ?(?:bullet|number) ?([2-5])$`)

// byName sees what the name of a style says.
func (s *docxStyle) byName() {
	name := strings.ToLower(strings.TrimSpace(s.name))
	if found := headingName.FindStringSubmatch(name); found != nil {
		s.heading = int(found[1][0] - '0')
		return
	}
	if found := nestedListName.FindStringSubmatch(name); found != nil {
		s.nesting = int(found[1][0] - '1')
	}
	switch name {
	case "title":
		s.heading = 0
	case "source code", "sourcecode", "html preformatted", "htmlpreformatted", "preformatted text", "macro text", "code", "code block", "verbatim":
		s.code = true
	}
	s.contents = strings.HasPrefix(name, "toc ") || name == "tocheading" || len(name) == 4 && strings.HasPrefix(name, "toc")
}

// readDOCXStyles reads the styles, each with what it takes over from those it is based on.
func readDOCXStyles(p *officePackage, name string) (docxStyles, error) {
	styles := docxStyles{}
	if name == "" || !p.has(name) {
		return styles, nil
	}
	err := p.walkXML(p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.child("styles", func(xml.StartElement) error {
			return x.child("style", func(e xml.StartElement) error {
				id := value(e, "styleId")
				if len(styles) > mostStyles {
					return tooLarge("the document has more than %d styles; save it anew from the program that made it", mostStyles)
				}
				style, err := readDOCXStyle(x, id)
				styles[id] = style
				return err
			})
		})
	})
	resolved := make(docxStyles, len(styles))
	for id := range styles {
		resolved[id] = styles.inherited(id)
	}
	return resolved, err
}

func readDOCXStyle(x *xmlWalk, id string) (docxStyle, error) {
	style := docxStyle{name: id, heading: -1, level: -1}
	outline := -1
	err := x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "name":
			style.name = value(e, "val")
		case "basedOn":
			style.based = value(e, "val")
		case "rPr":
			return x.child("vanish", func(e xml.StartElement) error {
				style.vanish = on(e)
				return nil
			})
		case "pPr":
			p := docxParagraph{outline: -1, level: -1}
			err := p.properties(x)
			outline, style.list, style.level, style.lister = p.outline, p.list, p.level, id
			return err
		}
		return nil
	})
	style.byName()
	if outline >= 0 && outline < 9 && style.heading != 0 {
		style.heading = outline + 1
	}
	return style, err
}

// inherited gives a style with what those it is based on say and it does not.
func (s docxStyles) inherited(id string) docxStyle {
	style := s[id]
	based := style.based
	for range 20 { // styles may be based on each other in a circle
		parent, ok := s[based]
		if !ok {
			break
		}
		if style.heading < 0 && parent.heading != 0 {
			style.heading = parent.heading
		}
		if style.list == "" {
			style.list, style.lister = parent.list, parent.lister
		}
		if style.level < 0 {
			style.level = parent.level
		}
		style.code = style.code || parent.code
		style.vanish = style.vanish || parent.vanish
		based = parent.based
	}
	return style
}

const (
	deepestList = 9 // levels of a list
	longestMark = 60
	mostStyles  = 20_000 // of paragraphs, or of lists; Word has some hundreds
	bullet      = "-"
)

// docxLists are a document's lists and how far each has counted.
type docxLists struct {
	kinds  map[string]*docxList   // by abstract number
	lists  map[string]string      // abstract number by number
	starts map[string]map[int]int // of lists that begin anew, by number and level
}

// docxList is a kind of list.
type docxList struct {
	levels [deepestList]docxLevel
	counts [deepestList]int // 0 where the level has not begun
}

type docxLevel struct {
	format, text, style string
	start               int
}

// readDOCXLists reads how lists are numbered.
func readDOCXLists(p *officePackage, name string) (*docxLists, error) {
	l := &docxLists{kinds: map[string]*docxList{}, lists: map[string]string{}, starts: map[string]map[int]int{}}
	if name == "" || !p.has(name) {
		return l, nil
	}
	return l, p.walkXML(p.b, name, mostHeld, func(x *xmlWalk) error {
		return x.child("numbering", func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "abstractNum":
					kind := &docxList{}
					if len(l.kinds) > mostStyles {
						return tooLarge("the document has more than %d kinds of list; save it anew from the program that made it", mostStyles)
					}
					l.kinds[value(e, "abstractNumId")] = kind
					return x.child("lvl", func(e xml.StartElement) error { return kind.read(x, e) })
				case "num":
					return l.read(x, value(e, "numId"))
				}
				return nil
			})
		})
	})
}

// read reads a level.
func (l *docxList) read(x *xmlWalk, e xml.StartElement) error {
	level := docxLevel{start: 1}
	i := natural(value(e, "ilvl"), 0)
	err := x.each(func(e xml.StartElement) error {
		switch v := value(e, "val"); e.Name.Local {
		case "start":
			level.start = natural(v, 1)
		case "numFmt":
			level.format = v
		case "lvlText":
			level.text = v[:min(len(v), longestMark)]
		case "pStyle":
			level.style = v
		}
		return nil
	})
	if i < deepestList {
		l.levels[i] = level
	}
	return err
}

// read reads a list of a kind.
func (l *docxLists) read(x *xmlWalk, id string) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "abstractNumId":
			l.lists[id] = value(e, "val")
		case "lvlOverride":
			level := natural(value(e, "ilvl"), 0)
			return x.child("startOverride", func(e xml.StartElement) error {
				if l.starts[id] == nil {
					l.starts[id] = map[int]int{}
				}
				l.starts[id][level] = natural(value(e, "val"), 1)
				return nil
			})
		}
		return nil
	})
}

// levelOf gives the level of a list that a style stands for.
func (l *docxLists) levelOf(list, style string) int {
	if kind := l.kinds[l.lists[list]]; kind != nil && style != "" {
		for i, level := range kind.levels {
			if level.style == style {
				return i
			}
		}
	}
	return 0
}

// next counts an item and gives its mark: a dash, a number as the document writes it, or nothing.
func (l *docxLists) next(list string, level int) string {
	kind := l.kinds[l.lists[list]]
	if kind == nil {
		return bullet
	}
	if start, ok := l.starts[list][level]; ok {
		kind.counts[level] = start - 1
		delete(l.starts[list], level)
	} else if kind.counts[level] == 0 {
		kind.counts[level] = kind.levels[level].start - 1
	}
	kind.counts[level]++
	for deeper := level + 1; deeper < deepestList; deeper++ {
		kind.counts[deeper] = 0
	}
	switch kind.levels[level].format {
	case "bullet", "":
		return bullet
	case "none":
		return ""
	}
	mark := kind.levels[level].text
	for i := range level + 1 {
		mark = strings.ReplaceAll(mark, fmt.Sprintf("%%%d", i+1), counted(kind.levels[i].format, max(1, kind.counts[i])))
	}
	return strings.TrimSpace(mark)
}

// counted writes a number as a list's level does.
func counted(format string, n int) string {
	switch format {
	case "lowerLetter":
		return lettered(n)
	case "upperLetter":
		return strings.ToUpper(lettered(n))
	case "lowerRoman":
		return roman(n)
	case "upperRoman":
		return strings.ToUpper(roman(n))
	case "decimalZero":
		return fmt.Sprintf("%02d", n)
	case "bullet", "none":
		return ""
	}
	return strconv.Itoa(n)
}

// lettered counts a to z, then aa to zz.
func lettered(n int) string {
	if n < 1 || n > 26*20 {
		return strconv.Itoa(n)
	}
	return strings.Repeat(string(rune('a'+(n-1)%26)), (n-1)/26+1)
}

func roman(n int) string {
	if n < 1 || n > 3999 {
		return strconv.Itoa(n)
	}
	values := []int{1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1}
	digits := []string{"m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"}
	var b strings.Builder
	for i, v := range values {
		for n >= v {
			b.WriteString(digits[i])
			n -= v
		}
	}
	return b.String()
}
