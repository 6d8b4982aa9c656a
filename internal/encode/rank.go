package encode

import (
	"context"
	"fmt"
)

// partOverlap is how many tokens a part of a document repeats from the one before, so that a sentence on the cut is read
// whole in one of them.
const partOverlap = 32

// Ranking asks for a cross-encoder's logit of every one of some documents.
type Ranking struct {
	Query     string
	Documents []string
	Lane      Lane

	// DocumentTokens is how many tokens of a document count, from its start; 0 for all.
	DocumentTokens int
	// Parts is how many parts of a document are read at most: one that is longer than a run reads is cut into parts, and its
	// logit is the best of theirs. 1 reads what fits into a run.
	Parts int
	// Whole makes a pair that does not fit into one run a TooLongError.
	Whole bool
	// FromEnd keeps the end of what is cut off to fit, and not the start.
	FromEnd bool
}

// Ranked answers a Ranking.
type Ranked struct {
	Logits []float32 // by place in Documents
	Tokens int       // read, special tokens and repetitions included
	Runs   int
}

// TooLongError says which text does not fit.
type TooLongError struct {
	Index       int // of the text in its request
	Tokens, Max int // that it has with what is read beside it, and that fit
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("text %d has %d tokens with its query and special tokens, and %d fit", e.Index, e.Tokens, e.Max)
}

// part is a stretch of a document that one run reads.
type part struct {
	document int
	ids      []int32
}

// Rank reads the query together with every document, in parallel. Unlike Score it ends early for
// nothing but an error, and keeps nothing.
func (e *CrossEncoder) Rank(ctx context.Context, r Ranking) (Ranked, error) {
	query, err := e.tokenizer.Encode(r.Query)
	if err != nil {
		return Ranked{}, err
	}
	lists, err := tokenLists(ctx, e.lanes, r.Lane, e.tokenizer, "", r.Documents)
	if err != nil {
		return Ranked{}, err
	}
	out := Ranked{Logits: make([]float32, len(lists))}
	t := e.tokenizer.Template()
	special := len(t.Prefix) + len(t.Between) + len(t.Suffix)
	room := max(2, e.spec.MaxTokens-special)
	var parts []part
	for i, ids := range lists {
		if r.DocumentTokens > 0 {
			ids = ids[:min(len(ids), r.DocumentTokens)]
		}
		if r.Whole && len(query)+len(ids) > room {
			return Ranked{}, &TooLongError{Index: i, Tokens: len(query) + len(ids) + special, Max: e.spec.MaxTokens}
		}
		parts = append(parts, r.cut(i, ids, len(query), room)...)
	}
	logits := make([]float32, len(parts))
	err = each(ctx, e.lanes, r.Lane, len(parts), nil, func(ctx context.Context, i int) (err error) {
		logits[i], err = e.logit(ctx, query, parts[i].ids)
		return err
	})
	if err != nil {
		return Ranked{}, fmt.Errorf("rank %d documents: %w", len(lists), err)
	}
	seen := make([]bool, len(lists))
	for i, p := range parts {
		if !seen[p.document] || logits[i] > out.Logits[p.document] {
			out.Logits[p.document], seen[p.document] = logits[i], true
		}
		out.Tokens += min(e.spec.MaxTokens, len(query)+len(p.ids)+special)
	}
	out.Runs = len(parts)
	return out, nil
}

// cut gives the parts of a document. Where a run has no room for query and document, the query keeps at most half of it.
func (r Ranking) cut(document int, ids []int32, query, room int) []part {
	width := room - min(query, room/2)
	if len(ids) <= width || r.Parts <= 1 {
		if r.FromEnd {
			ids = ids[max(0, len(ids)-width):]
		}
		return []part{{document, ids}}
	}
	step := max(1, width-partOverlap)
	var parts []part
	for start := 0; len(parts) < r.Parts; start += step {
		end := min(len(ids), start+width)
		parts = append(parts, part{document, ids[start:end]})
		if end == len(ids) {
			break
		}
	}
	return parts
}

// Tokens counts a text's tokens, special tokens not included.
func (e *CrossEncoder) Tokens(text string) (int, error) {
	ids, err := e.tokenizer.Encode(text)
	return len(ids), err
}

// MaxTokens is how many tokens one run reads, special tokens included.
func (e *CrossEncoder) MaxTokens() int { return e.spec.MaxTokens }
