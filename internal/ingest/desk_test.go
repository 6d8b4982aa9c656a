package ingest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// desk is the catalog, the index, the store, the parser and the encoder of one document, in memory. fail is asked before
// each step and may break it.
type desk struct {
	mu       sync.Mutex // of what batches change while the next are made
	task     Task
	rows     map[rag.ChunkID]rag.Chunk // of all versions
	indexed  map[rag.ChunkID]bool
	reused   int
	vectors  map[rag.ChunkID]rag.Embedding
	givenUp  bool   // what the version that is not live has is dead
	text     string // the original; every line is a block
	embedded []string
	told     [][2]int       // progress
	texts    map[int]string // keys by version
	stored   map[string]string
	waiting  bool // other jobs wait
	terms    VersionTerms
	read     int // chunks that VersionChunks gave
	sparse   map[rag.ChunkID]rag.TermVector
	fail     func(step string) error
}

func newDesk() *desk {
	return &desk{
		task: Task{
			Collection: rag.Collection{Dimension: 4}, Document: rag.Document{Title: "Kites", Version: 0, Chunking: rag.Chunking{MaxTokens: 8}},
		},
		rows: map[rag.ChunkID]rag.Chunk{}, indexed: map[rag.ChunkID]bool{}, vectors: map[rag.ChunkID]rag.Embedding{},
		fail:  func(string) error { return nil },
		texts: map[int]string{}, stored: map[string]string{}, sparse: map[rag.ChunkID]rag.TermVector{},
	}
}

func (d *desk) worker() *Worker {
	analyzer, err := lexical.New()
	if err != nil {
		panic(err)
	}
	return &Worker{
		Lexical: analyzer,
		Ledger:  d, Removals: d, Index: d, Vectors: d, Removal: d, Blobs: shelf{d}, Parser: d, Timeout: time.Minute, NewKey: func() string { return "text" },
		Encoder: func(context.Context, string) (Encoder, error) { return d, nil },
	}
}

// upload makes the next version of the document to work on.
func (d *desk) upload(text string) {
	d.text, d.task.Chunked, d.task.Live, d.embedded, d.reused, d.givenUp = text, false, false, nil, 0, false
	d.task.Document.Version++
}

func (d *desk) chunks(version int) []rag.Chunk {
	var out []rag.Chunk
	for _, ch := range d.rows {
		if ch.Version == version {
			out = append(out, ch)
		}
	}
	slices.SortFunc(out, func(a, b rag.Chunk) int { return a.Ordinal - b.Ordinal })
	return out
}

func (d *desk) Task(context.Context, rag.Claim) (Task, error) { return d.task, d.fail("task") }

func (d *desk) SetStage(_ context.Context, _ rag.Claim, s rag.Stage) error {
	return d.fail("stage " + string(s))
}

func (d *desk) BeginChunks(context.Context, rag.Claim) (string, error) {
	if err := d.fail("stage parse"); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, ch := range d.rows {
		if ch.Version == d.task.Document.Version {
			delete(d.rows, id)
		}
	}
	left := d.task.Document.Version
	key := d.texts[left]
	delete(d.texts, left)
	return key, nil
}

func (d *desk) AddChunks(_ context.Context, _ rag.Claim, chunks []rag.Chunk, done, total int) error {
	if err := d.fail("add chunks"); err != nil {
		return err
	}
	first := len(d.chunks(d.task.Document.Version))
	for i, ch := range chunks {
		ch.ID, ch.Version, ch.Ordinal = rag.ChunkID(1000*d.task.Document.Version+first+i), d.task.Document.Version, first+i
		d.rows[ch.ID] = ch
	}
	d.told = append(d.told, [2]int{done, total})
	return nil
}

func (d *desk) EndChunks(ctx context.Context, c rag.Claim, cut Cut) error {
	if err := d.fail("end chunks"); err != nil {
		return err
	}
	if err := d.AddChunks(ctx, c, cut.Chunks, 0, 0); err != nil {
		return err
	}
	d.task.Chunked = true
	d.texts[d.task.Document.Version] = cut.Text
	return nil
}

func (d *desk) PendingChunks(_ context.Context, _ rag.Claim, limit int) ([]rag.Chunk, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	pending := slices.DeleteFunc(d.chunks(d.task.Document.Version), func(ch rag.Chunk) bool { return d.indexed[ch.ID] })
	return pending[:min(limit, len(pending))], d.fail("pending")
}

func (d *desk) MarkIndexed(_ context.Context, _ rag.Claim, ids []rag.ChunkID, reused int) error {
	if err := d.fail("mark"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		d.indexed[id] = true
	}
	d.reused += reused
	return nil
}

func (d *desk) Waiting(context.Context, rag.Claim) (bool, error) { return d.waiting, nil }

func (d *desk) IndexedChunks(context.Context, rag.Claim) ([]rag.ChunkID, error) { return nil, nil }

func (d *desk) Publish(context.Context, rag.Claim) error {
	if err := d.fail("publish"); err != nil {
		return err
	}
	d.task.Live, d.task.Document.LiveVersion, d.task.LiveTitle = true, d.task.Document.Version, d.task.Document.Title
	return nil
}

func (d *desk) VersionChunks(_ context.Context, _ rag.Claim, v VersionID, from, limit int) ([]rag.Chunk, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	chunks := slices.DeleteFunc(d.chunks(v.Version), func(ch rag.Chunk) bool { return ch.Ordinal < from })
	chunks = chunks[:min(limit, len(chunks))]
	d.read += len(chunks)
	return chunks, d.fail("version chunks")
}

func (d *desk) SetTerms(_ context.Context, _ rag.Claim, terms VersionTerms) error {
	d.terms = terms
	return d.fail("set terms")
}

