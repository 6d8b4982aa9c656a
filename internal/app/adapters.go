package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/httpapi"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/milvus"
	"github.com/redkite/redkite/internal/rag"
)

// newVectors makes the client of the Milvus at address.
func newVectors(s config.Settings, address func() string, log *slog.Logger) *milvus.Client {
	return milvus.New(milvus.Config{
		Address: address, User: s.MilvusUser, Password: s.MilvusPassword, TLS: s.MilvusTLS, Database: s.MilvusDatabase, Timeout: s.MilvusTimeout,
	}, log)
}

// index lets ingest and retrieve see Milvus by collection.
type index struct{ milvus *milvus.Client }

func (i index) Ensure(ctx context.Context, c rag.Collection) error {
	return i.milvus.Ensure(ctx, milvus.Of(c))
}

func (i index) Upsert(ctx context.Context, c rag.Collection, rows []ingest.Row) error {
	converted := make([]milvus.Row, len(rows))
	for n, row := range rows {
		converted[n] = milvus.Row(row)
	}
	return i.milvus.Upsert(ctx, milvus.Of(c), converted)
}

func (i index) Visible(ctx context.Context, c rag.Collection, ids []rag.ChunkID) error {
	return i.milvus.Visible(ctx, milvus.Of(c), ids)
}

func (i index) Embeddings(ctx context.Context, c rag.Collection, ids []rag.ChunkID) (map[rag.ChunkID]rag.Embedding, error) {
	return i.milvus.Embeddings(ctx, milvus.Of(c), ids)
}

func (i index) Rows(ctx context.Context, c rag.Collection, low, high rag.ChunkID) (map[rag.ChunkID]rag.DocumentID, error) {
	return i.milvus.Rows(ctx, milvus.Of(c), low, high)
}

func (i index) Strays(ctx context.Context, c rag.Collection, low, high rag.ChunkID) ([]rag.ChunkID, error) {
	return i.milvus.Strays(ctx, milvus.Of(c), low, high)
}

func (i index) Delete(ctx context.Context, c rag.Collection, ids []rag.ChunkID) error {
	return i.milvus.Delete(ctx, milvus.Of(c), ids)
}

func (i index) DeleteDocument(ctx context.Context, c rag.Collection, id rag.DocumentID) error {
	return i.milvus.DeleteDocument(ctx, milvus.Of(c), id)
}

func (i index) Drop(ctx context.Context, c rag.Collection) error {
	return i.milvus.Drop(ctx, milvus.Of(c))
}

func (i index) Search(ctx context.Context, c rag.Collection, vector rag.Embedding, limit int, f *rag.Filter) ([]rag.Candidate, error) {
	return i.milvus.Search(ctx, milvus.Of(c), milvus.Search{Vector: vector, Limit: limit, Filter: f})
}

func (i index) SearchTerms(ctx context.Context, c rag.Collection, query rag.TermVector, limit int, f *rag.Filter) ([]rag.Candidate, error) {
	return i.milvus.SearchTerms(ctx, milvus.Of(c), query, limit, f)
}

func (i index) Lexical(ctx context.Context, c rag.Collection) (rag.Lexical, error) {
	return i.milvus.Lexical(ctx, milvus.Of(c))
}

// collections makes collections of what a request asks for.
type collections struct {
	*catalog.Catalog
	encoders *encoders
}

// Create settles a new collection's model and chunking and writes it.
func (c collections) Create(ctx context.Context, tenant string, n api.NewCollection) (rag.Collection, error) {
	name := n.Model
	if name == "" {
		name = c.encoders.defBi.Name
	}
	encoder, err := c.encoders.open(ctx, name)
	if err != nil {
		return rag.Collection{}, err
	}
	if err := checkFields(n.Fields); err != nil {
		return rag.Collection{}, err
	}
	var asked api.NewChunking
	if n.Chunking != nil {
		asked = *n.Chunking
	}
	chunking, err := chunk.Settle(rag.NewChunking(asked), rag.Chunking{}, encoder.MaxTokens())
	if err != nil {
		return rag.Collection{}, err
	}
	retrieval, err := newRetrieval(n.Retrieval)
	if err != nil {
		return rag.Collection{}, err
	}
	return c.CreateCollection(ctx, rag.Collection{
		Tenant: tenant, Name: n.Name, BiEncoder: name, Dimension: encoder.spec.Dimension, Fields: n.Fields, Chunking: chunking, Retrieval: retrieval, Mode: n.Mode, Generation: 1,
	})
}

// Chunking settles what a request asks for over what the collection has.
func (c collections) Chunking(ctx context.Context, of rag.Collection, asked api.NewChunking) (rag.Chunking, error) {
	encoder, err := c.encoders.open(ctx, of.BiEncoder)
	if err != nil {
		return rag.Chunking{}, err
	}
	return chunk.Settle(rag.NewChunking(asked), of.Chunking, encoder.MaxTokens())
}

