package retrieve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// TermIndex finds the chunks whose term vectors have the largest inner product with a query's, best first. An error of
// kind rag.ErrDenseOnly says that it has none, and its code why.
type TermIndex interface {
	SearchTerms(ctx context.Context, c rag.Collection, query rag.TermVector, limit int, f *rag.Filter) ([]rag.Candidate, error)
}

// Vocabulary knows the terms of a collection's live chunks.
type Vocabulary interface {
	// Languages counts the chunks by language, those of most chunks first.
	Languages(ctx context.Context, c rag.CollectionID) ([]rag.LanguageChunks, error)
	// Frequencies says in how many chunks each of the terms stands; those in none are left out.
	Frequencies(ctx context.Context, c rag.CollectionID, terms []uint32) (map[uint32]int, error)
}

// What a Result can say of a first stage of which one side is missing; the other gave the candidates. A side that has no
// vectors at all says so with the code of its error.
const (
	DegradedDenseFailed     = "dense_failed"
	DegradedDenseDeadline   = "dense_deadline"
	DegradedLexicalFailed   = "lexical_failed"
	DegradedLexicalDeadline = "lexical_deadline"
)

// sideShare is the part of the time that a query has left which each of two sides may take: the rest is for the other's
// candidates.
const sideShare = 0.5

// side is one of the searches of the first stage.
type side struct {
	mode             rag.Mode // the one that uses this side alone
	failed, deadline string   // what it is called when it is missing
	prepare          func(ctx context.Context) (search, error)

	search search
	limit  int
	found  []rag.Candidate
	err    error
	spent  time.Duration
}

// search finds a side's candidates, best first.
type search func(ctx context.Context, limit int) ([]rag.Candidate, error)

// firstStage finds the candidates of one wording of a query, best first, by the searches that its mode names. One that fails or is late
// leaves the other's, said in Result.Degraded; where lexical search alone was asked for and can't be, dense search takes
// its place. It fails where there is nothing to give.
func (r *Retriever) firstStage(ctx context.Context, q Query, res *Result) ([]rag.Hit, error) {
	dense, lexical := r.denseSide(q, &res.Timings), r.lexicalSide(q)
	var sides []*side
	switch q.Mode {
	case rag.ModeLexical:
		sides = []*side{lexical}
	case rag.ModeDense:
		sides = []*side{dense}
	default:
		sides = []*side{dense, lexical}
	}
	want := max(q.Candidates, q.TopK)
	sides, alive, err := r.vouched(ctx, q, sides, want, res)
	if err == nil && len(sides) == 0 {
		sides, alive, err = r.vouched(ctx, q, []*side{dense}, want, res)
	}
	res.Timings.Search, res.Timings.Lexical = max(0, dense.spent-res.Timings.Embed), lexical.spent
	if err != nil {
		return nil, err
	}
	hits := ordered(sides, alive, q.Fusion)
	return hits[:min(want, len(hits))], nil
}

// denseSide embeds the query and searches the vectors.
func (r *Retriever) denseSide(q Query, t *Timings) *side {
	return &side{
		mode: rag.ModeDense, failed: DegradedDenseFailed, deadline: DegradedDenseDeadline,
		prepare: func(ctx context.Context) (search, error) {
			began := time.Now()
			vector, err := r.embed(ctx, q)
			if err != nil {
				return nil, err
			}
			t.Embed = time.Since(began)
			return func(ctx context.Context, limit int) ([]rag.Candidate, error) {
				return r.Index.Search(ctx, q.Collection, vector, limit, q.Filter)
			}, nil
		},
	}
}

// lexicalSide weighs the query's terms and searches the term vectors.
func (r *Retriever) lexicalSide(q Query) *side {
	return &side{
		mode: rag.ModeLexical, failed: DegradedLexicalFailed, deadline: DegradedLexicalDeadline,
		prepare: func(ctx context.Context) (search, error) {
			languages, err := r.Vocabulary.Languages(ctx, q.Collection.ID)
			if err != nil {
				return nil, err
			}
			terms := r.Lexical.Query(q.Text, languages)
			frequencies, err := r.Vocabulary.Frequencies(ctx, q.Collection.ID, terms.Terms())
			if err != nil {
				return nil, err
			}
			vector := terms.Vector(frequencies)
			return func(ctx context.Context, limit int) ([]rag.Candidate, error) {
				return r.TermIndex.SearchTerms(ctx, q.Collection, vector, limit, q.Filter)
			}, nil
		},
	}
}

