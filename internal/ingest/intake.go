// Package ingest brings documents in. Intake makes an upload durable and queues it; Worker parses, chunks, embeds,
// indexes and publishes what was queued.
//
//	Intake: bytes -> blob -> one transaction (document, version, job) -> 202
//	Worker: blob -> Blocks -> Chunks -> batches of (embed, upsert, mark) -> publish -> remove the old version
package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// Upload is one document as a client hands it over: exactly one of Body, Text and Chunks is given.
type Upload struct {
	ExternalID  string // the client's id; empty lets the catalog give one
	Title       string
	Filename    string
	MediaType   string // for Text: text/plain (when empty), text/markdown or text/html; for Body the bytes decide
	Metadata    rag.Metadata
	Chunking    *rag.Chunking // nil for the collection's
	OnDuplicate string        // DuplicateReplace (also when empty), DuplicateSkip or DuplicateError: what to do with a duplicate
	DuplicateBy string        // DuplicateByID or DuplicateByContent: what makes one; when empty the id, or the bytes where there is none
	Body        io.Reader
	Text        string
	Chunks      []GivenChunk
}

// GivenChunk is a chunk that the client cut itself.
type GivenChunk struct {
	Text     string   `json:"text"`
	Headings []string `json:"headings,omitempty"`
	Page     int      `json:"page,omitempty"`
}

// What to do with an upload of a document that exists already.
const (
	DuplicateReplace = "replace"
	DuplicateSkip    = "skip"
	DuplicateError   = "error"
)

// What makes an upload one of a document that exists already.
const (
	DuplicateByID      = "id"
	DuplicateByContent = "content"
)

// mediaChunks is the media type of an original that is the client's own chunks, a JSON list of GivenChunk.
const mediaChunks = "application/vnd.redkite.chunks+json"

// Staged is an upload whose bytes are durable but which no catalog row names yet.
type Staged struct {
	Upload Upload // Body consumed, MediaType settled
	Blob   string // key in the blob store
	Size   int64
	SHA256 string // of the bytes, in hex
}

// Accepted is an upload that will not be lost.
type Accepted struct {
	Document  rag.Document
	Job       rag.Job // zero when nothing is to be done
	Unchanged bool    // the same bytes, title and metadata are there already, or the upload was skipped
}

