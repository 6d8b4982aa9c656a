package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// Place says where the catalog stands on a chunk of its own.
type Place string

// The places of a chunk.
const (
	PlaceLive      Place = "live"      // search may return it: the index must have it
	PlaceUnderWay  Place = "under_way" // a job that is not over may write or remove it
	PlaceAbandoned Place = "abandoned" // no job will ever make it live or remove it
)

// Kept is what the catalog knows of a chunk.
type Kept struct {
	Document rag.DocumentID
	Place    Place
}

// Books is the catalog's side of reconciling a claim's collection.
type Books interface {
	// ChunkRange gives the lowest and the highest id of the collection's chunks; both 0 where it has none.
	ChunkRange(ctx context.Context, c rag.Claim) (low, high rag.ChunkID, err error)
	// Chunks gives the collection's chunks with ids from low up to and without high.
	Chunks(ctx context.Context, c rag.Claim, low, high rag.ChunkID) (map[rag.ChunkID]Kept, error)
	// Abandon removes the rows of those of the chunks that are abandoned still, and gives their ids. What their versions
	// are to be made of is cut anew, should one be retried.
	Abandon(ctx context.Context, c rag.Claim, ids []rag.ChunkID) ([]rag.ChunkID, error)
}

// Progress is where a job on a collection tells how far it is.
type Progress interface {
	SetStage(ctx context.Context, c rag.Claim, stage rag.Stage) error
	// SetProgress notes what is done, of how much, and what was found so far, as JSON.
	SetProgress(ctx context.Context, c rag.Claim, done, total int, found string) error
	// Unindex forgets what the index has of versions that are not live, and gives how many chunks that were.
	Unindex(ctx context.Context, c rag.Claim) error
}

// Inventory lists what an index holds, by a read that sees every write before it.
type Inventory interface {
	// Rows gives the chunks from low up to and without high, at most 16,384 of them, with their documents.
	Rows(ctx context.Context, c rag.Collection, low, high rag.ChunkID) (map[rag.ChunkID]rag.DocumentID, error)
	// Strays gives some of the chunks below low or above high; none when there are none.
	Strays(ctx context.Context, c rag.Collection, low, high rag.ChunkID) ([]rag.ChunkID, error)
}

// Hits reads chunks that are live now, with the title and metadata that go with them.
type Hits interface {
	LiveHits(ctx context.Context, c rag.CollectionID, ids []rag.ChunkID) (map[rag.ChunkID]rag.Hit, error)
}

// Reconciler makes an index hold what the catalog says it holds.
type Reconciler struct {
	Books     Books
	Progress  Progress
	Inventory Inventory
	Index     Index
	Removal   Removal
	Hits      Hits
	Terms     TermBooks
	Lexical   *lexical.Analyzer
	Originals Originals
	Needs     Needs
	Now       func() time.Time // the system's clock when nil
	Encoder   func(ctx context.Context, biEncoder string) (Encoder, error)
}

// reconcileStep is how many ids are compared at once: what Milvus gives in one answer, so nothing is cut off.
const reconcileStep = 16384

// reconciling is one job under way.
type reconciling struct {
	*Reconciler
	claim      rag.Claim
	collection rag.Collection
	encoder    Encoder
	repair     bool
	found      rag.Reconciliation
}

