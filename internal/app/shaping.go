package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// newRetrieval checks what a new collection says of its retrieval.
func newRetrieval(asked *api.NewRetrieval) (rag.NewRetrieval, error) {
	if asked == nil {
		return rag.NewRetrieval{}, nil
	}
	n := rag.NewRetrieval(*asked)
	return n, checkRetrieval(n)
}

// checkRetrieval refuses what a collection can't say of its retrieval, and points at it in the request's body.
func checkRetrieval(n rag.NewRetrieval) error {
	err := n.Over(rag.DefaultRetrieval()).Check()
	var problem *rag.Problem
	if errors.As(err, &problem) {
		moved := *problem
		moved.Pointer = "/retrieval" + problem.Pointer
		return &moved
	}
	return err
}

// mostSliced is the longest text, in bytes, that a search slices: it is read from its start.
const mostSliced = 4 << 20

// Slices reads the text at spans of one version of a document, as retrieve.Texts says. Spans may come in any order.
func (t texts) Slices(ctx context.Context, c rag.CollectionID, externalID string, version int, spans []rag.Span) ([]string, error) {
	text, err := t.OpenText(ctx, c, externalID)
	if errors.Is(err, rag.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer text.Content.Close()
	if text.Version != version || text.Size > mostSliced {
		return nil, nil
	}
	end := 0
	for _, s := range spans {
		end = max(end, s.End)
	}
	pieces := make([]strings.Builder, len(spans))
	in := bufio.NewReaderSize(text.Content, 64<<10)
	for at := 0; at < end; at++ {
		r, _, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			return nil, nil // it is another text than the spans are of
		}
		if err != nil {
			return nil, fmt.Errorf("read text of document %d: %w", text.Document, err)
		}
		for i, s := range spans {
			if at >= s.Start && at < s.End {
				pieces[i].WriteRune(r)
			}
		}
	}
	out := make([]string, len(spans))
	for i := range pieces {
		out[i] = pieces[i].String()
	}
	return out, nil
}

// clips reports whether a bi-encoder does not read a query to its end.
func (e *encoders) clips(ctx context.Context, name, text string) (bool, error) {
	b, err := e.open(ctx, name)
	if err != nil {
		return false, err
	}
	return b.Clips(text)
}

// Caches tells what the open encoders keep.
func (e *encoders) Caches() map[string]encode.Cache {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[string]encode.Cache{}
	for _, b := range e.bi {
		all["embeddings"] = all["embeddings"].Plus(b.Cache())
	}
	for _, c := range e.crosses {
		scores, passages := c.Caches()
		all["scores"] = all["scores"].Plus(scores)
		all["passages"] = all["passages"].Plus(passages)
	}
	return all
}
