package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// BatchFile is one file of a batch, an archive of files, or a file of records.
type BatchFile struct {
	Path    string // the document's id
	Archive bool
	Records bool // JSON lines, each of which becomes a document
	Open    func() (io.ReadCloser, error)
}

// BatchUpload is a batch to be sent.
type BatchUpload struct {
	Files []BatchFile
	Duplicates
	Records        RecordFields
	Chunking       *api.NewChunking // nil for the collection's
	CallbackURL    string
	CallbackSecret string
	// Sent is told of each file's bytes as they go, and of its end; nil for nobody. When the batch is sent again it
	// begins anew.
	Sent func(file BatchFile, bytes int64, done bool)
	// Unreadable is told of a file that can't be opened; the others are sent.
	Unreadable func(file BatchFile, err error)
}

// RecordFields say which members of a record become what; empty ones leave it to the server.
type RecordFields struct {
	Text, Metadata []string
	ID, Title      string
}

// UploadBatch sends a batch; it does not wait for its jobs. Where the server asks for patience, or the connection
// breaks, it is sent again: what was taken before is recognised and costs nothing.
func (c *Client) UploadBatch(ctx context.Context, collection string, u BatchUpload) (api.Batch, error) {
	for attempt := 1; ; attempt++ {
		var out api.Batch
		err := again(ctx, func() error { return c.batchOnce(ctx, collection, u, &out) })
		var refused *Error
		if err == nil || ctx.Err() != nil || errors.As(err, &refused) && refused.Code != "upload_broken" || errors.Is(err, errFile) || attempt == attempts {
			return out, err
		}
		select {
		case <-time.After(min(time.Second<<attempt, mostPause)):
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
}

// errFile is a file that could not be read to its end: sending again is of no use.
var errFile = errors.New("a file can't be read")

// batchOnce sends a batch as a form that is written as it goes.
func (c *Client) batchOnce(ctx context.Context, collection string, u BatchUpload, out *api.Batch) error {
	read, write := io.Pipe()
	form := multipart.NewWriter(write)
	written := make(chan error, 1)
	go func() {
		err := writeBatch(form, u)
		write.CloseWithError(err)
		written <- err
	}()
	err := c.send(ctx, http.MethodPost, collectionPath(collection, "batches"), form.FormDataContentType(), read, out)
	_ = read.Close() // a server that answers early reads no further
	if broken := <-written; err != nil && errors.Is(broken, errFile) {
		return broken
	}
	return err
}

func writeBatch(form *multipart.Writer, u BatchUpload) error {
	chunking, err := chunkingField(u.Chunking)
	if err != nil {
		return err
	}
	for _, field := range [][2]string{{"chunking", chunking}, {"on_duplicate", u.On}, {"duplicate_by", u.By}, {"callback_url", u.CallbackURL}, {"callback_secret", u.CallbackSecret},
		{"record_text", strings.Join(u.Records.Text, ",")}, {"record_id", u.Records.ID}, {"record_title", u.Records.Title}, {"record_metadata", strings.Join(u.Records.Metadata, ",")}} {
		if field[1] == "" {
			continue
		}
		if err := form.WriteField(field[0], field[1]); err != nil {
			return err
		}
	}
	for _, file := range u.Files {
		if err := writeFile(form, file, u); err != nil {
			return err
		}
	}
	return form.Close()
}

func writeFile(form *multipart.Writer, file BatchFile, u BatchUpload) error {
	content, err := file.Open()
	if err != nil {
		if u.Unreadable != nil {
			u.Unreadable(file, err)
		}
		return nil
	}
	defer content.Close()
	field := "file"
	switch {
	case file.Archive:
		field = "archive"
	case file.Records:
		field = "records"
	}
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename="%s"`, field, quoted(file.Path))},
		"Content-Type":        {"application/octet-stream"},
	})
	if err != nil {
		return err
	}
	source := &sending{r: content, file: file, sent: u.Sent}
	if _, err := io.Copy(part, source); err != nil {
		if source.err != nil {
			return fmt.Errorf("%w: %s: %w", errFile, file.Path, source.err)
		}
		return err
	}
	if u.Sent != nil {
		u.Sent(file, 0, true)
	}
	return nil
}

// quoted writes a path into a quoted string of a header, in UTF-8.
func quoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A").Replace(path)
}

// sending tells of a file's bytes as they are read, and remembers why they can't be.
type sending struct {
	r    io.Reader
	file BatchFile
	sent func(BatchFile, int64, bool)
	err  error
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 && s.sent != nil {
		s.sent(s.file, int64(n), false)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func batchPath(id rag.BatchID) string { return "/api/v1/batches/" + strconv.FormatInt(int64(id), 10) }

// Batch shows a batch, with a page of the files that were refused; with a wait, when it is over or the time is.
func (c *Client) Batch(ctx context.Context, id rag.BatchID, wait time.Duration, refusedAfter int) (api.Batch, error) {
	query := url.Values{"refused_limit": {"1000"}}
	if wait > 0 {
		query.Set("wait", wait.String())
	}
	if refusedAfter > 0 {
		query.Set("refused_after", strconv.Itoa(refusedAfter))
	}
	var out api.Batch
	err := c.call(ctx, http.MethodGet, batchPath(id)+"?"+query.Encode(), nil, &out)
	return out, err
}

// Batches lists batches, newest first, those of one collection or, with an empty name, all.
func (c *Client) Batches(ctx context.Context, collection string, limit int) (api.Batches, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if collection != "" {
		query.Set("collection", collection)
	}
	var out api.Batches
	err := c.call(ctx, http.MethodGet, "/api/v1/batches?"+query.Encode(), nil, &out)
	return out, err
}

// CancelBatch ends a batch that is not over.
func (c *Client) CancelBatch(ctx context.Context, id rag.BatchID) (api.Batch, error) {
	var out api.Batch
	err := c.call(ctx, http.MethodPost, batchPath(id)+":cancel", nil, &out)
	return out, err
}

// FollowBatch calls see with what a batch goes through until it is over, and returns it as it was then; see FollowJob.
func (c *Client) FollowBatch(ctx context.Context, id rag.BatchID, see func(api.Batch)) (api.Batch, error) {
	return follow(ctx, c, batchPath(id), see)
}
