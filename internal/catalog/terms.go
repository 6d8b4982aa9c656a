package catalog

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// countAlone waits for the right to change term frequencies, and gives the function that hands it back. In one process
// they change one after the other: common terms are in every document, and PostgreSQL would have the transactions that
// change the same rows at the same time repeated. Those of several processes are.
func (c *Catalog) countAlone(ctx context.Context) (release func(), err error) {
	select {
	case c.counting <- struct{}{}:
		return func() { <-c.counting }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// VersionChunks gives the chunks of a version of a document of the job's collection, up to limit from an ordinal on, in
// order.
func (c *Catalog) VersionChunks(ctx context.Context, claim rag.Claim, v ingest.VersionID, from, limit int) ([]rag.Chunk, error) {
	what := fmt.Sprintf("read chunks of version %d of document %d", v.Version, v.Document)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	chunks, err := collect(ctx, c.read, scanChunk, `SELECT `+chunkColumns+` FROM chunks k JOIN documents d ON d.id = k.document_id
		WHERE d.collection_id = ? AND k.document_id = ? AND k.version = ? AND k.ordinal >= ? ORDER BY k.ordinal LIMIT ?`,
		j.Collection, v.Document, v.Version, from, limit)
	if err != nil {
		return nil, unavailable(what, err)
	}
	return chunks, nil
}

// SetTerms keeps the language and the terms of the version that the job makes. They count from Publish on.
func (c *Catalog) SetTerms(ctx context.Context, claim rag.Claim, terms ingest.VersionTerms) error {
	return c.fenced(ctx, claim, "keep terms", func(tx *transaction, j rag.Job) error {
		return keepTerms(ctx, tx, ingest.VersionID{Document: j.Document, Version: j.Version}, terms)
	})
}

func keepTerms(ctx context.Context, tx *transaction, v ingest.VersionID, terms ingest.VersionTerms) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO version_terms (document_id, version, language, chunks, terms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (document_id, version) DO UPDATE SET language = excluded.language, chunks = excluded.chunks, terms = excluded.terms`,
		v.Document, v.Version, terms.Language, terms.Chunks, packed(terms.Counts)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE versions SET language = ? WHERE document_id = ? AND version = ?`, terms.Language, v.Document, v.Version)
	return err
}

// Uncounted gives up to limit live versions of the job's collection whose terms are not counted, of documents after one.
func (c *Catalog) Uncounted(ctx context.Context, claim rag.Claim, after rag.DocumentID, limit int) ([]ingest.VersionID, error) {
	what := fmt.Sprintf("read versions without terms for job %d", claim.Job)
	j, err := claimedJob(ctx, c.read, claim)
	if err != nil {
		return nil, unavailable(what, err)
	}
	found, err := collect(ctx, c.read, func(r row) (v ingest.VersionID, err error) {
		return v, r.Scan(&v.Document, &v.Version, &v.Title)
	}, `SELECT d.id, d.live_version, COALESCE(NULLIF(v.title, ''), v.found_title) FROM documents d
		JOIN versions v ON v.document_id = d.id AND v.version = d.live_version
		WHERE d.collection_id = ? AND d.deleted_at IS NULL AND d.id > ?
		AND NOT EXISTS (SELECT 1 FROM version_terms t WHERE t.document_id = d.id AND t.version = d.live_version) ORDER BY d.id LIMIT ?`,
		j.Collection, after, limit)
	if err != nil {
		return nil, unavailable(what, err)
	}
	return found, nil
}

// CountTerms keeps and counts the terms of a version of the job's collection that is live without any. One that is not
// live any more, or is counted, is left alone.
func (c *Catalog) CountTerms(ctx context.Context, claim rag.Claim, v ingest.VersionID, terms ingest.VersionTerms) error {
	release, err := c.countAlone(ctx)
	if err != nil {
		return err
	}
	defer release()
	return c.fenced(ctx, claim, fmt.Sprintf("count terms of document %d", v.Document), func(tx *transaction, j rag.Job) error {
		var wanted bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM documents d WHERE d.id = ? AND d.collection_id = ? AND d.deleted_at IS NULL
			AND d.live_version = ? AND NOT EXISTS (SELECT 1 FROM version_terms t WHERE t.document_id = d.id AND t.version = d.live_version))`,
			v.Document, j.Collection, v.Version).Scan(&wanted); err != nil || !wanted {
			return err
		}
		if err := keepTerms(ctx, tx, v, terms); err != nil {
			return err
		}
		return count(ctx, tx, j.Collection, ingest.VersionTerms{}, terms)
	})
}

// replaceTerms counts the terms of the version that a job publishes in place of those of the one that is live until now.
func replaceTerms(ctx context.Context, tx *transaction, j rag.Job) error {
	var live int
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(live_version, 0) FROM documents WHERE id = ?`, j.Document).Scan(&live); err != nil {
		return err
	}
	if live == j.Version {
		return nil
	}
	before, err := readTerms(ctx, tx, j.Document, live)
	if err != nil {
		return err
	}
	after, err := readTerms(ctx, tx, j.Document, j.Version)
	if err != nil {
		return err
	}
	if err := count(ctx, tx, j.Collection, before, after); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM version_terms WHERE document_id = ? AND version < ?`, j.Document, j.Version)
	return err
}

// forgetTerms takes the terms of a document that is being deleted out of the counts.
func forgetTerms(ctx context.Context, tx *transaction, d rag.Document) error {
	before, err := readTerms(ctx, tx, d.ID, d.LiveVersion)
	if err != nil {
		return err
	}
	if err := count(ctx, tx, d.Collection, before, ingest.VersionTerms{}); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM version_terms WHERE document_id = ?`, d.ID)
	return err
}

