package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// TestReplaceEmbedsWhatChanged counts what the encoder is given when one paragraph of 200 changes.
func TestReplaceEmbedsWhatChanged(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*desk)
		text     string
		embedded int
	}{
		"one paragraph":        {func(*desk) {}, lines(200, 77), 1},
		"nothing":              {func(*desk) {}, lines(200), 0},
		"one more at the end":  {func(*desk) {}, lines(201), 1},
		"the title":            {func(d *desk) { d.task.Document.Title = "Buzzards" }, lines(200), 200},
		"a vector is lost":     {func(d *desk) { delete(d.vectors, 1005) }, lines(200, 77), 2},
		"a vector is broken":   {func(d *desk) { d.vectors[1005] = rag.Embedding{0, 0, 0, 0} }, lines(200, 77), 2},
		"of another dimension": {func(d *desk) { d.vectors[1005] = rag.Embedding{1} }, lines(200), 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk()
			d.upload(lines(200))
			handle(t, d)
			if len(d.embedded) != 200 || d.reused != 0 {
				t.Fatalf("the first version: %d embedded, %d reused", len(d.embedded), d.reused)
			}
			before := d.vectors[1010]
			d.upload(test.text)
			test.change(d)
			handle(t, d)
			if len(d.embedded) != test.embedded {
				t.Errorf("embedded %d texts, want %d: %q", len(d.embedded), test.embedded, d.embedded[:min(3, len(d.embedded))])
			}
			n := strings.Count(test.text, "\n") + 1
			if d.reused != n-test.embedded {
				t.Errorf("reused %d of %d", d.reused, n)
			}
			if len(d.vectors) != n || len(d.rows) != n {
				t.Errorf("%d vectors and %d rows are left, want %d", len(d.vectors), len(d.rows), n)
			}
			if test.embedded < 200 && !cmp.Equal(before, d.vectors[2010]) {
				t.Errorf("chunk 10 has %v, had %v", d.vectors[2010], before)
			}
		})
	}
}

// TestSameBytesAreNotParsed changes a document's metadata: neither its original nor the parser nor the encoder is needed.
func TestSameBytesAreNotParsed(t *testing.T) {
	d := newDesk()
	d.upload(lines(100))
	handle(t, d)
	d.upload(lines(100))
	d.task.Same, d.task.Document.Metadata = true, rag.Metadata{"year": 2026}
	d.fail = func(at string) error {
		switch at {
		case "open", "parse", "embed", "stage parse":
			return fmt.Errorf("asked to %s", at)
		}
		return nil
	}
	handle(t, d)
	if d.task.Document.LiveVersion != 2 || d.reused != 100 || len(d.rows) != 100 || len(d.vectors) != 100 {
		t.Errorf("version %d is live, %d reused, %d rows, %d vectors", d.task.Document.LiveVersion, d.reused, len(d.rows), len(d.vectors))
	}
}

// TestReplaceResumes breaks a replace at every step in turn, once or three times, and lets it run again: what is live is
// always whole, and at the end each vector is its text's.
func TestReplaceResumes(t *testing.T) {
	steps := []string{
		"task", "open", "parse", "add chunks", "end chunks", "live", "pending", "read vectors", "embed", "upsert", "mark", "visible", "publish", "dead", "delete", "forget",
		"ensure", "stage parse", "stage embed", "stage publish",
	}
	for _, step := range steps {
		for _, after := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s after %d", step, after), func(t *testing.T) {
				d := newDesk()
				d.upload(lines(100))
				handle(t, d)
				d.upload(lines(100, 5, 50, 95))
				passed, broken := 0, errors.New("pulled the plug")
				d.fail = func(at string) error {
					if at == step {
						if passed++; passed == after+1 {
							return broken
						}
					}
					return nil
				}
				err := d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest})
				if passed > after && !errors.Is(err, broken) {
					t.Fatalf("broken at %s: %v", step, err)
				}
				live := d.chunks(d.task.Document.LiveVersion)
				for _, ch := range live {
					if len(live) != 100 || d.vectors[ch.ID] == nil {
						t.Fatalf("version %d is live with %d chunks, and the index lacks chunk %d", d.task.Document.LiveVersion, len(live), ch.ID)
					}
				}
				d.fail = func(string) error { return nil }
				handle(t, d)
				if most := 3 + 2; len(d.embedded) > most { // what changed, and what of it had been lost with the batch
					t.Errorf("embedded %d texts, want at most %d", len(d.embedded), most)
				}
				if d.task.Document.LiveVersion != 2 || len(d.rows) != 100 || len(d.vectors) != 100 {
					t.Errorf("version %d is live with %d rows and %d vectors", d.task.Document.LiveVersion, len(d.rows), len(d.vectors))
				}
			})
		}
	}
}

// TestCleanUpResumes breaks the removal of what a failed replace left at every step in turn and lets it run again: the
// live version stays whole, and of the other nothing is left.
func TestCleanUpResumes(t *testing.T) {
	for _, step := range []string{"nothing", "task", "stage delete", "give up", "dead", "delete", "forget"} {
		t.Run(step, func(t *testing.T) {
			d := newDesk()
			d.upload(lines(100))
			handle(t, d)
			d.upload(lines(100, 5, 50, 95))
			marks, broken := 0, errors.New("pulled the plug")
			d.fail = func(at string) error {
				if at == "mark" {
					if marks++; marks == 2 { // the index has a batch that is not marked
						return broken
					}
				}
				return nil
			}
			if err := d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			if len(d.vectors) <= 100 {
				t.Fatal("nothing is left to remove")
			}
			d.fail = func(at string) error {
				if at == step {
					return broken
				}
				return nil
			}
			clean := func() error { return d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobCleanUp}) }
			if err := clean(); step != "nothing" && !errors.Is(err, broken) {
				t.Fatalf("broken at %s: %v", step, err)
			}
			d.fail = func(string) error { return nil }
			if err := clean(); err != nil {
				t.Fatal(err)
			}
			if len(d.rows) != 100 || len(d.vectors) != 100 || len(d.chunks(1)) != 100 {
				t.Errorf("%d rows and %d vectors are left, %d of them live", len(d.rows), len(d.vectors), len(d.chunks(1)))
			}
			d.givenUp = false
			handle(t, d) // retried
			if d.task.Document.LiveVersion != 2 || len(d.rows) != 100 || len(d.vectors) != 100 {
				t.Errorf("retried: version %d is live with %d rows and %d vectors", d.task.Document.LiveVersion, len(d.rows), len(d.vectors))
			}
		})
	}
}

func handle(t *testing.T, d *desk) {
	t.Helper()
	if err := d.worker().Handle(t.Context(), rag.Claim{}, rag.Job{Kind: rag.JobIngest}); err != nil {
		t.Fatal(err)
	}
}
