package retrieve

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// cursor is the rest of a ranked and shaped list. It holds the list itself, so pages neither repeat nor skip a hit
// whatever is ingested between them; what has died meanwhile is left out. It is no secret and needs no signature: the chunks
// that it names are looked up in the collection that the request may search and compared with its filter, so that a forged
// cursor shows nothing that a search would not.
type cursor struct {
	Request    string `json:"q"`           // Query.Fingerprint of the search
	Text       string `json:"t,omitempty"` // what a conversation was searched for
	RankedBy   string `json:"b"`
	Candidates int    `json:"c"`
	Reranked   int    `json:"r"`
	Rest       []held `json:"h"`
}

// held is a hit without what the catalog knows.
type held struct {
	Chunk     rag.ChunkID `json:"i"`
	Scores    rag.Scores  `json:"s"`
	DenseRank int         `json:"d,omitempty"`
	TermRank  int         `json:"t,omitempty"` // LexicalRank
	RankedBy  string      `json:"b"`
}

const (
	mostHeld   = 1000    // hits in a cursor
	mostCursor = 1 << 20 // bytes of one, unpacked
)

func restOf(hits []rag.Hit) []held {
	rest := make([]held, min(mostHeld, len(hits)))
	for i := range rest {
		h := hits[i]
		rest[i] = held{h.Chunk.ID, h.Scores, h.DenseRank, h.LexicalRank, h.RankedBy}
		for _, score := range []**float64{&rest[i].Scores.Dense, &rest[i].Scores.Lexical, &rest[i].Scores.Fused, &rest[i].Scores.RerankLogit, &rest[i].Scores.Blend, &rest[i].Scores.Relevance} {
			*score = rounded(*score)
		}
	}
	return rest
}

// rounded keeps 7 digits: what 32-bit scores have, in half the bytes.
func rounded(x *float64) *float64 {
	if x == nil || *x == 0 {
		return x
	}
	unit := math.Pow(10, 6-math.Floor(math.Log10(math.Abs(*x))))
	y := math.Round(*x*unit) / unit
	return &y
}

// writeCursor packs a cursor as text: JSON, deflated, with a checksum, in URL-safe base64.
func writeCursor(c cursor) string {
	raw, err := json.Marshal(c)
	if err != nil {
		return "" // scores are finite
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return ""
	}
	if _, err := w.Write(raw); errors.Join(err, w.Close()) != nil {
		return ""
	}
	sum := crc32.ChecksumIEEE(b.Bytes())
	return base64.RawURLEncoding.EncodeToString(append(b.Bytes(), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)))
}

// readCursor unpacks what writeCursor wrote for the same request.
func readCursor(text, request string) (cursor, error) {
	wrong := rag.Invalid("/cursor", "the cursor is damaged; give next_cursor of the page before, whole")
	packed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(packed) < 4 {
		return cursor{}, wrong
	}
	body, sum := packed[:len(packed)-4], packed[len(packed)-4:]
	if crc32.ChecksumIEEE(body) != uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8|uint32(sum[3]) {
		return cursor{}, wrong
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), mostCursor))
	if err != nil {
		return cursor{}, wrong
	}
	var c cursor
	if err := json.Unmarshal(raw, &c); err != nil || len(c.Rest) == 0 || len(c.Rest) > mostHeld {
		return cursor{}, wrong
	}
	if c.Request != request {
		return cursor{}, rag.Invalid("/cursor", "the cursor is of another search; send the request of the first page again, with nothing changed but cursor and top_k, or leave the cursor out")
	}
	return c, nil
}

// resume gives the next page of a search: the hits that its cursor holds and that are still live.
func (r *Retriever) resume(ctx context.Context, q Query, res *Result) error {
	c, err := readCursor(q.Cursor, q.Fingerprint)
	if err != nil {
		return err
	}
	began := time.Now()
	ids := make([]rag.ChunkID, len(c.Rest))
	for i, h := range c.Rest {
		ids[i] = h.Chunk
	}
	alive, err := r.Live.LiveHits(ctx, q.Collection.ID, ids)
	if err != nil {
		return fmt.Errorf("read %d hits of a cursor: %w", len(ids), err)
	}
	var hits []rag.Hit
	for _, h := range c.Rest {
		if hit, ok := alive[h.Chunk]; ok && (q.Filter == nil || q.Filter.Matches(hit.Metadata)) {
			hit.Scores, hit.DenseRank, hit.LexicalRank, hit.RankedBy = h.Scores, h.DenseRank, h.TermRank, h.RankedBy
			hits = append(hits, hit)
			delete(alive, h.Chunk)
		}
	}
	res.RankedBy, res.Candidates, res.Reranked, res.QueryUsed = c.RankedBy, c.Candidates, c.Reranked, c.Text
	switch {
	case len(q.Turns) > 0:
		q.Text = c.Text
	case len(q.Queries) > 0:
		q.Text = q.Queries[0]
	}
	res.Timings.Live = time.Since(began)
	shown := hits[:places(hits, q)]
	if len(shown) < len(hits) {
		c.Rest = slices.DeleteFunc(c.Rest, func(h held) bool {
			return !slices.ContainsFunc(hits[len(shown):], func(left rag.Hit) bool { return left.Chunk.ID == h.Chunk })
		})
		res.Next = writeCursor(c)
	}
	var l *ledger
	if q.Shape.Explain {
		l = newLedger(hits, nil, "")
	}
	r.show(ctx, q, shown, l, res)
	return nil
}
