package ingest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/rag"
)

// memory keeps originals in memory.
type memory map[string]string

func (m memory) Put(_ context.Context, key string, r io.Reader) error {
	raw, err := io.ReadAll(r)
	m[key] = string(raw)
	return err
}

func (m memory) Open(context.Context, string) (io.ReadSeekCloser, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

func (m memory) Delete(_ context.Context, key string) error {
	delete(m, key)
	return nil
}

// failing fails every commit.
type failing struct{ err error }

func (f failing) PutDocuments(context.Context, rag.CollectionID, []Staged) ([]Accepted, error) {
	return nil, f.err
}

func intake(blobs memory, documents Documents) *Intake {
	return &Intake{
		Blobs: blobs, Documents: documents, NewKey: func() string { return "key" }, MaxBytes: 100,
		Check: func([]rag.Field, rag.Metadata) error { return nil },
	}
}

// TestCommitKeepsWhatMayBeNamed fails commits. Bytes go where nothing names them, and stay where that is not known: the
// catalog may name them.
func TestCommitKeepsWhatMayBeNamed(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		kept int
	}{
		"refused":   {rag.Invalid("", "no"), 0},
		"away":      {rag.Unavailable("catalog", errors.New("refused")), 0},
		"uncertain": {rag.Unavailable("catalog", ErrUncertain), 1},
	} {
		t.Run(name, func(t *testing.T) {
			blobs := memory{}
			in := intake(blobs, failing{test.err})
			staged, err := in.Stage(t.Context(), rag.Collection{}, Upload{Text: "kites"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := in.Commit(t.Context(), rag.Collection{}, []Staged{staged}); !errors.Is(err, test.err) {
				t.Errorf("commit: %v", err)
			}
			if len(blobs) != test.kept {
				t.Errorf("%d originals left, want %d", len(blobs), test.kept)
			}
		})
	}
}

func TestStageRefusesIDsThatAreNoText(t *testing.T) {
	for _, id := range []string{"a\x00", "a\xff"} {
		blobs := memory{}
		_, err := intake(blobs, nil).Stage(t.Context(), rag.Collection{}, Upload{ExternalID: id, Text: "kites"})
		var p *rag.Problem
		if !errors.As(err, &p) || !errors.Is(err, rag.ErrInvalid) || p.Pointer != "/id" || strings.Contains(p.Message, "\x00") || len(blobs) != 0 {
			t.Errorf("id %q: %v, %d originals", id, err, len(blobs))
		}
	}
}