// reconcile compares and repairs the collection of a job. It runs beside ingestion and deletion: what a job that is not
// over may write is left alone, and the catalog is asked again right before each repair. Ids are never given twice, so a
// row whose id the catalog does not have can only be garbage.
func (r *Reconciler) reconcile(ctx context.Context, c rag.Claim, collection rag.Collection, asked Comparison) error {
	encoder, err := r.Encoder(ctx, collection.BiEncoder)
	if err != nil {
		return fmt.Errorf("open bi-encoder: %w", err)
	}
	if err := r.Progress.SetStage(ctx, c, rag.StageReconcile); err != nil {
		return err
	}
	if err := r.Index.Ensure(ctx, collection); err != nil {
		return fmt.Errorf("ensure index: %w", err)
	}
	if !asked.DryRun {
		if err := r.countTerms(ctx, c); err != nil {
			return err
		}
	}
	low, high, err := r.Books.ChunkRange(ctx, c)
	if err != nil {
		return fmt.Errorf("read range of chunks: %w", err)
	}
	run := &reconciling{Reconciler: r, claim: c, collection: collection, encoder: encoder, repair: !asked.DryRun, found: rag.Reconciliation{DryRun: asked.DryRun}}
	steps := int(high-low)/reconcileStep + 1
	for step := range steps {
		from := low + rag.ChunkID(step*reconcileStep)
		if err := run.compare(ctx, from, from+reconcileStep); err != nil {
			return fmt.Errorf("compare chunks from %d: %w", from, err)
		}
		if err := run.tell(ctx, step+1, steps); err != nil {
			return err
		}
	}
	if err := run.strays(ctx, low, high); err != nil {
		return err
	}
	if asked.Originals {
		if err := run.sweepOriginals(ctx); err != nil {
			return err
		}
	}
	return run.tell(ctx, steps, steps)
}

func (r *reconciling) tell(ctx context.Context, done, total int) error {
	text, err := json.Marshal(r.found)
	if err != nil {
		return fmt.Errorf("write what was found: %w", err)
	}
	return r.Progress.SetProgress(ctx, r.claim, done, total, string(text))
}

// compare looks at the ids from low up to and without high. The index is read first: a chunk that is made meanwhile is
// missing there at most, and asked for again.
func (r *reconciling) compare(ctx context.Context, low, high rag.ChunkID) error {
	rows, err := r.Inventory.Rows(ctx, r.collection, low, high)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	kept, err := r.Books.Chunks(ctx, r.claim, low, high)
	if err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	var missing, stale, abandoned, garbage []rag.ChunkID
	for id, k := range kept {
		document, there := rows[id]
		switch {
		case k.Place == PlaceAbandoned:
			abandoned = append(abandoned, id)
		case k.Place == PlaceLive && !there:
			missing = append(missing, id)
		case k.Place == PlaceLive && document != k.Document:
			stale = append(stale, id)
		}
	}
	for id := range rows {
		if _, known := kept[id]; !known {
			garbage = append(garbage, id)
		}
	}
	if missing, err = r.stillMissing(ctx, missing, low, high); err != nil {
		return err
	}
	r.found.Checked += len(kept)
	r.found.Missing += len(missing)
	r.found.Stale += len(stale)
	if !r.repair {
		for _, id := range abandoned {
			if _, there := rows[id]; there {
				r.found.Orphaned++
			}
		}
		r.found.Orphaned += len(garbage)
		return nil
	}
	if err := r.fill(ctx, append(missing, stale...)); err != nil {
		return err
	}
	if len(abandoned) > 0 {
		if abandoned, err = r.Books.Abandon(ctx, r.claim, abandoned); err != nil {
			return fmt.Errorf("give up abandoned chunks: %w", err)
		}
		garbage = append(garbage, slices.DeleteFunc(abandoned, func(id rag.ChunkID) bool { _, there := rows[id]; return !there })...)
	}
	return r.sweep(ctx, garbage)
}

// stillMissing reads the index once more: chunks that were published while the first read went on are there now.
func (r *reconciling) stillMissing(ctx context.Context, ids []rag.ChunkID, low, high rag.ChunkID) ([]rag.ChunkID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := r.Inventory.Rows(ctx, r.collection, low, high)
	if err != nil {
		return nil, fmt.Errorf("read rows again: %w", err)
	}
	hits, err := r.Hits.LiveHits(ctx, r.collection.ID, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ids, func(id rag.ChunkID) bool {
		_, there := rows[id]
		_, live := hits[id]
		return there || !live
	}), nil
}

