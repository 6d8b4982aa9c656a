package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// stub stands for the encoder and the index of a worker whose sharing of work is tested.
type stub struct{}

func (stub) EmbedPassages(ctx context.Context, texts []string) ([]rag.Embedding, error) {
	select {
	case <-time.After(time.Duration(len(texts)) * stubTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := make([]rag.Embedding, len(texts))
	for i := range out {
		out[i] = rag.Embedding{1, 0}
	}
	return out, nil
}

func (stub) Offsets(text string) ([][2]int, error) { return [][2]int{{0, len(text)}}, nil }
func (stub) MaxTokens() int                        { return 512 }

type original struct{ *bytes.Reader }

func (original) Close() error { return nil }

// shelf stands for the originals: each is as many chunks as its key begins with.
type shelf struct{}

func (shelf) Put(_ context.Context, _ string, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
func (shelf) Delete(context.Context, string) error { return nil }
func (shelf) Open(_ context.Context, key string) (io.ReadSeekCloser, int64, error) {
	var chunks []ingest.GivenChunk
	var n int
	if _, err := fmt.Sscan(key, &n); err != nil {
		return nil, 0, err
	}
	for i := range n {
		chunks = append(chunks, ingest.GivenChunk{Text: fmt.Sprint("part ", i)})
	}
	raw, err := json.Marshal(chunks)
	return original{bytes.NewReader(raw)}, int64(len(raw)), err
}

func (stub) Ensure(context.Context, rag.Collection) error                         { return nil }
func (stub) Upsert(context.Context, rag.Collection, []ingest.Row) error           { return nil }
func (stub) Visible(context.Context, rag.Collection, []rag.ChunkID) error         { return nil }
func (stub) Delete(context.Context, rag.Collection, []rag.ChunkID) error          { return nil }
func (stub) DeleteDocument(context.Context, rag.Collection, rag.DocumentID) error { return nil }
func (stub) Drop(context.Context, rag.Collection) error                           { return nil }
func (stub) Embeddings(context.Context, rag.Collection, []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error) {
	return nil, nil
}
