package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/docs/examples/go/redkite"
	"github.com/redkite/redkite/internal/llm/llmtest"
	"github.com/redkite/redkite/internal/rag"
)

// TestGoClient has the package that chatbots import meet what fails: TestExamples runs what goes well.
func TestGoClient(t *testing.T) {
	model := llmtest.New(llmtest.Say("They "), llmtest.Raw("data: }{\n\n"))
	t.Cleanup(model.Close)
	set := settings(t, t.TempDir())
	set.LoopbackWithoutKey = false
	answersWith(&set, model.BaseURL())
	s := start(t, set)
	c := redkite.New(s.base, redkite.Options{Key: s.key(rag.DefaultTenant, rag.ScopeWrite)})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	refused := func(err error, status int, code string) *redkite.Error {
		t.Helper()
		var e *redkite.Error
		if !errors.As(err, &e) || e.Status != status || e.Code != code || e.Message == "" || e.RequestID == "" {
			t.Fatalf("got %v, want %d %s", err, status, code)
		}
		return e
	}
	refused(redkite.New(s.base, redkite.Options{}).DeleteCollection(ctx, "birds"), 401, "unauthorized")
	_, err := c.Search(ctx, "birds", redkite.Search{Query: "q"})
	refused(err, 404, "collection_not_found")
	birds := redkite.NewCollection{Name: "birds", Fields: []redkite.Field{{Name: "year", Type: "int"}}}
	if err := c.CreateCollection(ctx, birds); err != nil {
		t.Fatal(err)
	}
	refused(c.CreateCollection(ctx, birds), 409, "collection_exists")

	put, err := c.PutText(ctx, "birds", redkite.NewDocument{ID: "a/kite", Chunks: []redkite.NewChunk{{Text: "It has a forked tail.", Page: 3}}, Metadata: map[string]any{"year": 1758}})
	if err == nil {
		err = c.Wait(ctx, put.Jobs()...)
	}
	if err != nil {
		t.Fatal(err)
	}
	broken, err := c.Upload(ctx, "birds", redkite.File{ID: "broken", Name: "broken.pdf", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("%PDF-1.7\nnothing more")), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var failed *redkite.JobError
	if err := c.Wait(ctx, broken.Jobs()...); !errors.As(err, &failed) || failed.Job.DocumentID != "broken" || failed.Job.Error.Code != "parse_error" {
		t.Errorf("a damaged file: %v", err)
	}

	search := redkite.Search{Query: "Which bird has a forked tail?", Filter: redkite.Filter{"type": "eq", "key": "year", "value": 1758}}
	found, err := c.Search(ctx, "birds", search)
	if err != nil || len(found.Hits) != 1 || found.Hits[0].DocumentID != "a/kite" || found.Hits[0].PageStart != 3 || found.Hits[0].Scores.Relevance == nil || found.Hits[0].ChunkID == 0 {
		t.Errorf("%+v, %v", found, err)
	}
	_, err = c.Search(ctx, "birds", redkite.Search{Query: "q", Filter: redkite.Filter{"type": "like"}})
	refused(err, http.StatusBadRequest, "invalid")

	_, err = c.Ask(ctx, "birds", redkite.Question{Search: search})
	if e := refused(err, 502, "llm_garbled"); len(e.Passages) != 1 || e.Passages[0].DocumentID != "a/kite" {
		t.Errorf("the passages are %+v", e.Passages)
	}
	var seen []redkite.Event
	for event, failed := range c.Stream(ctx, "birds", redkite.Question{Search: search}) {
		if err = failed; err == nil {
			seen = append(seen, event)
		}
	}
	refused(err, 502, "llm_garbled")
	if len(seen) == 0 || seen[0].Passages == nil || len(seen[0].Passages.Passages) != 1 {
		t.Errorf("the stream had %+v", seen)
	}

	if err := c.Delete(ctx, "birds", "a/kite"); err != nil {
		t.Fatal(err)
	}
	if found, err := c.Search(ctx, "birds", search); err != nil || len(found.Hits) != 0 {
		t.Errorf("a deleted document: %+v, %v", found, err)
	}
	_, err = c.GetDocument(ctx, "birds", "a/kite")
	refused(err, 404, "document_not_found")
}
