package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/redkite/redkite/internal/rag"
)

// Fingerprint tells a collection's live content from another's. The documents' own hashes are put in order here, as
// databases sort text differently; each takes 32 bytes of memory.
func (c *Catalog) Fingerprint(ctx context.Context, id rag.CollectionID) (rag.Fingerprint, error) {
	what := fmt.Sprintf("fingerprint collection %d", id)
	rows, err := c.read.QueryContext(ctx, `SELECT d.external_id, v.sha256, v.title, v.media_type, v.metadata, v.chunking, COALESCE(v.chunks, 0)
		FROM documents d JOIN versions v ON v.document_id = d.id AND v.version = d.live_version
		WHERE d.collection_id = ? AND d.deleted_at IS NULL`, id)
	if err != nil {
		return rag.Fingerprint{}, unavailable(what, err)
	}
	defer rows.Close()
	var out rag.Fingerprint
	var hashes [][sha256.Size]byte
	for rows.Next() {
		var external, hash, title, mediaType, metadata, chunking string
		var chunks int
		if err := rows.Scan(&external, &hash, &title, &mediaType, &metadata, &chunking, &chunks); err != nil {
			return rag.Fingerprint{}, unavailable(what, err)
		}
		line, err := json.Marshal([]any{external, hash, title, mediaType, metadata, chunking, chunks}) // no two rows read alike
		if err != nil {
			return rag.Fingerprint{}, fmt.Errorf("%s: %w", what, err)
		}
		hashes = append(hashes, sha256.Sum256(line))
		out.Documents++
		out.Chunks += chunks
	}
	if err := rows.Err(); err != nil {
		return rag.Fingerprint{}, unavailable(what, err)
	}
	slices.SortFunc(hashes, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	all := sha256.New()
	for _, h := range hashes {
		all.Write(h[:])
	}
	out.SHA256 = hex.EncodeToString(all.Sum(nil))
	return out, nil
}
