package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// placeBatch is how many places go into one statement.
const placeBatch = 100

// ChunksAt gives the chunks at places that are of the live versions of documents of a collection, by document and ordinal.
// They come without parents.
func (c *Catalog) ChunksAt(ctx context.Context, collection rag.CollectionID, places []retrieve.Place) ([]rag.Chunk, error) {
	type key struct {
		document rag.DocumentID
		ordinal  int
	}
	seen := map[key]bool{}
	var all []rag.Chunk
	for batch := range slices.Chunk(places, placeBatch) {
		args := []any{collection}
		at := make([]string, len(batch))
		for i, p := range batch {
			at[i] = `k.document_id = ? AND k.version = ? AND k.ordinal BETWEEN ? AND ?`
			args = append(args, p.Document, p.Version, p.From, p.To)
		}
		chunks, err := collect(ctx, c.read, scanChunk, `SELECT `+chunkColumns+` FROM chunks k
			JOIN documents d ON d.id = k.document_id AND d.live_version = k.version
			WHERE d.collection_id = ? AND d.deleted_at IS NULL AND (`+strings.Join(at, " OR ")+`)
			ORDER BY k.document_id, k.ordinal`, args...)
		if err != nil {
			return nil, unavailable(fmt.Sprintf("read chunks around %d hits of collection %d", len(batch), collection), err)
		}
		for _, ch := range chunks {
			if k := (key{ch.Document, ch.Ordinal}); !seen[k] {
				seen[k] = true
				ch.Parent = nil
				all = append(all, ch)
			}
		}
	}
	return all, nil
}
