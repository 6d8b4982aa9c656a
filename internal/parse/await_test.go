package parse

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// formatFunc is a parser double.
type formatFunc func(b *builder)

func (f formatFunc) Parse(_ context.Context, _ rag.Original, b *builder) error { f(b); return nil }

func TestAStuckParserIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := New(Options{})
		r.formats = append(r.formats, format{"stuck", nil, formatFunc(func(b *builder) {
			<-release
			b.add(rag.BlockParagraph, "late")
		})})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := r.Parse(ctx, rag.Original{ReadSeeker: strings.NewReader("x"), Size: 1, MediaType: "stuck"})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Minute+grace {
			t.Errorf("got %v after %s", err, took)
		}
		close(release)
	})
}

// TestStuckParsersAreBounded leaves two behind: no third is started before one of them ends.
func TestStuckParsersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var started atomic.Int32
		r := New(Options{})
		r.formats = append(r.formats, format{"stuck", nil, formatFunc(func(*builder) { started.Add(1); <-release })})
		parse := func(mediaType string) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := r.Parse(ctx, rag.Original{ReadSeeker: strings.NewReader("a word"), Size: 6, MediaType: mediaType})
			return err
		}
		for range mostLeft {
			if err := parse("stuck"); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		for _, mediaType := range []string{"stuck", TypeText} {
			if err := parse(mediaType); !errors.Is(err, rag.ErrUnavailable) || started.Load() != mostLeft {
				t.Errorf("%s: got %v, %d were started", mediaType, err, started.Load())
			}
		}
		close(release)
		synctest.Wait()
		if err := parse(TypeText); err != nil {
			t.Errorf("after they have ended: %v", err)
		}
	})
}

func TestAPanicIsAnError(t *testing.T) {
	r := New(Options{})
	r.formats = append(r.formats, format{"bad", nil, formatFunc(func(*builder) { panic("library bug") })})
	_, err := r.Parse(t.Context(), rag.Original{ReadSeeker: strings.NewReader("x"), Size: 1, MediaType: "bad"})
	var p *rag.Problem
	if !errors.As(err, &p) || p.Code != "parse_error" || strings.Contains(p.Message, "library bug") || !strings.Contains(err.Error(), "library bug") {
		t.Errorf("got %v", err)
	}
}

func TestTooMuchText(t *testing.T) {
	r := New(Options{MaxText: 10})
	if _, err := r.Parse(t.Context(), rag.Original{ReadSeeker: strings.NewReader("eleven bytes"), Size: 12, MediaType: TypeText}); !errors.Is(err, rag.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}
