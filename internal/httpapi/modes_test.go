package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

func TestSearchModes(t *testing.T) {
	const search = "/api/v1/collections/c/search"
	usual := retrieve.DefaultFusion()
	tests := []struct {
		name, body string
		collection rag.Mode
		mode       rag.Mode
		fusion     rag.Fusion
		refused    string // pointer; empty for none
	}{
		{"none", `{"query":"q"}`, "", "", usual, ""},
		{"the collection's", `{"query":"q"}`, rag.ModeHybrid, rag.ModeHybrid, usual, ""},
		{"the request's", `{"query":"q","mode":"lexical"}`, rag.ModeHybrid, rag.ModeLexical, usual, ""},
		{"fusion", `{"query":"q","mode":"hybrid","fusion":{"method":"rrf","dense":1,"lexical":0}}`, "", rag.ModeHybrid, rag.Fusion{Method: rag.FusionRRF, Dense: 1}, ""},
		{"fusion in part", `{"query":"q","fusion":{"lexical":0.5}}`, rag.ModeHybrid, rag.ModeHybrid, rag.Fusion{Method: rag.FusionScore, Dense: 0.7, Lexical: 0.5}, ""},
		{"fusion of what nobody chose", `{"query":"q","fusion":{"method":"rrf"}}`, "", "", rag.Fusion{Method: rag.FusionRRF, Dense: 0.7, Lexical: 0.3}, ""},
		{"fusion of one search", `{"query":"q","fusion":{"method":"rrf"}}`, rag.ModeDense, "", usual, "/fusion"},
		{"no weights", `{"query":"q","mode":"hybrid","fusion":{"dense":0,"lexical":0}}`, "", "", usual, "/fusion"},
		{"unknown mode", `{"query":"q","mode":"sparse"}`, "", "", usual, "/mode"},
		{"unknown method", `{"query":"q","mode":"hybrid","fusion":{"method":"sum"}}`, "", "", usual, "/fusion/method"},
		{"a weight below 0", `{"query":"q","mode":"hybrid","fusion":{"dense":-1}}`, "", "", usual, "/fusion/dense"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &world{mode: test.collection}
			answer := ask(newServer(t, w), http.MethodPost, search, test.body, nil)
			if test.refused != "" {
				if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), `"`+test.refused+`"`) {
					t.Errorf("%d %s, want 400 that points at %s", answer.Code, answer.Body, test.refused)
				}
				return
			}
			if answer.Code != http.StatusOK || w.asked.Mode != test.mode {
				t.Fatalf("%d %s, mode %q", answer.Code, answer.Body, w.asked.Mode)
			}
			if diff := cmp.Diff(test.fusion, w.asked.Fusion); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPatchMode(t *testing.T) {
	w := &world{}
	server := newServer(t, w)
	answer := ask(server, http.MethodPatch, "/api/v1/collections/c", `{"mode":"hybrid"}`, nil)
	if answer.Code != http.StatusOK || w.mode != rag.ModeHybrid || !strings.Contains(answer.Body.String(), `"mode":"hybrid"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer = ask(server, http.MethodPatch, "/api/v1/collections/c", `{"mode":"best"}`, nil); answer.Code != http.StatusBadRequest {
		t.Errorf("an unknown mode: %d %s", answer.Code, answer.Body)
	}
	if answer = ask(server, http.MethodPatch, "/api/v1/collections/c", `{}`, nil); answer.Code != http.StatusBadRequest {
		t.Errorf("nothing: %d %s", answer.Code, answer.Body)
	}
}