// fill embeds chunks that are live and writes them. One that died meanwhile is taken out again.
func (r *reconciling) fill(ctx context.Context, ids []rag.ChunkID) error {
	slices.Sort(ids)
	for batch := range slices.Chunk(ids, embedBatch) {
		hits, err := r.Hits.LiveHits(ctx, r.collection.ID, batch)
		if err != nil {
			return fmt.Errorf("read %d chunks: %w", len(batch), err)
		}
		var rows []Row
		var texts []string
		for _, id := range batch {
			h, ok := hits[id]
			if !ok {
				continue
			}
			text, err := chunk.EmbeddingText(h.Title, h.Chunk, r.encoder)
			if err != nil {
				return err
			}
			rows = append(rows, Row{
				Chunk: id, Document: h.Document, Metadata: h.Metadata, Sparse: r.Lexical.Document(termText(h.Title, h.Chunk), cmp.Or(h.Language, lexical.Unknown)),
			})
			texts = append(texts, text)
		}
		if len(rows) == 0 {
			continue
		}
		embeddings, err := r.encoder.EmbedPassages(ctx, texts)
		if err != nil {
			return fmt.Errorf("embed %d chunks: %w", len(texts), err)
		}
		for i := range rows {
			rows[i].Dense = embeddings[i]
		}
		if err := r.Index.Upsert(ctx, r.collection, rows); err != nil {
			return fmt.Errorf("index %d chunks: %w", len(rows), err)
		}
		if hits, err = r.Hits.LiveHits(ctx, r.collection.ID, batch); err != nil {
			return fmt.Errorf("read %d chunks again: %w", len(batch), err)
		}
		var dead []rag.ChunkID
		for _, row := range rows {
			if _, live := hits[row.Chunk]; !live {
				dead = append(dead, row.Chunk)
			}
		}
		if err := r.Removal.Delete(ctx, r.collection, dead); err != nil {
			return fmt.Errorf("remove %d chunks that died meanwhile: %w", len(dead), err)
		}
		r.found.Repaired += len(rows)
	}
	return nil
}

// strays looks for rows beyond the ids that the catalog had when the job began; chunks made since are not among them.
func (r *reconciling) strays(ctx context.Context, low, high rag.ChunkID) error {
	for {
		ids, err := r.Inventory.Strays(ctx, r.collection, low, high)
		if err != nil {
			return fmt.Errorf("look for rows outside: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		known, err := r.Books.Chunks(ctx, r.claim, slices.Min(ids), slices.Max(ids)+1)
		if err != nil {
			return fmt.Errorf("read chunks: %w", err)
		}
		garbage := slices.DeleteFunc(slices.Clone(ids), func(id rag.ChunkID) bool { _, ok := known[id]; return ok })
		if !r.repair {
			r.found.Orphaned += len(garbage)
			return nil
		}
		if err := r.sweep(ctx, garbage); err != nil || len(garbage) == 0 {
			return err // what is left is newer than the job
		}
	}
}

// sweep removes rows that nothing in the catalog stands for.
func (r *reconciling) sweep(ctx context.Context, ids []rag.ChunkID) error {
	for batch := range slices.Chunk(ids, removeBatch) {
		if err := r.Removal.Delete(ctx, r.collection, batch); err != nil {
			return fmt.Errorf("remove %d orphaned rows: %w", len(batch), err)
		}
		r.found.Orphaned += len(batch)
		r.found.Repaired += len(batch)
	}
	return nil
}

// rebuild makes the index anew from the catalog alone: it drops what is there, once, and fills it again. No other job
// of the collection runs meanwhile. A rebuild that was interrupted goes on where it was.
func (r *Reconciler) rebuild(ctx context.Context, c rag.Claim, job rag.Job, collection rag.Collection) error {
	if job.Stage != rag.StageReconcile {
		if err := r.Removal.Drop(ctx, collection); err != nil {
			return fmt.Errorf("drop collection %d from the index: %w", collection.ID, err)
		}
		if err := r.Progress.Unindex(ctx, c); err != nil {
			return err
		}
	}
	return r.reconcile(ctx, c, collection, Comparison{})
}
