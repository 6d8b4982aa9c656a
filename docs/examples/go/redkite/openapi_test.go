package redkite_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/docs/examples/go/redkite"
)

// schema is as much of a JSON schema as the test reads.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 any                `json:"type"` // a name, or a list of names
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	Items                *schema            `json:"items"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
}

// types gives the JSON types that a value may have; none for any.
func (s *schema) types() []string {
	if name, ok := s.Type.(string); ok {
		return []string{name}
	}
	var names []string
	list, _ := s.Type.([]any)
	for _, name := range list {
		names = append(names, name.(string))
	}
	return names
}

type document struct {
	Components struct{ Schemas map[string]*schema }
	Paths      map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct{ Schema *schema }
		}
	}
}

func (d *document) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

func openAPI(t *testing.T) *document {
	t.Helper()
	raw, err := os.ReadFile("../../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d := &document{}
	if err := json.Unmarshal(raw, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTypesAreTheAPIs holds every member of every type that is sent or read to the document that the server is held to.
func TestTypesAreTheAPIs(t *testing.T) {
	d := openAPI(t)
	checked := 0
	for name, of := range map[string]struct {
		goes  reflect.Type
		asked bool // sent, not read
	}{
		"NewCollection": {reflect.TypeFor[redkite.NewCollection](), true}, "NewDocument": {reflect.TypeFor[redkite.NewDocument](), true},
		"Search": {reflect.TypeFor[redkite.Search](), true}, "ContextRequest": {reflect.TypeFor[redkite.ContextQuery](), true}, "Ask": {reflect.TypeFor[redkite.Question](), true},
		"Uploaded": {reflect.TypeFor[redkite.Uploaded](), false}, "Document": {reflect.TypeFor[redkite.Document](), false}, "Job": {reflect.TypeFor[redkite.Job](), false},
		"SearchResult": {reflect.TypeFor[redkite.SearchResult](), false}, "Context": {reflect.TypeFor[redkite.Context](), false}, "Answer": {reflect.TypeFor[redkite.Answer](), false},
		"Passages": {reflect.TypeFor[redkite.Shown](), false}, "Citation": {reflect.TypeFor[redkite.Citation](), false}, "Done": {reflect.TypeFor[redkite.Done](), false},
		"AskProblem": {reflect.TypeFor[redkite.Problem](), false},
	} {
		if d.Components.Schemas[name] == nil {
			t.Errorf("the document has no schema %s", name)
			continue
		}
		checked += d.check(t, name, of.goes, d.Components.Schemas[name], of.asked)
	}
	if checked < 100 {
		t.Errorf("only %d members were checked", checked)
	}
}

// check holds a Go type to a schema, and counts the members that it looked at.
func (d *document) check(t *testing.T, at string, goes reflect.Type, is *schema, asked bool) int {
	t.Helper()
	is = d.resolve(is)
	if is == nil {
		t.Errorf("%s: its schema is not in the document", at)
		return 0
	}
	nullable := goes.Kind() == reflect.Pointer || goes.Kind() == reflect.Slice || goes.Kind() == reflect.Map || goes.Kind() == reflect.Interface
	if goes.Kind() == reflect.Pointer {
		goes = goes.Elem()
	}
	want := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object"}[goes.Kind()]
	if goes == reflect.TypeFor[time.Time]() {
		want = "string"
	}
	for _, may := range is.types() {
		if may != want && !(may == "null" && nullable) && goes.Kind() != reflect.Interface {
			t.Errorf("%s: %s holds no %s", at, goes, may)
		}
	}
	switch {
	case goes.Kind() == reflect.Slice:
		return d.check(t, at+"[]", goes.Elem(), is.Items, asked)
	case goes.Kind() == reflect.Struct && want == "object":
		return d.checkMembers(t, at, goes, is, asked)
	}
	return 0
}

func (d *document) checkMembers(t *testing.T, at string, goes reflect.Type, is *schema, asked bool) (checked int) {
	t.Helper()
	has := map[string]bool{}
	for _, field := range reflect.VisibleFields(goes) {
		if field.Anonymous || !field.IsExported() {
			continue
		}
		name, options, tagged := strings.Cut(field.Tag.Get("json"), ",")
		member := is.Properties[name]
		if member == nil {
			t.Errorf("%s: the API has no member %q", at, name)
			continue
		}
		has[name] = true
		if required := contains(is.Required, name); asked && required == (tagged && options == "omitempty") {
			t.Errorf("%s.%s: required is %t, and its tag says %q", at, name, required, options)
		}
		checked += 1 + d.check(t, at+"."+name, field.Type, member, asked)
	}
	for _, name := range is.Required {
		if asked && !has[name] {
			t.Errorf("%s: the API requires %q", at, name)
		}
	}
	return checked
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// TestFormIsTheAPIs holds the fields of an upload to the document.
func TestFormIsTheAPIs(t *testing.T) {
	form := openAPI(t).Paths["/api/v1/collections/{collection}/documents"]["post"].RequestBody.Content["multipart/form-data"].Schema
	sent := 0
	c := answers(func(r *http.Request) (*http.Response, error) {
		parts, err := r.MultipartReader()
		for err == nil {
			part, end := parts.NextPart()
			if end != nil {
				break
			}
			if sent++; form.Properties[part.FormName()] == nil {
				t.Errorf("the API has no form field %q", part.FormName())
			}
		}
		return answer(r, 202, `{"documents":[]}`), err
	}).client()
	file := redkite.File{ID: "d", Name: "n", Title: "t", Metadata: map[string]any{"k": 1}, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }}
	if _, err := c.Upload(t.Context(), "c", file); err != nil || sent != 4 {
		t.Errorf("%d fields, %v", sent, err)
	}
}