func (d *desk) GiveUp(context.Context, rag.Claim) error {
	if err := d.fail("give up"); err != nil {
		return err
	}
	d.givenUp, d.task.Chunked = true, false
	return nil
}

func (d *desk) DeadChunks(context.Context, rag.Claim, int) ([]rag.ChunkID, error) {
	var dead []rag.ChunkID
	for id, ch := range d.rows {
		if ch.Version < d.task.Document.LiveVersion || d.givenUp && ch.Version != d.task.Document.LiveVersion {
			dead = append(dead, id)
		}
	}
	return dead, d.fail("dead")
}

func (d *desk) Forget(_ context.Context, _ rag.Claim, ids []rag.ChunkID) error {
	if err := d.fail("forget"); err != nil {
		return err
	}
	for _, id := range ids {
		delete(d.rows, id)
		delete(d.indexed, id)
	}
	return nil
}

func (d *desk) LiveChunks(_ context.Context, _ rag.Claim, from, limit int) ([]rag.Chunk, error) {
	live := slices.DeleteFunc(d.chunks(d.task.Document.LiveVersion), func(ch rag.Chunk) bool { return ch.Ordinal < from })
	return live[:min(limit, len(live))], d.fail("live")
}

func (d *desk) CopyChunks(context.Context, rag.Claim) (string, error) {
	if err := d.fail("copy"); err != nil {
		return "", err
	}
	return "found", d.EndChunks(context.Background(), rag.Claim{}, Cut{Chunks: d.chunks(d.task.Document.LiveVersion)})
}

func (d *desk) Released(context.Context, rag.Claim) ([]string, error)                { return nil, nil }
func (d *desk) Removed(context.Context, rag.Claim) error                             { return nil }
func (d *desk) Ensure(context.Context, rag.Collection) error                         { return d.fail("ensure") }
func (d *desk) Drop(context.Context, rag.Collection) error                           { return nil }
func (d *desk) MaxTokens() int                                                       { return 100 }
func (d *desk) DeleteDocument(context.Context, rag.Collection, rag.DocumentID) error { return nil }

func (d *desk) Visible(context.Context, rag.Collection, []rag.ChunkID) error {
	return d.fail("visible")
}

func (d *desk) Upsert(_ context.Context, _ rag.Collection, rows []Row) error {
	if err := d.fail("upsert"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, row := range rows {
		d.vectors[row.Chunk], d.sparse[row.Chunk] = row.Dense, row.Sparse
	}
	return nil
}

func (d *desk) Embeddings(_ context.Context, _ rag.Collection, ids []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := map[rag.ChunkID]rag.Embedding{}
	for _, id := range ids {
		if v, ok := d.vectors[id]; ok {
			found[id] = v
		}
	}
	return found, d.fail("read vectors")
}

func (d *desk) Delete(_ context.Context, _ rag.Collection, ids []rag.ChunkID) error {
	for _, id := range ids {
		delete(d.vectors, id)
	}
	return d.fail("delete")
}

// shelf holds the desk's one original.
type shelf struct{ d *desk }

func (s shelf) Put(_ context.Context, key string, r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err == nil {
		s.d.stored[key] = string(raw)
	}
	return err
}

func (s shelf) Delete(_ context.Context, key string) error {
	delete(s.d.stored, key)
	return nil
}

type reader struct{ *strings.Reader }

func (reader) Close() error { return nil }

func (s shelf) Open(context.Context, string) (io.ReadSeekCloser, int64, error) {
	return reader{strings.NewReader(s.d.text)}, int64(len(s.d.text)), s.d.fail("open")
}

// Stream makes a block of each line, and a window of each 40 of them.
func (d *desk) Stream(_ context.Context, _ rag.Original, take func(rag.Window) error) (rag.Findings, error) {
	var w rag.Window
	lines := strings.SplitAfter(d.text, "\n")
	for i, line := range lines {
		text := strings.TrimSuffix(line, "\n")
		w.Blocks = append(w.Blocks, rag.Block{
			Kind: rag.BlockParagraph, Text: text, Headings: []string{fmt.Sprintf("Part %d", i)}, Span: rag.Span{Start: len(w.Text), End: len(w.Text) + len(text)},
		})
		w.Text += line
		if w.Done, w.Total = i+1, len(lines); len(w.Blocks) == 40 || i == len(lines)-1 {
			if err := take(w); err != nil {
				return rag.Findings{}, err
			}
			w = rag.Window{Start: w.Start + len(w.Text)}
		}
	}
	return rag.Findings{}, d.fail("parse")
}

// Offsets makes every word a token.
func (d *desk) Offsets(text string) ([][2]int, error) {
	var out [][2]int
	at := 0
	for word := range strings.FieldsSeq(text) {
		start := at + strings.Index(text[at:], word)
		at = start + len(word)
		out = append(out, [2]int{start, at})
	}
	return out, nil
}

// EmbedPassages gives each call another vector, so that a vector tells which call made it.
func (d *desk) EmbedPassages(_ context.Context, texts []string) ([]rag.Embedding, error) {
	if err := d.fail("embed"); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]rag.Embedding, len(texts))
	for i, text := range texts {
		d.embedded = append(d.embedded, text)
		out[i] = rag.Embedding{0, 0, 0, 0}
		out[i][len(d.embedded)%4] = 1
	}
	return out, nil
}

// lines makes a document of n chunks; the changed ones say so.
func lines(n int, changed ...int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("kite number %d flies", i)
		if slices.Contains(changed, i) {
			out[i] += " higher"
		}
	}
	return strings.Join(out, "\n")
}
