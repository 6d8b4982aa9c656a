package httpapi

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// fieldsAndFile writes a form of fields and one file.
func fieldsAndFile(t *testing.T, fields ...string) (body string, change func(*http.Request)) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", "a.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), func(r *http.Request) { r.Header.Set("Content-Type", form.FormDataContentType()) }
}

func TestUploadsSayTheirChunking(t *testing.T) {
	const documents = "/api/v1/collections/c/documents"
	rows := &rag.Chunking{Strategy: rag.StrategyRow, MaxTokens: 64, Overlap: 16, MinTokens: 16}
	form, formed := fieldsAndFile(t, "chunking", `{"strategy":"row","max_tokens":64}`)
	tests := []struct {
		name, method, path, body string
		change                   func(*http.Request)
		want                     *rag.Chunking
	}{
		{"none", http.MethodPost, documents, `{"documents":[{"text":"x"}]}`, nil, nil},
		{"of a document", http.MethodPost, documents, `{"documents":[{"text":"x","chunking":{"strategy":"row","max_tokens":64}}]}`, nil, rows},
		{"of a request", http.MethodPost, documents, `{"documents":[{"text":"x"}],"chunking":{"strategy":"row","max_tokens":64}}`, nil, rows},
		{"a document's own goes first", http.MethodPost, documents, `{"documents":[{"text":"x","chunking":{"strategy":"row","max_tokens":64}}],"chunking":{"strategy":"page"}}`, nil, rows},
		{"in the address", http.MethodPut, documents + "/d?chunking=" + url.QueryEscape(`{"strategy":"row","max_tokens":64}`), `{"text":"x"}`, nil, rows},
		{"in a form", http.MethodPost, documents, form, formed, rows},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &world{}
			answer := ask(newServer(t, w), test.method, test.path, test.body, test.change)
			if answer.Code != http.StatusAccepted || len(w.staged) != 1 {
				t.Fatalf("status %d, %d staged: %s", answer.Code, len(w.staged), answer.Body)
			}
			if diff := cmp.Diff(test.want, w.staged[0].Chunking); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChunkingsThatCantBe(t *testing.T) {
	const collections, documents = "/api/v1/collections", "/api/v1/collections/c/documents"
	unknown, unknownForm := fieldsAndFile(t, "chunking", `{"strategy":"words"}`)
	broken, brokenForm := fieldsAndFile(t, "chunking", `{`)
	tests := []struct {
		name, method, path, body string
		change                   func(*http.Request)
		pointer                  string
	}{
		{"strategy of a collection", http.MethodPost, collections, `{"name":"n","chunking":{"strategy":"words"}}`, nil, "/chunking/strategy"},
		{"a member there is not", http.MethodPost, collections, `{"name":"n","chunking":{"size":9}}`, nil, "/chunking/size"},
		{"size of a collection", http.MethodPost, collections, `{"name":"n","chunking":{"max_tokens":3}}`, nil, "/chunking/max_tokens"},
		{"overlap of a change", http.MethodPatch, collections + "/c", `{"chunking":{"max_tokens":64,"overlap":40}}`, nil, "/chunking/overlap"},
		{"min_tokens of a change", http.MethodPatch, collections + "/c", `{"chunking":{"max_tokens":64,"min_tokens":40}}`, nil, "/chunking/min_tokens"},
		{"parents of a change", http.MethodPatch, collections + "/c", `{"chunking":{"parent_tokens":400}}`, nil, "/chunking/parent_tokens"},
		{"strategy of a document", http.MethodPost, documents, `{"documents":[{"text":"x"},{"text":"y","chunking":{"strategy":"words"}}]}`, nil, "/documents/1/chunking/strategy"},
		{"more than is read", http.MethodPost, documents, `{"documents":[{"text":"x"},{"text":"y","chunking":{"max_tokens":500}}]}`, nil, "/documents/1/chunking/max_tokens"},
		{"of a request", http.MethodPost, documents, `{"documents":[{"text":"x"}],"chunking":{"max_tokens":500}}`, nil, "/chunking/max_tokens"},
		{"of chunks", http.MethodPost, documents, `{"documents":[{"chunks":[{"text":"x"}],"chunking":{"max_tokens":100}}]}`, nil, "/documents/0/chunking"},
		{"in the address", http.MethodPut, documents + "/d?chunking=" + url.QueryEscape(`{"max_tokens":500}`), `{"text":"x"}`, nil, "/chunking/max_tokens"},
		{"in a form", http.MethodPost, documents, unknown, unknownForm, "/chunking/strategy"},
		{"no JSON in a form", http.MethodPost, documents, broken, brokenForm, "/chunking"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &world{}
			answer := ask(newServer(t, w), test.method, test.path, test.body, test.change)
			p := problem(t, answer)
			if p.Status/100 != 4 || len(p.Errors) != 1 || p.Errors[0].Pointer != test.pointer {
				t.Errorf("%d: got %+v, want a pointer to %s", p.Status, p, test.pointer)
			}
		})
	}
}

func TestPatchCollection(t *testing.T) {
	answer := ask(newServer(t, &world{}), http.MethodPatch, "/api/v1/collections/c", `{"chunking":{"strategy":"parent-child"}}`, nil)
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"strategy":"parent-child","max_tokens":128,"overlap":32,"min_tokens":32,"parent_tokens":1024`) {
		t.Errorf("got %d: %s", answer.Code, answer.Body)
	}
}
