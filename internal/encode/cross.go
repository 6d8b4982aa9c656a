package encode

import (
	"context"
	"fmt"
	"sync"
)

// CrossSpec is what of a cross-encoder is not in its graph, and how much it may keep.
type CrossSpec struct {
	MaxTokens     int // in one run: query, passage and special tokens
	PassageTokens int // of a passage are read, the best window of it for the query; 0 reads it all
	KeptPassages  int // whose token ids are kept, so that only the query is tokenised; at most 4 bytes a token
	KeptScores    int // logits kept, by query and passage; about 120 bytes each
}

// CrossEncoder scores pairs of query and passage.
type CrossEncoder struct {
	session   Session
	tokenizer Tokenizer
	spec      CrossSpec
	lanes     *Lanes
	batches   batches
	tokens    *kept[digest, []int32]
	scores    *kept[pairDigest, float32]
}

// Pairs are a query and the passages to read it with, most promising first.
type Pairs struct {
	Query    string
	Passages []string

	// Sure is how many of the first passages are read whatever other work waits for the encoder; those after them are only
	// read while none does. 0 reads all whatever waits.
	Sure int

	// Enough is told the logits of the first passages, more each time, and says when no more are wanted. It is never
	// called by two goroutines at once. Nil wants all.
	Enough func(logits []float32) bool
}

// Scores are the logits of passages, by their place in the call; those not reached are not Scored.
type Scores struct {
	Logits []float32
	Scored []bool
	Count  int  // of Scored
	Kept   int  // of Count, those that were known from an earlier call
	Enough bool // Pairs.Enough ended it
	Busy   bool // it ended after Pairs.Sure because other work waited
}

// NewCrossEncoder puts a cross-encoder together; lanes are shared by all encoders of a process.
func NewCrossEncoder(s Session, t Tokenizer, spec CrossSpec, lanes *Lanes) *CrossEncoder {
	return &CrossEncoder{
		session: s, tokenizer: t, spec: spec, lanes: lanes,
		tokens: newKept[digest, []int32](spec.KeptPassages), scores: newKept[pairDigest, float32](spec.KeptScores),
	}
}

// Score reads the query together with each passage, in the order given, on the interactive lane. When ctx ends it
// returns what is scored so far with the context's error. Passages that are equal are read once.
func (e *CrossEncoder) Score(ctx context.Context, p Pairs) (Scores, error) {
	query, err := e.tokenizer.Encode(p.Query)
	if err != nil {
		return Scores{Logits: make([]float32, len(p.Passages)), Scored: make([]bool, len(p.Passages))}, err
	}
	s := newScoring(p)
	for i := range s.places {
		if logit, ok := e.scores.get(pairDigest{s.query, s.digests[i]}); ok {
			s.note(i, logit)
			s.kept += len(s.places[i])
		}
	}
	todo := s.missing()
	err = each(ctx, e.lanes, InteractiveLane, len(todo), s.over(e.lanes), func(ctx context.Context, n int) error {
		i := todo[n]
		logit, err := e.score(ctx, query, s.digests[i], p.Passages[s.places[i][0]])
		if err == nil {
			e.scores.add(pairDigest{s.query, s.digests[i]}, logit)
			s.note(i, logit)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("score %d of %d passages: %w", s.count, len(p.Passages), err)
	}
	return s.scores(), err
}

// Caches tells what the encoder keeps: scores of pairs, and token ids of passages.
func (e *CrossEncoder) Caches() (scores, passages Cache) { return e.scores.told(), e.tokens.told() }

func (e *CrossEncoder) score(ctx context.Context, query []int32, d digest, passage string) (logit float32, err error) {
	ids, ok := e.tokens.get(d)
	if !ok {
		if ids, err = e.tokenizer.Encode(passage); err != nil {
			return 0, err
		}
		if len(ids) <= e.spec.MaxTokens { // longer ones are rare, and can't be cut before the query's length is known
			e.tokens.add(d, ids)
		}
	}
	if e.spec.PassageTokens > 0 {
		ids = bestWindow(query, ids, e.spec.PassageTokens)
	}
	return e.logit(ctx, query, ids)
}

// logit runs the model on one pair.
func (e *CrossEncoder) logit(ctx context.Context, query, passage []int32) (logit float32, err error) {
	b := e.batches.get()
	defer e.batches.put(b)
	e.tokenizer.Template().pair(b, query, passage, e.spec.MaxTokens)
	err = e.session.Run(ctx, b, func(out Output) error {
		if len(out.Data) != 1 {
			return fmt.Errorf("read logit: the model gave a tensor of shape %v, want one number", out.Shape)
		}
		if logit = out.Data[0]; !finite(logit) {
			return fmt.Errorf("read logit: %w", ErrNotFinite)
		}
		return nil
	})
	return logit, err
}

// scoring is one call of Score under way.
type scoring struct {
	query   digest
	enough  func([]float32) bool
	sure    int
	digests []digest // of distinct passages, in the order of their first places
	places  [][]int  // of each distinct passage in the call
	kept    int

	mu     sync.Mutex
	logits []float32
	scored []bool
	count  int
	prefix int  // passages from the start that are all scored
	ended  bool // enough said so
	busy   bool
}

func newScoring(p Pairs) *scoring {
	n := len(p.Passages)
	s := &scoring{query: digestOf(p.Query), enough: p.Enough, sure: p.Sure, logits: make([]float32, n), scored: make([]bool, n)}
	seen := make(map[digest]int, n)
	for place, passage := range p.Passages {
		d := digestOf(passage)
		i, ok := seen[d]
		if !ok {
			i = len(s.digests)
			seen[d] = i
			s.digests = append(s.digests, d)
			s.places = append(s.places, nil)
		}
		s.places[i] = append(s.places[i], place)
	}
	return s
}

// missing lists the distinct passages without a logit.
func (s *scoring) missing() []int {
	var out []int
	for i, places := range s.places {
		if !s.scored[places[0]] {
			out = append(out, i)
		}
	}
	return out
}

// note takes the logit of a distinct passage, and asks whether that is enough when it made the prefix longer.
func (s *scoring) note(i int, logit float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, place := range s.places[i] {
		s.logits[place], s.scored[place] = logit, true
		s.count++
	}
	before := s.prefix
	for s.prefix < len(s.scored) && s.scored[s.prefix] {
		s.prefix++
	}
	if s.enough != nil && s.prefix > before && s.prefix < len(s.scored) && !s.ended {
		s.ended = s.enough(s.logits[:s.prefix])
	}
}

// over gives what reports that no more is to be read.
func (s *scoring) over(lanes *Lanes) func() bool {
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sure > 0 && s.prefix >= s.sure && s.prefix < len(s.scored) && !s.ended && !s.busy {
			s.busy = lanes.Wanted()
		}
		return s.ended || s.busy
	}
}

// scores gives what is known once no run is under way.
func (s *scoring) scores() Scores {
	return Scores{Logits: s.logits, Scored: s.scored, Count: s.count, Kept: s.kept, Enough: s.ended, Busy: s.busy && s.count < len(s.scored)}
}