// Blobs stores uploaded originals.
type Blobs interface {
	Put(ctx context.Context, key string, r io.Reader) error
	Open(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
	Delete(ctx context.Context, key string) error
}

// ErrUncertain is an error that leaves open whether what it is about was done: the database was lost while it committed.
var ErrUncertain = errors.New("it is not known whether this was written")

// Documents writes documents, their versions and their jobs in one transaction, in the order given. An error says that
// nothing was written, unless it is ErrUncertain.
type Documents interface {
	PutDocuments(ctx context.Context, collection rag.CollectionID, staged []Staged) ([]Accepted, error)
}

// Intake takes uploads.
type Intake struct {
	Blobs     Blobs
	Documents Documents
	Batches   Batches
	NewKey    func() string                                  // makes a blob key that no other blob has
	Sniff     func(name string, head []byte) (string, bool)  // names the media type of a file by its first bytes
	Check     func(fields []rag.Field, m rag.Metadata) error // refuses metadata that its collection's fields can't hold
	MaxBytes  int64                                          // largest original
}

// SniffBytes is how much of a file decides on its type; mimetype reads no more by default.
const SniffBytes = 3072

// Stage makes the bytes of an upload durable. An empty, too large or unknown file is a rag.Problem and leaves nothing.
func (in *Intake) Stage(ctx context.Context, collection rag.Collection, u Upload) (Staged, error) {
	if strings.ContainsRune(u.ExternalID, 0) || !utf8.ValidString(u.ExternalID) {
		return Staged{}, rag.Invalid("/id", "an id is text in UTF-8 without NUL characters, not %q", u.ExternalID)
	}
	if err := in.Check(collection.Fields, u.Metadata); err != nil {
		return Staged{}, err
	}
	body, err := in.open(&u)
	if err != nil {
		return Staged{}, err
	}
	staged := Staged{Blob: in.NewKey()}
	meter := &meter{r: body, hash: sha256.New(), limit: in.MaxBytes, name: nameOf(u)}
	if err := in.Blobs.Put(ctx, staged.Blob, meter); err != nil {
		return Staged{}, fmt.Errorf("stage %s: %w", nameOf(u), err)
	}
	staged.Size, staged.SHA256 = meter.n, hex.EncodeToString(meter.hash.Sum(nil))
	u.Body, u.Text, u.Chunks = nil, "", nil
	staged.Upload = u
	return staged, nil
}

// open settles the upload's media type and gives its bytes.
func (in *Intake) open(u *Upload) (io.Reader, error) {
	switch {
	case u.Chunks != nil:
		u.Chunking = &rag.Chunking{} // they are cut already
		raw, err := json.Marshal(u.Chunks)
		if err != nil {
			return nil, fmt.Errorf("write chunks: %w", err)
		}
		u.MediaType = mediaChunks
		return bytes.NewReader(raw), nil
	case u.Body == nil:
		if u.MediaType == "" {
			u.MediaType = "text/plain"
		}
		if u.Text == "" {
			return nil, empty(*u)
		}
		return bytes.NewReader([]byte(u.Text)), nil
	}
	head := make([]byte, SniffBytes)
	n, err := io.ReadFull(u.Body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %s: %w", nameOf(*u), err)
	}
	if n == 0 {
		return nil, empty(*u)
	}
	mediaType, ok := in.Sniff(u.Filename, head[:n])
	if !ok {
		return nil, &rag.Problem{
			Kind: rag.ErrUnsupported, Code: "unsupported",
			Message: fmt.Sprintf("%s: files of this type (%s) can't be read; docs/formats.md lists those that can: PDF, Word, PowerPoint, Excel, EPUB, HTML, mail and text of many kinds", nameOf(*u), mediaType),
		}
	}
	u.MediaType = mediaType
	return io.MultiReader(bytes.NewReader(head[:n]), u.Body), nil
}

// Commit names staged uploads in the catalog and queues their jobs: all of them or, on an error, none. Blobs that the
// catalog then does not name are removed; where that is not known they stay.
func (in *Intake) Commit(ctx context.Context, collection rag.Collection, staged []Staged) ([]Accepted, error) {
	accepted, err := in.Documents.PutDocuments(ctx, collection.ID, staged)
	if err != nil {
		if !errors.Is(err, ErrUncertain) {
			in.Discard(ctx, staged)
		}
		return nil, fmt.Errorf("commit %d uploads: %w", len(staged), err)
	}
	for i, a := range accepted {
		if a.Unchanged {
			in.Discard(ctx, staged[i:i+1])
		}
	}
	return accepted, nil
}

// discardTimeout bounds a removal of many uploads from a store that does not answer.
const discardTimeout = 30 * time.Second

// Discard removes the bytes of uploads that were staged and will not be committed. What can't be removed stays as an
// orphan; it is never served.
func (in *Intake) Discard(ctx context.Context, staged []Staged) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	for _, s := range staged {
		_ = in.Blobs.Delete(ctx, s.Blob)
	}
}

func empty(u Upload) error {
	return &rag.Problem{
		Kind: rag.ErrInvalid, Code: "empty_file",
		Message: nameOf(u) + " is empty: there is nothing to search in it",
	}
}

// nameOf is what messages call an upload.
func nameOf(u Upload) string {
	switch {
	case u.Filename != "":
		return u.Filename
	case u.ExternalID != "":
		return "document " + u.ExternalID
	}
	return "the document"
}

// meter counts and hashes what is read through it and stops past its limit.
type meter struct {
	r     io.Reader
	hash  hash.Hash
	limit int64
	n     int64
	name  string
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.hash.Write(p[:n])
	if m.n += int64(n); m.n > m.limit {
		return n, &rag.Problem{
			Kind: rag.ErrTooLarge, Code: "file_too_large",
			Message: fmt.Sprintf("%s is larger than the limit of %d bytes; split it or raise max_upload_bytes", m.name, m.limit),
		}
	}
	return n, err
}