// readTerms gives what is kept of a version; nothing where nothing is.
func readTerms(ctx context.Context, tx *transaction, document rag.DocumentID, version int) (ingest.VersionTerms, error) {
	var t ingest.VersionTerms
	var terms []byte
	err := tx.QueryRowContext(ctx, `SELECT language, chunks, terms FROM version_terms WHERE document_id = ? AND version = ?`, document, version).
		Scan(&t.Language, &t.Chunks, &terms)
	if errors.Is(err, sql.ErrNoRows) {
		return ingest.VersionTerms{}, nil
	}
	if err == nil {
		t.Counts, err = unpacked(terms)
	}
	if err != nil {
		return ingest.VersionTerms{}, fmt.Errorf("read terms of version %d of document %d: %w", version, document, err)
	}
	return t, nil
}

// count changes a collection's sums from one version's terms to another's.
func count(ctx context.Context, tx *transaction, collection rag.CollectionID, before, after ingest.VersionTerms) error {
	for _, side := range []struct {
		ingest.VersionTerms
		sign int
	}{{before, -1}, {after, 1}} {
		if side.Chunks == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO collection_languages (collection_id, language, chunks) VALUES (?, ?, ?)
			ON CONFLICT (collection_id, language) DO UPDATE SET chunks = collection_languages.chunks + excluded.chunks`,
			collection, side.Language, side.sign*side.Chunks); err != nil {
			return fmt.Errorf("count chunks in language %s: %w", side.Language, err)
		}
	}
	change := maps.Clone(after.Counts)
	if change == nil {
		change = map[uint32]int{}
	}
	for term, n := range before.Counts {
		if change[term] -= n; change[term] == 0 {
			delete(change, term)
		}
	}
	for terms := range slices.Chunk(slices.Sorted(maps.Keys(change)), termBatch) { // ascending, so that nobody waits for each other
		if _, err := tx.ExecContext(ctx, `INSERT INTO term_frequencies (collection_id, term, chunks)
			SELECT CAST(? AS BIGINT), CAST(j.value ->> 0 AS BIGINT), CAST(j.value ->> 1 AS BIGINT) FROM `+tx.dialect.elements+` WHERE true
			ON CONFLICT (collection_id, term) DO UPDATE SET chunks = term_frequencies.chunks + excluded.chunks`,
			collection, listed(terms, func(term uint32) int { return change[term] })); err != nil {
			return fmt.Errorf("count %d terms: %w", len(terms), err)
		}
		fewer := slices.DeleteFunc(terms, func(term uint32) bool { return change[term] > 0 })
		if len(fewer) == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM term_frequencies WHERE collection_id = ? AND chunks <= 0
			AND term IN (SELECT CAST(j.value ->> 0 AS BIGINT) FROM `+tx.dialect.elements+`)`,
			collection, listed(fewer, func(uint32) int { return 0 })); err != nil {
			return fmt.Errorf("drop terms that are gone: %w", err)
		}
	}
	return nil
}

