package httpapi

import (
	"context"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// TestProblemsNameThePathThatWasAsked sees the address of a verb as the client wrote it, wherever a request is refused.
func TestProblemsNameThePathThatWasAsked(t *testing.T) {
	for _, test := range []struct {
		method, path, instance string
		status                 int
	}{
		{"POST", "/api/v1/jobs/x:cancel", "/api/v1/jobs/x:cancel", 400}, // by huma
		{"POST", "/api/v1/collections/none:rebuild?x=1", "/api/v1/collections/none:rebuild", 404},
		{"POST", "/api/v1/collections/none/documents/a%2Fb:retry", "/api/v1/collections/none/documents/a/b:retry", 404},
		{"POST", "/api/v1/nothing:cancel", "/api/v1/nothing:cancel", 404}, // by gin
		{"POST", "/api/v1/jobs/1/events:cancel", "/api/v1/jobs/1/events:cancel", 404},
		{"GET", "/api/v1/collections/none", "/api/v1/collections/none", 404},
		{"GET", "/api/v1/jobs/7:cancel", "/api/v1/jobs/7:cancel", 405},
		{"DELETE", "/api/v1/collections/c:rebuild", "/api/v1/collections/c:rebuild", 405},
		{"GET", "/api/v1/collections/none/documents/a:retry", "/api/v1/collections/none/documents/a:retry", 404}, // a document of that id
	} {
		s := newServer(t, &world{})
		s.deps.Upkeep = noUpkeep{}
		if p := problem(t, ask(s, test.method, test.path, "", nil)); p.Instance != test.instance || p.Status != test.status {
			t.Errorf("%s %s: got %d %q: %s", test.method, test.path, p.Status, p.Instance, p.Detail)
		}
	}
}

// noUpkeep knows no collection.
type noUpkeep struct{}

func (noUpkeep) AddCollectionJob(_ context.Context, _, collection string, _ rag.JobKind, _ string) (rag.Job, error) {
	return rag.Job{}, rag.NotFound("there is no collection %q", collection)
}
