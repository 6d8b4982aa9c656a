package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/redkite/redkite/internal/api"
)

// UploadDocuments uploads documents as JSON; it does not wait for their jobs.
func (c *Client) UploadDocuments(ctx context.Context, collection string, documents []api.NewDocument) (api.Uploaded, error) {
	var out api.Uploaded
	err := c.call(ctx, http.MethodPost, collectionPath(collection, "documents"), api.NewDocuments{Documents: documents}, &out)
	return out, err
}

// Duplicates says what is done with an upload of a document that exists; empty members leave it to the server.
type Duplicates struct {
	On string // replace, skip or error
	By string // what makes a duplicate: id or content
}

// Manner says how an upload is taken, where not as the server and the collection have it.
type Manner struct {
	Duplicates
	Chunking *api.NewChunking // nil for the collection's
}

// chunkingField is a chunking as a form has it; empty for nil.
func chunkingField(c *api.NewChunking) (string, error) {
	if c == nil {
		return "", nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write chunking: %w", err)
	}
	return string(raw), nil
}

// UploadFile creates or replaces a document from a file, which is streamed; it does not wait for the job. While the
// server asks for patience the file is sent again, if content can be read again.
func (c *Client) UploadFile(ctx context.Context, collection, id, filename string, content io.Reader, m Manner) (api.Uploaded, error) {
	var out api.Uploaded
	seeker, repeatable := content.(io.Seeker)
	if !repeatable {
		err := c.uploadOnce(ctx, collection, id, filename, content, m, &out)
		return out, err
	}
	err := again(ctx, func() error {
		if _, err := seeker.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read %s from its start: %w", filename, err)
		}
		return c.uploadOnce(ctx, collection, id, filename, content, m, &out)
	})
	return out, err
}

// uploadOnce sends a file as a form. The id is a field of the form and not a part of the address, so that it may hold
// anything, slashes too.
func (c *Client) uploadOnce(ctx context.Context, collection, id, filename string, content io.Reader, m Manner, out *api.Uploaded) error {
	chunking, err := chunkingField(m.Chunking)
	if err != nil {
		return err
	}
	read, write := io.Pipe()
	form := multipart.NewWriter(write)
	written := make(chan struct{})
	var broken error // reading content failed
	go func() {
		defer close(written)
		err := form.WriteField("id", id)
		for name, value := range map[string]string{"chunking": chunking, "on_duplicate": m.On, "duplicate_by": m.By} {
			if err == nil && value != "" {
				err = form.WriteField(name, value)
			}
		}
		var part io.Writer
		if err == nil {
			part, err = form.CreateFormFile("file", filename)
		}
		if err == nil {
			_, err = io.Copy(part, content)
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			broken = err
		}
		write.CloseWithError(err)
	}()
	err = c.send(ctx, http.MethodPost, collectionPath(collection, "documents"), form.FormDataContentType(), read, out)
	_ = read.Close() // a server that answers early reads no further
	<-written        // from here on nobody reads content
	if err != nil && broken != nil {
		return fmt.Errorf("read %s: %w", filename, broken)
	}
	return err
}
