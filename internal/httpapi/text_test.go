package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// library holds one text.
type library struct{ text string }

type page struct{ *strings.Reader }

func (page) Close() error { return nil }

func (l library) OpenText(_ context.Context, _ rag.CollectionID, externalID string) (rag.Text, error) {
	if externalID != "sub/one" {
		return rag.Text{}, &rag.Problem{Kind: rag.ErrNotFound, Code: "no_live_version", Message: "nothing is live"}
	}
	return rag.Text{Document: 7, Version: 3, Size: int64(len(l.text)), Content: page{strings.NewReader(l.text)}}, nil
}

func TestTextOfADocument(t *testing.T) {
	const text = "Der Rotmilan 🪁 kreist über\n\nWäldern"
	s := newServer(t, &world{})
	s.deps.Texts = library{text}
	runes := []rune(text)
	for name, test := range map[string]struct {
		path   string
		header [2]string
		status int
		want   string // the body, or the problem's code
	}{
		"all":                  {"sub%2Fone/text", [2]string{}, 200, text},
		"a span":               {"sub%2Fone/text?start=13&end=24", [2]string{}, 200, string(runes[13:24])},
		"from a place on":      {"sub%2Fone/text?start=23", [2]string{}, 200, string(runes[23:])},
		"up to a place":        {"sub%2Fone/text?end=14", [2]string{}, 200, string(runes[:14])},
		"an end beyond":        {"sub%2Fone/text?start=23&end=1000", [2]string{}, 200, string(runes[23:])},
		"nothing at the end":   {"sub%2Fone/text?start=35", [2]string{}, 200, ""},
		"a start beyond":       {"sub%2Fone/text?start=1000", [2]string{}, 400, "invalid"},
		"an end before":        {"sub%2Fone/text?start=3&end=2", [2]string{}, 400, "invalid"},
		"no number":            {"sub%2Fone/text?start=x", [2]string{}, 400, "invalid"},
		"bytes":                {"sub%2Fone/text", [2]string{"Range", "bytes=4-11"}, 206, "Rotmilan"},
		"bytes of a span":      {"sub%2Fone/text?start=4&end=12", [2]string{"Range", "bytes=-3"}, 206, "lan"},
		"bytes beyond":         {"sub%2Fone/text", [2]string{"Range", "bytes=999-"}, 416, ""},
		"what the client has":  {"sub%2Fone/text", [2]string{"If-None-Match", `"7-3"`}, 304, ""},
		"an older version":     {"sub%2Fone/text", [2]string{"If-None-Match", `"7-2"`}, 200, text},
		"not live":             {"two/text", [2]string{}, 404, "no_live_version"},
		"another's collection": {"sub%2Fone/text", [2]string{"Authorization", "Bearer other"}, 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := ask(s, "GET", "/api/v1/collections/c/documents/"+test.path, "", func(r *http.Request) {
				if test.header[0] != "" {
					r.Header.Set(test.header[0], test.header[1])
				}
			})
			if answer.Code != test.status {
				t.Fatalf("got %d: %s", answer.Code, answer.Body)
			}
			switch answer.Code {
			case 400, 404:
				if p := problem(t, answer); p.Code != test.want {
					t.Errorf("got %s, want %s", p.Code, test.want)
				}
			case 200, 206:
				if h := answer.Header(); answer.Body.String() != test.want || h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("ETag") != `"7-3"` {
					t.Errorf("got %q, want %q; %v", answer.Body, test.want, h)
				}
			}
		})
	}
}