// run has the sides search at the same time, each within its part of the time, and gives those that have candidates to
// tell of. One that has not is noted. Where none has it is an error, unless dense search can take their place.
func (r *Retriever) run(ctx context.Context, q Query, sides []*side, res *Result) ([]*side, error) {
	alone := len(sides) == 1 && sides[0].mode == rag.ModeDense
	limited := ctx
	if deadline, ok := ctx.Deadline(); ok && !alone {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(sideShare*float64(time.Until(deadline))))
		defer cancel()
	}
	ask(limited, sides)
	var there []*side
	var failures []error
	for _, s := range sides {
		switch {
		case s.err == nil:
			there = append(there, s)
			continue
		case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled), errors.Is(s.err, rag.ErrInvalid), alone:
			return nil, fmt.Errorf("search collection %s: %w", q.Collection.Name, s.err)
		}
		failures = append(failures, s.err)
		if q.Mode != "" || !errors.Is(s.err, rag.ErrDenseOnly) {
			res.Degraded = append(res.Degraded, r.missing(ctx, s))
		}
	}
	if len(there) == 0 && q.Mode != rag.ModeLexical {
		return nil, fmt.Errorf("search collection %s: %w", q.Collection.Name, errors.Join(failures...))
	}
	return there, nil
}

// missing tells what became of a side that gave nothing.
func (r *Retriever) missing(ctx context.Context, s *side) string {
	var why *rag.Problem
	switch {
	case errors.Is(s.err, rag.ErrDenseOnly) && errors.As(s.err, &why):
		return why.Code
	case errors.Is(s.err, context.DeadlineExceeded):
		return s.deadline
	}
	r.Log.ErrorContext(ctx, "search one side", "side", s.mode, "error", s.err)
	return s.failed
}

// ask has the sides search at the same time.
func ask(ctx context.Context, sides []*side) {
	if len(sides) == 1 {
		sides[0].ask(ctx)
		return
	}
	var wg sync.WaitGroup
	for _, s := range sides {
		wg.Go(func() { s.ask(ctx) })
	}
	wg.Wait()
}

func (s *side) ask(ctx context.Context) {
	began := time.Now()
	defer func() { s.spent += time.Since(began) }()
	if s.search == nil {
		if s.search, s.err = s.prepare(ctx); s.err != nil {
			return
		}
	}
	s.found, s.err = s.search(ctx, s.limit)
	slices.SortFunc(s.found, func(a, b rag.Candidate) int { // equal scores come in any order
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Chunk, b.Chunk))
	})
}

// vouched has the sides search and reads from the catalog which of their candidates are live; the others are left out.
// Where dead rows took places (those of a replaced or deleted document that are not yet removed) the sides are asked for
// more; where documents changed since the searches began, once more. It gives the sides that did not fail, at first or
// then.
func (r *Retriever) vouched(ctx context.Context, q Query, sides []*side, want int, res *Result) ([]*side, map[rag.ChunkID]rag.Hit, error) {
	for _, s := range sides {
		s.limit = want
	}
	var before liveness
	for looks := 1; ; looks++ {
		began := time.Now()
		var err error
		if sides, err = r.run(ctx, q, sides, res); err != nil || len(sides) == 0 {
			return nil, nil, err
		}
		looked := time.Now()
		ids := candidatesOf(sides)
		alive, err := r.live(ctx, q.Collection.ID, ids)
		if err != nil {
			return nil, nil, err
		}
		res.Timings.Live += time.Since(looked)
		more := false
		for _, s := range sides {
			more = s.keep(alive, want) || more
		}
		if !more && (looks >= maxLooks || before.settled(began, alive, ids)) {
			return sides, alive, nil
		}
		before = look(alive, ids)
	}
}

// keep leaves a side's dead candidates out. Where they took places of others it sets a higher limit, and says so.
func (s *side) keep(alive map[rag.ChunkID]rag.Hit, want int) (more bool) {
	found := len(s.found)
	s.found = slices.DeleteFunc(s.found, func(c rag.Candidate) bool { _, ok := alive[c.Chunk]; return !ok })
	dead := found - len(s.found)
	if dead == 0 || len(s.found) >= want || found < s.limit || s.limit >= maxFetch {
		return false
	}
	s.limit = min(maxFetch, 2*(s.limit+dead))
	return true
}

// candidatesOf gives the chunks that the sides found, each once.
func candidatesOf(sides []*side) []rag.ChunkID {
	var ids []rag.ChunkID
	for _, s := range sides {
		for _, f := range s.found {
			ids = append(ids, f.Chunk)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// live reads those of the candidates that the catalog vouches for.
func (r *Retriever) live(ctx context.Context, c rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	alive, err := r.Live.LiveHits(ctx, c, ids)
	if err != nil {
		return nil, fmt.Errorf("read %d candidates: %w", len(ids), err)
	}
	return alive, nil
}