// termBatch is how many terms one statement changes.
const termBatch = 2000

// listed writes terms, each with a number, as a JSON list of pairs.
func listed(terms []uint32, number func(uint32) int) string {
	text := make([]byte, 0, 16*len(terms)+2)
	text = append(text, '[')
	for i, term := range terms {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, '[')
		text = strconv.AppendUint(text, uint64(term), 10)
		text = append(text, ',')
		text = strconv.AppendInt(text, int64(number(term)), 10)
		text = append(text, ']')
	}
	return string(append(text, ']'))
}

// packed writes counts by ascending term: each term's distance from the one before, and its count, as varints.
func packed(counts map[uint32]int) []byte {
	out := make([]byte, 0, 5*len(counts))
	last := uint32(0)
	for _, term := range slices.Sorted(maps.Keys(counts)) {
		out = binary.AppendUvarint(out, uint64(term-last))
		out = binary.AppendUvarint(out, uint64(counts[term]))
		last = term
	}
	return out
}

func unpacked(raw []byte) (map[uint32]int, error) {
	counts := map[uint32]int{}
	term := uint64(0)
	for len(raw) > 0 {
		step, n := binary.Uvarint(raw)
		if n <= 0 {
			return nil, errors.New("the terms are cut off")
		}
		number, m := binary.Uvarint(raw[n:])
		if m <= 0 {
			return nil, errors.New("the terms are cut off")
		}
		term += step
		counts[uint32(term)] = int(number)
		raw = raw[n+m:]
	}
	return counts, nil
}

// Languages counts the live chunks of a collection whose terms are counted, by language, those of most chunks first.
func (c *Catalog) Languages(ctx context.Context, collection rag.CollectionID) ([]rag.LanguageChunks, error) {
	found, err := collect(ctx, c.read, func(r row) (l rag.LanguageChunks, err error) {
		return l, r.Scan(&l.Language, &l.Chunks)
	}, `SELECT language, chunks FROM collection_languages WHERE collection_id = ? AND chunks > 0 ORDER BY chunks DESC, language`, collection)
	if err != nil {
		return nil, unavailable(fmt.Sprintf("read languages of collection %d", collection), err)
	}
	return found, nil
}

// Frequencies gives in how many live chunks of a collection each of the terms stands; those in none are left out.
func (c *Catalog) Frequencies(ctx context.Context, collection rag.CollectionID, terms []uint32) (map[uint32]int, error) {
	found, err := collect(ctx, c.read, func(r row) (f [2]int64, err error) {
		return f, r.Scan(&f[0], &f[1])
	}, `SELECT term, chunks FROM term_frequencies WHERE collection_id = ? AND term IN (SELECT CAST(j.value ->> 0 AS BIGINT) FROM `+c.read.elements+`)`,
		collection, listed(terms, func(uint32) int { return 0 }))
	if err != nil {
		return nil, unavailable(fmt.Sprintf("read %d term frequencies of collection %d", len(terms), collection), err)
	}
	frequencies := make(map[uint32]int, len(found))
	for _, f := range found {
		frequencies[uint32(f[0])] = int(f[1])
	}
	return frequencies, nil
}
