package app

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// text reads a document's text.
func (s *server) text(want int, path string) string {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), "GET", s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		s.t.Fatalf("GET %s: %v, got %d, want %d: %s", path, err, response.StatusCode, want, raw)
	}
	return string(raw)
}

// TestSpansSliceTheText reads the text of documents of each kind, and finds every hit in it at its span.
func TestSpansSliceTheText(t *testing.T) {
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "texts", "chunking": object{"max_tokens": 40, "overlap": 10}})
	var guide strings.Builder
	for i := range 20 {
		fmt.Fprintf(&guide, "# Höhe %d\n\nDer Rotmilan 🪁 kreist über Hügel %d. Er frisst Aas, und er nistet in Bäumen am Waldrand.\n\n| Monat | Paare |\n|---|---|\n| März | %d |\n\n", i, i, i)
	}
	s.upload(200, "texts", map[string][]byte{
		"guide.md":   []byte(guide.String()),
		"page.html":  []byte("<html><head><title>Öffnungszeiten</title></head><body><nav>Home Shop</nav><article><h1>Öffnungszeiten</h1><p>Das Museum der Milane ist von zehn bis sechs geöffnet, und montags geschlossen.</p><ul><li>Kinder zahlen nichts</li></ul></article></body></html>"),
		"report.pdf": pdf(t, "The first page is about kites, which grew in every region.", "The second page is about staff: forty kites joined."),
	})
	s.json(200, "POST", "/api/v1/collections/texts/documents?wait=60s", uploads(object{"id": "own", "chunks": []object{
		{"text": "Milane \x00 im Märzen"}, {"text": "and kites in May"},
	}}))
	seen := map[string]int{}
	for _, query := range []string{"Rotmilan", "museum", "kites", "staff", "März"} {
		for _, hit := range s.hits("texts", object{"query": query, "top_k": 50, "candidates": 50}) {
			id := hit["document_id"].(string)
			span := hit["span"].(object)
			path := "/api/v1/collections/texts/documents/" + url.PathEscape(id) + "/text"
			runes := []rune(s.text(200, path))
			from, to := int(span["start"].(float64)), int(span["end"].(float64))
			want := hit["text"].(string)
			if to > len(runes) || string(runes[from:to]) != want {
				t.Errorf("%s: the text at %v is not %q", id, span, want)
			}
			if got := s.text(200, fmt.Sprintf("%s?start=%d&end=%d", path, from, to)); got != want {
				t.Errorf("%s: asked for %v: %q, want %q", id, span, got, want)
			}
			name, _ := hit["filename"].(string)
			seen[cmp.Or(name, id)]++
		}
	}
	if len(seen) != 4 || seen["guide.md"] < 10 {
		t.Errorf("hits by document: %v", seen)
	}
	s.text(404, "/api/v1/collections/texts/documents/none/text")
	s.text(404, "/api/v1/collections/none/documents/own/text")
	empty := s.json(200, "POST", "/api/v1/collections/texts/documents?wait=60s", uploads(object{"id": "marks", "text": "*** --- !!!"}))
	if d := empty["documents"].([]any)[0].(object); d["status"] != "failed" || d["error"].(object)["code"] != "empty" {
		t.Errorf("a document without a word: %v", d)
	}
	s.text(404, "/api/v1/collections/texts/documents/marks/text")
	guessed := s.upload(200, "texts", map[string][]byte{"old.txt": []byte("Die H\xf6he der Milane")})
	if d := guessed["documents"].([]any)[0].(object); d["status"] != "ready_with_warnings" || d["warnings"].([]any)[0].(object)["code"] != "encoding_guessed" {
		t.Errorf("a document in Windows-1252: %v", d)
	}
	shown := s.json(200, "GET", fmt.Sprint("/api/v1/collections/texts/documents/", guessed["documents"].([]any)[0].(object)["document_id"]), nil)
	if w := shown["warnings"].([]any); len(w) != 1 || w[0].(object)["code"] != "encoding_guessed" {
		t.Errorf("shown: %v", shown)
	}
}
