package parse

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// formatFunc is a parser double.
type formatFunc func() (rag.Parsed, error)

func (f formatFunc) Parse(context.Context, io.ReadSeeker, int64) (rag.Parsed, error) { return f() }

func TestAStuckParserIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := New(Options{})
		r.formats["stuck"] = formatFunc(func() (rag.Parsed, error) {
			<-release
			return rag.Parsed{Text: "late"}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := r.Parse(ctx, "stuck", strings.NewReader("x"), 1)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Minute+grace {
			t.Errorf("got %v after %s", err, took)
		}
		close(release)
	})
}

func TestAPanicIsAnError(t *testing.T) {
	r := New(Options{})
	r.formats["bad"] = formatFunc(func() (rag.Parsed, error) { panic("library bug") })
	_, err := r.Parse(t.Context(), "bad", strings.NewReader("x"), 1)
	var p *rag.Problem
	if !errors.As(err, &p) || p.Code != "parse_failed" || strings.Contains(p.Message, "library bug") || !strings.Contains(err.Error(), "library bug") {
		t.Errorf("got %v", err)
	}
}

func TestTooMuchText(t *testing.T) {
	r := New(Options{MaxText: 10})
	if _, err := r.Parse(t.Context(), TypeText, strings.NewReader("eleven bytes"), 12); !errors.Is(err, rag.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}
