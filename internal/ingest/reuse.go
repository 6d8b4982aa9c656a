package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
)

// Live is the version that is live while a job makes the next one.
type Live interface {
	// LiveChunks gives its chunks, up to limit from an ordinal on, in order; none where no version is live.
	LiveChunks(ctx context.Context, c rag.Claim, from, limit int) ([]rag.Chunk, error)
	// CopyChunks makes chunks of the new version that are as those of the live one, and gives the document's own title.
	CopyChunks(ctx context.Context, c rag.Claim) (title string, err error)
}

// Vectors gives the vectors of chunks that the index has, by a read that sees every write before it. Those it has not
// are left out.
type Vectors interface {
	Embeddings(ctx context.Context, c rag.Collection, ids []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error)
}

// livePage is how many chunks of the live version are read at once.
const livePage = 500

// unitTolerance is how far from 1 a kept vector's length may be: bi-encoders' are within 1e-6, and Milvus keeps float32.
const unitTolerance = 1e-3

// twins finds for a text the chunk of the live version that was embedded from the very same text.
type twins map[[sha256.Size]byte]rag.ChunkID

// twinsOf reads the live version's texts as they were embedded; about 40 bytes a chunk are kept of them.
func (w *Worker) twinsOf(ctx context.Context, c rag.Claim, task Task, encoder Encoder) (twins, error) {
	found := twins{}
	for from := 0; task.Document.LiveVersion != 0; {
		page, err := w.Ledger.LiveChunks(ctx, c, from, livePage)
		if err != nil {
			return nil, fmt.Errorf("read live chunks from %d: %w", from, err)
		}
		for _, ch := range page {
			text, err := chunk.EmbeddingText(task.LiveTitle, ch, encoder)
			if err != nil {
				return nil, err
			}
			found[sha256.Sum256([]byte(text))] = ch.ID
		}
		if len(page) < livePage {
			break
		}
		from = page[len(page)-1].Ordinal + 1
	}
	return found, nil
}

// embeddings gives the vector of each text: that of its twin where the index still has it, else a new one. reused
// counts the former.
func (w *Worker) embeddings(ctx context.Context, task Task, encoder Encoder, kept twins, texts []string) (vectors []rag.Embedding, reused int, err error) {
	twin := make([]rag.ChunkID, len(texts))
	var ids []rag.ChunkID
	for i, text := range texts {
		if id, ok := kept[sha256.Sum256([]byte(text))]; ok {
			twin[i] = id
			ids = append(ids, id)
		}
	}
	var known map[rag.ChunkID]rag.Embedding
	if len(ids) > 0 {
		if known, err = w.Vectors.Embeddings(ctx, task.Collection, ids); err != nil {
			return nil, 0, fmt.Errorf("read %d vectors of version %d: %w", len(ids), task.Document.LiveVersion, err)
		}
	}
	vectors = make([]rag.Embedding, len(texts))
	var missing []string
	var places []int
	for i, text := range texts {
		if v, ok := known[twin[i]]; ok && usable(v, task.Collection.Dimension) {
			vectors[i] = v
			reused++
			continue
		}
		missing, places = append(missing, text), append(places, i)
	}
	if len(missing) == 0 {
		return vectors, reused, nil
	}
	made, err := encoder.EmbedPassages(ctx, missing)
	if err != nil {
		return nil, 0, fmt.Errorf("embed %d chunks: %w", len(missing), err)
	}
	for n, i := range places {
		vectors[i] = made[n]
	}
	return vectors, reused, nil
}

// usable reports whether a vector from the index can be given to another chunk.
func usable(v rag.Embedding, dimension int) bool {
	if len(v) != dimension {
		return false
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Abs(math.Sqrt(sum)-1) < unitTolerance // false for NaN too
}
