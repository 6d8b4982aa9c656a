package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// match is the document that an upload is about, if there is one.
type match struct {
	rag.Document
	found     bool
	duplicate bool // OnDuplicate says what to do; else the upload is the document's next version
}

// match finds what an upload is about, in the transaction that writes it: of uploads of the same bytes at the same time,
// later ones find the first.
//
// By id, it is the document with the upload's id. By content, it is one with the same bytes, rather the one with the
// upload's id than another; where nobody has the bytes, an upload with an id is about the document with that id, as its
// next version. An upload without an id that says nothing of duplicates is about a document only where it is the very
// same upload.
func (p *putter) match(ctx context.Context, s ingest.Staged, metadata string) (match, error) {
	u := s.Upload
	byContent := u.DuplicateBy == ingest.DuplicateByContent || u.ExternalID == "" && u.DuplicateBy == ""
	if byContent && s.SHA256 != "" { // without a hash nothing is known of its bytes
		held, err := p.holding(ctx, s.SHA256)
		if err != nil {
			return match{}, err
		}
		is := slices.IndexFunc(held, func(d rag.Document) bool { return d.ExternalID == u.ExternalID })
		if is < 0 {
			is = slices.IndexFunc(held, func(d rag.Document) bool { return unchanged(d, s, metadata) })
		}
		if is < 0 && len(held) > 0 && (u.DuplicateBy != "" || u.OnDuplicate != "") {
			is = 0
		}
		if is >= 0 {
			return match{Document: held[is], found: true, duplicate: true}, nil
		}
	}
	if u.ExternalID == "" {
		return match{}, nil
	}
	d, found, err := documentByExternalID(ctx, p.tx, p.collection, u.ExternalID)
	if err != nil {
		return match{}, fmt.Errorf("read document %s: %w", u.ExternalID, err)
	}
	return match{Document: d, found: found, duplicate: u.DuplicateBy != ingest.DuplicateByContent}, nil
}

// mostHolding bounds how many documents of the same bytes are looked at; there are many only where nobody minds copies.
const mostHolding = 1000

// holding gives the collection's documents that have, or are about to have, the bytes with this hash, oldest first:
// those whose newest version is of them, or, where that failed or was canceled, the live one.
func (p *putter) holding(ctx context.Context, hash string) ([]rag.Document, error) {
	held, err := collect(ctx, p.tx, scanDocument, `SELECT `+documentColumns+documentTables+`
		WHERE d.id IN (SELECT h.document_id FROM versions h WHERE h.sha256 = ?) AND d.collection_id = ? AND d.deleted_at IS NULL
			AND CASE WHEN v.state IN (?, ?) THEN l.sha256 ELSE v.sha256 END = ? ORDER BY d.id LIMIT ?`,
		hash, p.collection, rag.StatusFailed, rag.StatusCanceled, hash, mostHolding)
	if err != nil {
		return nil, fmt.Errorf("look for documents of the same bytes: %w", err)
	}
	return held, nil
}

// settle settles an upload that is about a document where no new version is to be made.
func (p *putter) settle(ctx context.Context, m match, s ingest.Staged, metadata string) (accepted ingest.Accepted, settled bool, err error) {
	switch {
	case m.duplicate && s.Upload.OnDuplicate == ingest.DuplicateError:
		return ingest.Accepted{}, false, exists(m.Document, s)
	case unchanged(m.Document, s, metadata), m.duplicate && s.Upload.OnDuplicate == ingest.DuplicateSkip:
		accepted, err = p.asIs(ctx, m.Document)
		return accepted, true, err
	}
	return ingest.Accepted{}, false, nil
}

// exists refuses a duplicate, and names what is there.
func exists(d rag.Document, s ingest.Staged) error {
	message := fmt.Sprintf("document %q exists already (version %d, %s); replace it, or send another id", d.ExternalID, d.Version, d.Status)
	if s.Upload.ExternalID != d.ExternalID {
		what := "the upload"
		if s.Upload.Filename != "" {
			what = s.Upload.Filename
		}
		message = fmt.Sprintf("the bytes of %s are in this collection already, as document %q (version %d, %s); leave it out, or send on_duplicate=skip or replace",
			what, d.ExternalID, d.Version, d.Status)
	}
	return &rag.Problem{Kind: rag.ErrConflict, Code: "document_exists", Message: message, Document: d.ExternalID}
}

// unchanged reports whether an upload would make the document what it is.
func unchanged(d rag.Document, s ingest.Staged, metadata string) bool {
	before, err := toJSON(d.Metadata)
	u := s.Upload
	return err == nil && d.SHA256 == s.SHA256 && (u.Title == "" || d.Title == u.Title) && d.Filename == u.Filename &&
		d.MediaType == u.MediaType && d.Chunking == *u.Chunking && before == metadata && d.Status != rag.StatusFailed && d.Status != rag.StatusCanceled
}

// asIs answers an upload with a document as it stands, and with the job that is at work on it.
func (p *putter) asIs(ctx context.Context, d rag.Document) (ingest.Accepted, error) {
	job, err := scanJob(p.tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs j
		WHERE j.document_id = ? AND j.kind = ? AND j.finished_at IS NULL`, d.ID, rag.JobIngest))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return ingest.Accepted{}, fmt.Errorf("read job of document %d: %w", d.ID, err)
	}
	return ingest.Accepted{Document: d, Job: job, Unchanged: true}, nil
}
