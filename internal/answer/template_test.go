package answer

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/redkite/redkite/internal/rag"
)

func TestTemplatesOfARequest(t *testing.T) {
	library, err := DefaultTemplates()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, text, says string }{
		{"system", "Answer from {{.Collection}}.", ""},
		{"system", "{{/* a comment */}}{{if and .Fence (eq .Collection \"c\")}}x{{else}}y{{end}}", ""},
		{"user", "{{with .Question}}{{.}}: {{$.Context}}{{end}}", ""},
		{"passage", "{{.Number}} {{range .Headings}}{{.}}, {{else}}none{{end}} {{.Text}} {{join .Headings \"/\"}}", ""},
		{"nothing", "Sorry.", ""},
		{"system", "line\n{{.Colection}}", "line 2: unknown variable .Colection; this template knows .Collection, .Fence"},
		{"system", "{{.Context}}", "unknown variable .Context"},
		{"system", "{{.Collection.Name}}", "unknown variable .Collection.Name"},
		{"system", "{{$.Fence.Token}}", "unknown variable .Fence.Token"},
		{"system", "{{$x := 1}}{{$x}}", "not allowed"},
		{"system", "{{printf \"%1000000d\" 1}}", "the function printf is not allowed"},
		{"system", "{{call .Collection}}", "the function call is not allowed"},
		{"system", "{{(index .Collection 0)}}", "the function index is not allowed"},
		{"system", "{{range 1000000000}}{{end}}", "only .Headings can be ranged over"},
		{"passage", "{{range .Headings}}{{range $.Headings}}{{end}}{{end}}{{.Number}}{{.Text}}", "a range inside of a range"},
		{"passage", "{{range .Headings}}{{.Text}}{{end}}", "write $.Text"},
		{"passage", "{{range .Headings}}{{break}}{{end}}", "not allowed"},
		{"system", "{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}", "defines another template"},
		{"system", "{{template \"system\"}}", "not allowed"},
		{"system", "{{block \"x\" .}}{{end}}", "defines another template"},
		{"system", "{{.}}", "the dot alone"},
		{"system", "{{if}}", "system:1"},
		{"system", "{{.Collection", "system:1"},
		{"system", "\xff", "not UTF-8"},
		{"system", strings.Repeat("x", maxTemplate+1), "more than the"},
		{"user", "{{.Question}}", "does not show {{.Context}}"},
		{"passage", "{{.Text}}", "does not show {{.Number}}"},
		{"answer", "x", "there is no such template"},
	}
	for _, test := range tests {
		_, err := library.For("t", "c", map[string]string{test.name: test.text})
		if test.says == "" {
			if err != nil {
				t.Errorf("%s %q: %v", test.name, test.text, err)
			}
			continue
		}
		var problem *rag.Problem
		if !errors.As(err, &problem) || !errors.Is(err, rag.ErrInvalid) || problem.Pointer != "/templates/"+test.name || !strings.Contains(problem.Message, test.says) {
			t.Errorf("%s %.60q: got %v", test.name, test.text, err)
		}
	}
}

func TestTemplatesOfAFolder(t *testing.T) {
	folder := fstest.MapFS{
		"nothing.tmpl":                        {Data: []byte("Nothing.")},
		"README":                              {Data: []byte("x")},
		"collections/acme/books/nothing.tmpl": {Data: []byte("No book has it: {{.Question}}")},
		"collections/acme/books/system.tmpl":  {Data: []byte("Books.")},
	}
	if _, err := ReadTemplates(folder); err == nil || !strings.Contains(err.Error(), "README is none") {
		t.Errorf("a file that is no template: %v", err)
	}
	delete(folder, "README")
	library, err := ReadTemplates(folder)
	if err != nil {
		t.Fatal(err)
	}
	says := func(tenant, collection string, own map[string]string) string {
		t.Helper()
		set, err := library.For(tenant, collection, own)
		if err != nil {
			t.Fatal(err)
		}
		text, err := set.Nothing(collection, "why?")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, test := range []struct{ tenant, collection, want string }{{"acme", "books", "No book has it: why?"}, {"acme", "films", "Nothing."}, {"other", "books", "Nothing."}} {
		if got := says(test.tenant, test.collection, nil); got != test.want {
			t.Errorf("%s/%s: got %q", test.tenant, test.collection, got)
		}
	}
	if got := says("acme", "books", map[string]string{"nothing": "My own."}); got != "My own." {
		t.Errorf("got %q", got)
	}
	folder["collections/acme/books/user.tmpl"] = &fstest.MapFile{Data: []byte("{{.Answer}}")}
	if _, err := ReadTemplates(folder); err == nil || !strings.Contains(err.Error(), "collections/acme/books/user.tmpl") || !strings.Contains(err.Error(), ".Answer") {
		t.Errorf("a wrong template: %v", err)
	}
}

// FuzzTemplate: what is taken runs, in bounds.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{{.Number}}{{.Text}}", "{{range .Headings}}{{.}}{{end}}{{.Number}}{{.Text}}", "{{with .Section}}{{$.Text}}{{end}}{{.Number}}", "{{if lt .PageStart 3}}{{.Text}}{{end}}{{.Number}}"} {
		f.Add(seed)
	}
	library, err := DefaultTemplates()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := library.For("t", "c", map[string]string{"passage": text})
		if err != nil {
			return
		}
		shown, err := set.Passage(NewFence())(rag.Passage{Number: 1, Text: "text", Headings: []string{"a", "b"}})
		if err != nil && !errors.Is(err, rag.ErrInvalid) || len(shown) > maxShown+1000 {
			t.Errorf("%q: %d bytes, %v", text, len(shown), err)
		}
	})
}
