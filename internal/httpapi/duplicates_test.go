package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// holder is a world that has the bytes of every upload already.
type holder struct{ world }

func (*holder) Commit(context.Context, rag.Collection, []ingest.Staged) ([]ingest.Accepted, error) {
	return nil, &rag.Problem{Kind: rag.ErrConflict, Code: "document_exists", Message: "there", Document: "reports/2026 #1"}
}

func TestConflictNamesTheDocument(t *testing.T) {
	s := newServer(t, &world{})
	s.deps.Intake = &holder{}
	p := problem(t, ask(s, "POST", "/api/v1/collections/c/documents", `{"documents":[{"text":"x"}]}`, nil))
	if p.Status != http.StatusConflict || p.DocumentID != "reports/2026 #1" || p.DocumentURL != "/api/v1/collections/c/documents/reports%2F2026%20%231" {
		t.Errorf("got %+v", p)
	}
}

func TestWhatIsSaidOfDuplicates(t *testing.T) {
	documents := "/api/v1/collections/c/documents"
	tests := []struct {
		method, path, body string
		on, by             string
		status             int
	}{
		{"POST", documents, `{"documents":[{"text":"x"}]}`, "", "", 202},
		{"POST", documents + "?on_duplicate=skip&duplicate_by=content", `{"documents":[{"text":"x"}]}`, "skip", "content", 202},
		{"POST", documents, `{"documents":[{"text":"x"}],"on_duplicate":"error","duplicate_by":"id"}`, "error", "id", 202},
		{"POST", documents + "?duplicate_by=hash", `{"documents":[{"text":"x"}]}`, "", "", 400},
		{"POST", documents + "?on_duplicate=keep", `{"documents":[{"text":"x"}]}`, "", "", 400},
		{"PUT", documents + "/a?on_duplicate=error", `{"text":"x"}`, "error", "", 202},
		{"PUT", documents + "/a?duplicate_by=content", `{"text":"x"}`, "", "", 400},
	}
	for _, test := range tests {
		w := &world{}
		answer := ask(newServer(t, w), test.method, test.path, test.body, nil)
		if answer.Code != test.status {
			t.Errorf("%s %s: got %d: %s", test.method, test.path, answer.Code, answer.Body)
		}
		if test.status == 202 && (len(w.staged) != 1 || w.staged[0].OnDuplicate != test.on || w.staged[0].DuplicateBy != test.by) {
			t.Errorf("%s %s: staged %+v", test.method, test.path, w.staged)
		}
	}
	form := "--b\r\nContent-Disposition: form-data; name=\"duplicate_by\"\r\n\r\ncontent\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nx\r\n--b--\r\n"
	w := &world{}
	answer := ask(newServer(t, w), "POST", documents, form, func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=b") })
	var got api.Uploaded
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || len(w.staged) != 1 || w.staged[0].DuplicateBy != "content" {
		t.Errorf("a form: %d %s, staged %+v", answer.Code, answer.Body, w.staged)
	}
}
