package redkite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// NewCollection asks for a collection.
type NewCollection struct {
	Name   string  `json:"name"`
	Fields []Field `json:"fields,omitempty"` // metadata keys that are filtered by often
	Model  string  `json:"model,omitempty"`  // bi-encoder; empty for the server's default
}

// Field is a metadata key with its type, such as int, float, bool, string or string[].
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// NewDocument is a document to put: with Text, or with Chunks that you cut.
type NewDocument struct {
	ID        string         `json:"id,omitempty"` // your own; a document that has it is replaced. Empty: one is given
	Title     string         `json:"title,omitempty"`
	Text      string         `json:"text,omitempty"`
	MediaType string         `json:"media_type,omitempty"` // of Text: text/plain, text/markdown or text/html
	Chunks    []NewChunk     `json:"chunks,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"` // strings, numbers, booleans, lists of strings
}

// NewChunk is a chunk that you cut.
type NewChunk struct {
	Text     string   `json:"text"`
	Headings []string `json:"headings,omitempty"` // of the sections around it, outermost first
	Page     int      `json:"page,omitempty"`     // from 1
}

// File is a file to upload.
type File struct {
	ID       string                        // your own; a document that has it is replaced. Empty: one is given
	Name     string                        // file name, shown with hits; the format is told by the bytes first
	Title    string                        // may be empty
	Metadata map[string]any                // may be nil
	Open     func() (io.ReadCloser, error) // its bytes; called for each try
}

// FileAt is the file at a path, under its name there.
func FileAt(path string) File {
	return File{Name: filepath.Base(path), Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// Uploaded tells what was taken: it will not be lost, and is searchable when its jobs are over.
type Uploaded struct {
	Documents []UploadedDocument `json:"documents"`
}

// Jobs are those to Wait for.
func (u Uploaded) Jobs() (jobs []int64) {
	for _, d := range u.Documents {
		if d.JobID != 0 {
			jobs = append(jobs, d.JobID)
		}
	}
	return jobs
}

// UploadedDocument is one document taken.
type UploadedDocument struct {
	DocumentID string `json:"document_id"`
	JobID      int64  `json:"job_id"` // 0 where nothing is to be done
	Unchanged  bool   `json:"unchanged"`
}

// Document describes a document.
type Document struct {
	DocumentID string         `json:"document_id"`
	Title      string         `json:"title"`
	Filename   string         `json:"filename"`
	Metadata   map[string]any `json:"metadata"`
	Status     string         `json:"status"` // of the newest version: ready, ready_with_warnings, failed, canceled, or on its way
	Error      *Failure       `json:"error"`  // why it failed
	Chunks     int            `json:"chunks"` // that search may return
	UpdatedAt  time.Time      `json:"updated_at"`
}

// Failure says why something failed.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Job is work of the server.
type Job struct {
	ID         int64    `json:"id"`
	DocumentID string   `json:"document_id"`
	State      string   `json:"state"` // queued, running, retrying; in the end succeeded, failed or canceled
	Error      *Failure `json:"error"`
}

// JobError is a job that did not succeed.
type JobError struct{ Job Job }

// Error names the document and the reason.
func (e *JobError) Error() string {
	why := ""
	if e.Job.Error != nil {
		why = fmt.Sprintf(": %s (%s)", e.Job.Error.Message, e.Job.Error.Code)
	}
	return fmt.Sprintf("job %d of document %q %s%s", e.Job.ID, e.Job.DocumentID, e.Job.State, why)
}

// CreateCollection makes a collection. Where there is one of that name, the Error has Status 409.
func (c *Client) CreateCollection(ctx context.Context, n NewCollection) error {
	return c.call(ctx, http.MethodPost, "/collections", n, nil)
}

// DeleteCollection removes a collection and all in it.
func (c *Client) DeleteCollection(ctx context.Context, collection string) error {
	return c.call(ctx, http.MethodDelete, in(collection), nil, nil)
}

// PutText puts documents, at most 1000: all of them are taken, or none. Wait for what it gives before you search.
func (c *Client) PutText(ctx context.Context, collection string, documents ...NewDocument) (Uploaded, error) {
	var out Uploaded
	err := c.call(ctx, http.MethodPost, in(collection, "documents"), map[string]any{"documents": documents}, &out)
	return out, err
}

// Upload puts a file, which is sent as it is read. Wait for what it gives before you search.
func (c *Client) Upload(ctx context.Context, collection string, f File) (Uploaded, error) {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	metadata := ""
	if f.Metadata != nil {
		raw, err := json.Marshal(f.Metadata)
		if err != nil {
			return Uploaded{}, fmt.Errorf("write the metadata of %s: %w", f.Name, err)
		}
		metadata = string(raw)
	}
	for _, field := range [][2]string{{"id", f.ID}, {"title", f.Title}, {"metadata", metadata}} {
		if field[1] != "" {
			_ = form.WriteField(field[0], field[1]) // a buffer takes everything
		}
	}
	_, _ = form.CreateFormFile("file", f.Name)
	head := frame.Len()
	_ = form.Close()
	var out Uploaded
	err := c.exchange(ctx, http.MethodPost, in(collection, "documents"), body{form.FormDataContentType(), 0, func() (io.ReadCloser, error) {
		content, err := f.Open()
		if err != nil {
			return nil, err
		}
		whole := io.MultiReader(bytes.NewReader(frame.Bytes()[:head]), content, bytes.NewReader(frame.Bytes()[head:]))
		return struct {
			io.Reader
			io.Closer
		}{whole, content}, nil
	}}, &out)
	return out, err
}

// Wait waits until jobs are over, as long as the context lasts. The first that did not succeed is a *JobError.
func (c *Client) Wait(ctx context.Context, jobs ...int64) error {
	for _, id := range jobs {
		var job Job
		for job.State != "succeeded" {
			if err := c.call(ctx, http.MethodGet, "/jobs/"+strconv.FormatInt(id, 10)+"?wait=30s", nil, &job); err != nil {
				return err
			}
			if job.State == "failed" || job.State == "canceled" {
				return &JobError{job}
			}
		}
	}
	return nil
}

// GetDocument describes a document.
func (c *Client) GetDocument(ctx context.Context, collection, id string) (Document, error) {
	var out Document
	err := c.call(ctx, http.MethodGet, in(collection, "documents", id), nil, &out)
	return out, err
}

// Delete removes a document: once it returns, no search finds it.
func (c *Client) Delete(ctx context.Context, collection, id string) error {
	return c.call(ctx, http.MethodDelete, in(collection, "documents", id), nil, nil)
}
