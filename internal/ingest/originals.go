package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Comparison is what a reconciliation was asked, as its params; empty params ask for a plain one.
type Comparison struct {
	DryRun    bool `json:"dry_run,omitempty"`   // report only, repair nothing
	Originals bool `json:"originals,omitempty"` // look for originals that no document needs too
}

// Originals is the store of originals as a sweep sees it.
type Originals interface {
	// List visits the originals, also those that were left half written, which were last written before a time.
	List(ctx context.Context, before time.Time, visit func(key string) error) error
	Delete(ctx context.Context, key string) error
}

// Needs tells which of some originals a version of any document names, of all collections.
type Needs interface {
	NeededBlobs(ctx context.Context, keys []string) ([]string, error)
}

const (
	// originalAge is how old an original has to be before it may be taken for left behind: an upload names its original
	// in the catalog minutes after it is written, at most.
	originalAge = 24 * time.Hour
	// originalsBatch is how many originals are looked up at once.
	originalsBatch = 500
	// fewOriginals is how many left behind are removed whatever the store holds besides.
	fewOriginals = 100
)

// sweepOriginals finds, and removes, the originals that no version names: what a crash or a lost store has left. Where
// most of the store is like that, it is taken for another catalog's, and nothing is removed.
func (r *reconciling) sweepOriginals(ctx context.Context) error {
	needed := 0
	var orphans, batch []string
	look := func() error {
		named, err := r.Needs.NeededBlobs(ctx, batch)
		if err != nil {
			return fmt.Errorf("look up %d originals: %w", len(batch), err)
		}
		needed += len(named)
		orphans = append(orphans, slices.DeleteFunc(batch, func(key string) bool { return slices.Contains(named, key) })...)
		batch = batch[:0]
		return nil
	}
	if err := r.Originals.List(ctx, r.now().Add(-originalAge), func(key string) error {
		if batch = append(batch, key); len(batch) < originalsBatch {
			return nil
		}
		return look()
	}); err != nil {
		return fmt.Errorf("list originals: %w", err)
	}
	if err := look(); err != nil {
		return err
	}
	r.found.Originals = len(orphans)
	if !r.repair {
		return nil
	}
	if len(orphans) > max(needed, fewOriginals) {
		return &rag.Problem{
			Kind: rag.ErrConflict, Code: "originals_of_others",
			Message: fmt.Sprintf("%d of the %d older originals in the store are not this catalog's: it may be another redkite's store, or the catalog an old one; none was removed",
				len(orphans), len(orphans)+needed),
		}
	}
	for _, key := range orphans {
		if err := r.Originals.Delete(ctx, key); err != nil {
			return fmt.Errorf("remove original %s: %w", key, err)
		}
		r.found.OriginalsRemoved++
	}
	return nil
}

func (r *reconciling) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}
