package httpapi

import (
	"context"
	"errors"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// chunkingField settles a chunking that came as a form field or in an address, as JSON; nil where there is none.
func (s *Server) chunkingField(ctx context.Context, c rag.Collection, raw []byte) (*rag.Chunking, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var asked api.NewChunking
	if err := s.decode(raw, &asked); err != nil {
		return nil, below("/chunking", err)
	}
	return s.chunking(ctx, c, &asked, "")
}

// chunking settles a chunking that stands at a place in a request; nil where nothing is asked for.
func (s *Server) chunking(ctx context.Context, c rag.Collection, asked *api.NewChunking, at string) (*rag.Chunking, error) {
	if asked == nil {
		return nil, nil
	}
	settled, err := s.deps.Chunkings.Chunking(ctx, c, *asked)
	if err != nil {
		return nil, below(at, err)
	}
	return &settled, nil
}

// below moves a problem's pointer under the place that its part has in a request.
func below(at string, err error) error {
	var problem *rag.Problem
	if !errors.As(err, &problem) {
		return err
	}
	moved := *problem
	moved.Pointer = at + problem.Pointer
	return &moved
}
