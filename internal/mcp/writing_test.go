package mcp

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestToolsThatWriteAreForThoseWhoMay(t *testing.T) {
	reads := []string{"fetch", "list_collections", "read_neighbours", "search", "search_documents"}
	for _, may := range []bool{false, true} {
		s := newShelf()
		for name, session := range connect(t, s, Options{MayWrite: may}) {
			want := reads
			if may {
				want = append([]string{"add_document", "delete_document"}, reads...)
			}
			listed, err := session.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range listed.Tools {
				names = append(names, tool.Name)
				if writes := !slices.Contains(reads, tool.Name); tool.Annotations.ReadOnlyHint == writes || tool.OutputSchema == nil {
					t.Errorf("%s: %s has the hints %+v", name, tool.Name, tool.Annotations)
				}
			}
			slices.Sort(names)
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s: may write %v: %s", name, may, diff)
			}
			_, addFailure := call(t, session, "add_document", map[string]any{"collection": "birds", "id": "kite", "text": "It soars."})
			_, deleteFailure := call(t, session, "delete_document", map[string]any{"collection": "birds", "document_id": "kite"})
			if may != (addFailure == "" && deleteFailure == "") || !may && !strings.Contains(addFailure+deleteFailure, "an API key that may write") {
				t.Errorf("%s: may write %v: %q, %q", name, may, addFailure, deleteFailure)
			}
		}
		if may != (len(s.added) == 2 && len(s.deleted) == 2) {
			t.Errorf("may write %v: %d added, %d deleted", may, len(s.added), len(s.deleted))
		}
	}
}
