package answer

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

//go:embed templates/*.tmpl
var defaultTemplates embed.FS

// The templates: Go's text/template with a closed set of variables and functions, checked when they are read.
const (
	TemplateSystem  = "system"  // the LLM's instructions
	TemplateUser    = "user"    // the passages and the question
	TemplatePassage = "passage" // one passage, inside its fence
	TemplateNothing = "nothing" // the answer where no passage is relevant; no LLM sees it
)

// maxTemplate bounds a template, and maxShown what one makes, in bytes.
const (
	maxTemplate = 32 << 10
	maxShown    = 4 << 20
)

// variables are those that each template knows.
func variables() map[string][]string {
	return map[string][]string{
		TemplateSystem:  {"Collection", "Fence"},
		TemplateUser:    {"Collection", "Fence", "Context", "Question"},
		TemplatePassage: {"Number", "Name", "Document", "Title", "Filename", "Headings", "Section", "PageStart", "PageEnd", "Pages", "Text"},
		TemplateNothing: {"Collection", "Question"},
	}
}

// needed are the variables that a template is of no use without.
func needed() map[string][]string {
	return map[string][]string{TemplateUser: {"Context", "Question"}, TemplatePassage: {"Number", "Text"}}
}

// Templates are a whole set, ready for use.
type Templates map[string]*template.Template

// Library holds the templates of a server: its own, and those of collections that have some.
type Library struct {
	own         Templates
	collections map[string]Templates // by tenant and name
}

// DefaultTemplates are those in the binary.
func DefaultTemplates() (*Library, error) {
	own := Templates{}
	if err := own.read(defaultTemplates, "templates"); err != nil {
		return nil, err
	}
	return &Library{own: own, collections: map[string]Templates{}}, nil
}

// ReadTemplates reads a folder: NAME.tmpl in it takes the place of a default for all collections, and
// collections/TENANT/COLLECTION/NAME.tmpl for one. A file that is no template is an error.
func ReadTemplates(folder fs.FS) (*Library, error) {
	l, err := DefaultTemplates()
	if err != nil {
		return nil, err
	}
	if err := l.own.read(folder, "."); err != nil {
		return nil, err
	}
	found, err := fs.Glob(folder, "collections/*/*")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	for _, dir := range found {
		set := Templates{}
		if err := set.read(folder, dir); err != nil {
			return nil, err
		}
		l.collections[strings.TrimPrefix(dir, "collections/")] = set
	}
	return l, nil
}

// read adds the templates of a folder.
func (t Templates) read(folder fs.FS, dir string) error {
	entries, err := fs.ReadDir(folder, dir)
	if err != nil {
		return fmt.Errorf("read templates in %s: %w", dir, err)
	}
	for _, entry := range entries {
		file := path.Join(dir, entry.Name())
		if entry.IsDir() && entry.Name() == "collections" || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		name, ok := strings.CutSuffix(entry.Name(), ".tmpl")
		if _, known := variables()[name]; !ok || !known {
			return fmt.Errorf("read templates: %s is none; the names are system.tmpl, user.tmpl, passage.tmpl and nothing.tmpl", file)
		}
		raw, err := fs.ReadFile(folder, file)
		if err != nil {
			return fmt.Errorf("read templates: %w", err)
		}
		if t[name], err = parseTemplate(name, string(raw)); err != nil {
			return fmt.Errorf("read template %s: %w", file, err)
		}
	}
	return nil
}

// For gives the templates of a collection, with a request's own in their place. A template of the request that is wrong is
// a Problem that points at it.
func (l *Library) For(tenant, collection string, own map[string]string) (Templates, error) {
	set := Templates{}
	for name, text := range own {
		parsed, err := parseTemplate(name, text)
		if err != nil {
			return nil, rag.Invalid("/templates/"+name, "template %s: %v", name, err)
		}
		set[name] = parsed
	}
	for _, below := range []Templates{l.collections[tenant+"/"+collection], l.own} {
		for name, parsed := range below {
			if set[name] == nil {
				set[name] = parsed
			}
		}
	}
	return set, nil
}

// parseTemplate reads and checks a template.
func parseTemplate(name, text string) (*template.Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that a template may have", len(text), maxTemplate)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8")
	}
	known, ok := variables()[name]
	if !ok {
		return nil, errors.New("there is no such template")
	}
	parsed, err := template.New(name).Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	used, err := check(parsed, known)
	if err != nil {
		return nil, err
	}
	for _, variable := range needed()[name] {
		if !slices.Contains(used, variable) {
			return nil, fmt.Errorf("it does not show {{.%s}}, and is of no use without", variable)
		}
	}
	return parsed, nil
}

// functions are those of the templates besides and, or, not, len and comparisons.
func functions() template.FuncMap {
	return template.FuncMap{"join": func(list []string, between string) string { return strings.Join(list, between) }}
}

// show runs a template.
func (t Templates) show(name string, values map[string]any) (string, error) {
	var out bounded
	if err := t[name].Execute(&out, values); err != nil {
		return "", rag.Invalid("/templates/"+name, "template %s: %v", name, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// bounded takes no more than maxShown.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxShown {
		return 0, fmt.Errorf("it makes more than %d bytes", maxShown)
	}
	return b.Buffer.Write(p)
}

// Passage gives what writes passages inside a fence; without one, as in text that is for no LLM of ours, they stand bare
// and as they are.
func (t Templates) Passage(f Fence) func(rag.Passage) (string, error) {
	line, text := neutralLine, Neutral
	if f.token == "" {
		line, text = func(s string) string { return s }, func(s string) string { return s }
	}
	return func(p rag.Passage) (string, error) {
		headings := make([]string, len(p.Headings))
		for i, h := range p.Headings {
			headings[i] = line(h)
		}
		shown, err := t.show(TemplatePassage, map[string]any{
			"Number": p.Number, "Name": line(Name(p)), "Document": line(p.ExternalID), "Title": line(p.Title), "Filename": line(p.Filename),
			"Headings": headings, "Section": strings.Join(headings, " > "), "PageStart": p.PageStart, "PageEnd": p.PageEnd, "Pages": Pages(p),
			"Text": text(Shown(p)),
		})
		return f.around(p.Number, shown), err
	}
}

// Name is what a passage's document is called: its title, else its file's name, else its id.
func Name(p rag.Passage) string {
	switch {
	case p.Title != "":
		return p.Title
	case p.Filename != "":
		return p.Filename
	}
	return p.ExternalID
}

// Pages writes a passage's pages, or nothing where the format has none.
func Pages(p rag.Passage) string {
	switch {
	case p.PageStart > 0 && p.PageEnd > p.PageStart:
		return fmt.Sprintf("pages %d-%d", p.PageStart, p.PageEnd)
	case p.PageStart > 0:
		return fmt.Sprintf("page %d", p.PageStart)
	}
	return ""
}

// Nothing is the answer where no passage is relevant.
func (t Templates) Nothing(collection, question string) (string, error) {
	return t.show(TemplateNothing, map[string]any{"Collection": collection, "Question": question})
}
