package mcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// ingestWait is how long adding waits for a document to be searchable.
const ingestWait = 30 * time.Second

type addDocumentInput struct {
	Collection string         `json:"collection" jsonschema:"Name of the collection."`
	ID         string         `json:"id,omitempty" jsonschema:"Your own id; the document that has it is replaced. Left out, one is given."`
	Title      string         `json:"title,omitempty"`
	Text       string         `json:"text" jsonschema:"The document's text."`
	MediaType  string         `json:"media_type,omitempty" jsonschema:"text/plain, text/markdown or text/html. Defaults to text/plain."`
	Metadata   map[string]any `json:"metadata,omitempty" jsonschema:"Keys to filter by: strings, numbers, booleans, lists of strings. url is what search results link to."`
}

type addDocumentOutput struct {
	DocumentID string     `json:"document_id"`
	Status     rag.Status `json:"status" jsonschema:"ready, or what it waits for."`
	Unchanged  bool       `json:"unchanged" jsonschema:"It was there already, the same."`
}

func (s *service) addDocument(ctx context.Context, in addDocumentInput) (addDocumentOutput, error) {
	if err := s.check(in.Collection); err != nil {
		return addDocumentOutput{}, err
	}
	taken, err := s.library.UploadDocuments(ctx, in.Collection, []api.NewDocument{
		{ID: in.ID, Title: in.Title, Text: in.Text, MediaType: in.MediaType, Metadata: in.Metadata},
	})
	if err != nil {
		return addDocumentOutput{}, err
	}
	if len(taken.Documents) != 1 {
		return addDocumentOutput{}, errors.New("the server did not say what became of the document")
	}
	d := taken.Documents[0]
	out := addDocumentOutput{DocumentID: d.DocumentID, Status: d.Status, Unchanged: d.Unchanged}
	if d.JobID == 0 {
		return out, nil
	}
	job, err := s.library.Job(ctx, d.JobID, ingestWait)
	if err != nil {
		return addDocumentOutput{}, fmt.Errorf("document %q was taken, but how it goes on can't be told: %w", d.DocumentID, err)
	}
	if job.Error != nil && job.State == rag.JobFailed {
		return addDocumentOutput{}, fmt.Errorf("document %q was taken and can't be made searchable: %s (%s)", d.DocumentID, job.Error.Message, job.Error.Code)
	}
	if job.State == rag.JobSucceeded {
		shown, err := s.library.Document(ctx, in.Collection, d.DocumentID)
		if err != nil {
			return addDocumentOutput{}, err
		}
		out.Status = shown.Status
	}
	return out, nil
}

type deleteDocumentInput struct {
	Collection string `json:"collection" jsonschema:"Name of the collection."`
	DocumentID string `json:"document_id" jsonschema:"The document's id."`
}

type deleteDocumentOutput struct {
	DocumentID string `json:"document_id"`
	Deleted    bool   `json:"deleted"`
}

func (s *service) deleteDocument(ctx context.Context, in deleteDocumentInput) (deleteDocumentOutput, error) {
	if err := s.check(in.Collection); err != nil {
		return deleteDocumentOutput{}, err
	}
	if _, err := s.library.DeleteDocument(ctx, in.Collection, in.DocumentID); err != nil {
		return deleteDocumentOutput{}, err
	}
	return deleteDocumentOutput{in.DocumentID, true}, nil
}
