package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/httpapi"
	"github.com/redkite/redkite/internal/rag"
)

// wordless finds the collections whose words can't be searched until they are rebuilt, for /readyz.
type wordless struct {
	all     func(ctx context.Context) ([]rag.Collection, error) // of all tenants
	lexical func(ctx context.Context, c rag.Collection) (rag.Lexical, error)

	turn  chan struct{} // holds one token: who has it may look and change what is below
	found shortfall
	until time.Time // found is good
}

// shortfall is what was found.
type shortfall struct {
	wordless []rag.Collection
	none     bool // the server can't hold any collection's words
}

func newWordless(all func(context.Context) ([]rag.Collection, error), lexical func(context.Context, rag.Collection) (rag.Lexical, error)) *wordless {
	w := &wordless{all: all, lexical: lexical, turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w
}

const (
	// wordlessFor is how long an answer is good: probes come every few seconds, and each collection is a call of Milvus.
	wordlessFor = 30 * time.Second
	// maxNamed bounds the collections that are named.
	maxNamed = 20
)

// check tells of it. Those of the tenant who asks are named, those of others are only counted. It is no reason not to be
// ready, and what keeps Milvus from answering is another check's matter.
func (w *wordless) check(ctx context.Context) (string, error) {
	found, err := w.look(ctx)
	if err != nil {
		return "not known: " + err.Error(), nil
	}
	if found.none {
		return "unsupported: this version of Milvus can't hold term vectors", nil
	}
	if len(found.wordless) == 0 {
		return "every collection can be searched by its words", nil
	}
	var names []string
	for _, c := range found.wordless {
		if c.Tenant == httpapi.Tenant(ctx) {
			names = append(names, c.Name)
		}
	}
	return describeWordless(names, len(found.wordless)-len(names)), nil
}

// describeWordless names some, and counts the rest and those of others.
func describeWordless(names []string, others int) string {
	total := len(names) + others
	text := fmt.Sprintf("degraded: %d need a rebuild before their words can be searched", total)
	slices.Sort(names)
	if len(names) == 0 {
		return text + " ('redkite rebuild NAME'); ask with an API key to have yours named"
	}
	shown := names[:min(maxNamed, len(names))]
	text += " ('redkite rebuild NAME'): " + strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	if others > 0 {
		text += fmt.Sprintf("; %d of other tenants", others)
	}
	return text
}

// look finds them, one caller at a time; the others have what it found.
func (w *wordless) look(ctx context.Context) (shortfall, error) {
	select {
	case <-w.turn:
		defer func() { w.turn <- struct{}{} }()
	case <-ctx.Done():
		return shortfall{}, ctx.Err()
	}
	if time.Now().Before(w.until) {
		return w.found, nil
	}
	all, err := w.all(ctx)
	if err != nil {
		return shortfall{}, err
	}
	var found shortfall
	for _, c := range all {
		state, err := w.lexical(ctx, c)
		if err != nil {
			return shortfall{}, err
		}
		found.none = found.none || state == rag.LexicalUnsupported
		if state == rag.LexicalNeedsRebuild {
			found.wordless = append(found.wordless, c)
		}
	}
	w.found, w.until = found, time.Now().Add(wordlessFor)
	return found, nil
}