// Change settles what a collection's members are to be, each over what it has, and writes them.
func (c collections) Change(ctx context.Context, tenant, name string, asked api.CollectionPatch) (rag.Collection, error) {
	var maxTokens int
	if asked.Chunking != nil {
		found, err := c.Collection(ctx, tenant, name)
		if err != nil {
			return rag.Collection{}, err
		}
		encoder, err := c.encoders.open(ctx, found.BiEncoder) // before the transaction: it may take long
		if err != nil {
			return rag.Collection{}, err
		}
		maxTokens = encoder.MaxTokens()
	}
	return c.ChangeCollection(ctx, tenant, name, func(to *rag.Collection) error {
		if asked.Chunking != nil {
			settled, err := chunk.Settle(rag.NewChunking(*asked.Chunking), to.Chunking, maxTokens)
			if err != nil {
				return err
			}
			to.Chunking = settled
		}
		if asked.Mode != nil {
			to.Mode = *asked.Mode
		}
		if asked.Retrieval != nil {
			to.Retrieval = to.Retrieval.With(rag.NewRetrieval(*asked.Retrieval))
			return checkRetrieval(to.Retrieval)
		}
		return nil
	})
}

func checkFields(fields []rag.Field) error {
	seen := map[string]bool{}
	for i, f := range fields {
		at := fmt.Sprintf("/fields/%d", i)
		if err := rag.CheckKey(f.Name); err != nil {
			return rag.Invalid(at+"/name", "%v", err)
		}
		if seen[f.Name] {
			return rag.Invalid(at+"/name", "field %q is declared twice", f.Name)
		}
		seen[f.Name] = true
		switch f.Type {
		case rag.FieldInt, rag.FieldFloat, rag.FieldBool, rag.FieldString, rag.FieldStrings:
		default:
			return rag.Invalid(at+"/type", "field %q has the unknown type %q; use int, float, bool, string or string[]", f.Name, f.Type)
		}
	}
	return nil
}

// documents pages through the catalog.
type documents struct{ *catalog.Catalog }

func (d documents) DocumentPage(ctx context.Context, c rag.CollectionID, status rag.Status, after rag.DocumentID, limit int) ([]rag.Document, error) {
	page := catalog.Page{After: after, Limit: limit}
	if status != "" {
		page.Status = []rag.Status{status}
	}
	return d.Documents(ctx, c, page)
}

// DocumentsMatching lists those documents whose newest version's metadata matches.
func (d documents) DocumentsMatching(ctx context.Context, c rag.CollectionID, status rag.Status, filter *rag.Filter, after rag.DocumentID, limit int) ([]rag.Document, error) {
	page := catalog.Page{After: after, Limit: limit, Filter: filter}
	if status != "" {
		page.Status = []rag.Status{status}
	}
	return d.Documents(ctx, c, page)
}

// texts opens the texts that ingestion keeps.
type texts struct {
	catalog *catalog.Catalog
	blobs   ingest.Blobs
}

// OpenText opens the text of a document's live version. Where another version takes its place meanwhile, and with it the
// text is gone, it looks again.
func (t texts) OpenText(ctx context.Context, c rag.CollectionID, externalID string) (rag.Text, error) {
	for tries := 1; ; tries++ {
		document, version, key, err := t.catalog.LiveText(ctx, c, externalID)
		if err != nil {
			return rag.Text{}, err
		}
		content, size, err := t.blobs.Open(ctx, key)
		if err == nil {
			return rag.Text{Document: document, Version: version, Content: content, Size: size}, nil
		}
		if tries == textTries || !errors.Is(err, rag.ErrNotFound) {
			return rag.Text{}, fmt.Errorf("open text of document %d: %w", document, err)
		}
	}
}

// textTries is how often a text is looked for.
const textTries = 3

func (d documents) JobPage(ctx context.Context, tenant string, q httpapi.JobQuery) ([]rag.Job, error) {
	filter := catalog.JobFilter{
		Collection: q.Collection, ExternalID: q.Document, Batch: q.Batch, IDs: q.IDs, Kind: q.Kind, From: q.From, To: q.To, Before: q.Before, Limit: q.Limit,
	}
	if q.State != "" {
		filter.States = []rag.JobState{q.State}
	}
	return d.Jobs(ctx, tenant, filter)
}

// Patch checks the changed metadata as an upload's.
func (d documents) Patch(ctx context.Context, c rag.Collection, externalID string, change func(rag.Metadata) rag.Metadata) (ingest.Accepted, error) {
	return d.PatchDocument(ctx, c.ID, externalID, func(m rag.Metadata) (rag.Metadata, error) {
		changed := change(m)
		return changed, milvus.CheckMetadata(c.Fields, changed)
	})
}

// intake checks a client's own chunks against its collection's bi-encoder before they are taken.
type intake struct {
	*ingest.Intake
	encoders *encoders
	files    ingest.Files
}

func (i intake) Stage(ctx context.Context, c rag.Collection, u ingest.Upload) (ingest.Staged, error) {
	if u.Chunks != nil {
		encoder, err := i.encoders.open(ctx, c.BiEncoder)
		if err != nil {
			return ingest.Staged{}, err
		}
		if err := ingest.CheckGiven(u.Chunks, encoder.MaxTokens(), encoder); err != nil {
			return ingest.Staged{}, err
		}
	}
	return i.Intake.Stage(ctx, c, u)
}

// KeepFile names a staged file in the catalog.
func (i intake) KeepFile(ctx context.Context, f rag.File) (rag.File, error) {
	return i.CommitFile(ctx, i.files, f)
}
