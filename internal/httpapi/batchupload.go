package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/archive"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// batchUpload is one request that brings a batch.
type batchUpload struct {
	server     *Server
	receipt    *ingest.Receipt
	callback   *rag.Callback
	each       ingest.Upload // what holds for all files to come
	records    ingest.RecordFields
	collection rag.Collection
}

// postBatch takes a batch: a form with files and archives, or a bare archive. Its files are taken as they come, a
// hundred or so at a time: what broke off is there up to where it did.
func (s *Server) postBatch(c *gin.Context) {
	ctx := c.Request.Context()
	wait, err := (Waiting{Wait: c.Query("wait")}).duration()
	if err != nil {
		s.fail(c, err)
		return
	}
	collection, err := s.deps.Collections.Collection(ctx, tenant(ctx), c.Param("collection"))
	if err != nil {
		s.fail(c, err)
		return
	}
	u := &batchUpload{server: s, collection: collection, callback: &rag.Callback{}, each: ingest.Upload{OnDuplicate: ingest.DuplicateReplace}}
	u.receipt = s.deps.BatchIntake.Receive(collection, u.callback)
	id, err := u.receipt.End(ctx, u.read(c))
	if id != 0 {
		c.Header("Location", fmt.Sprintf("%s/batches/%d", apiBase, id))
	}
	if err == nil && id == 0 {
		err = rag.Invalid("", "the request brings no file: send 'file' parts, or a ZIP or TAR as an 'archive' part; hidden files in archives, and folders, do not count")
	}
	if err != nil {
		discard(c.Request.Body)
		s.fail(c, inBatch(err, id))
		return
	}
	s.answerBatch(c, id, wait)
}

// inBatch tells the client where the part of a batch is that was taken.
func inBatch(err error, id rag.BatchID) error {
	var problem *rag.Problem
	if id == 0 || !errors.As(err, &problem) {
		return err
	}
	told := *problem
	told.Message = fmt.Sprintf("%s; batch %d has what came before", problem.Message, id)
	return &told
}

func (s *Server) answerBatch(c *gin.Context, id rag.BatchID, wait time.Duration) {
	ctx := c.Request.Context()
	batch, err := s.awaitBatch(ctx, id, wait)
	if err != nil {
		s.fail(c, err)
		return
	}
	out, err := s.withRefused(ctx, batch, 0, refusedPage)
	if err != nil {
		s.fail(c, err)
		return
	}
	status := http.StatusAccepted
	if batch.State.Final() {
		status = http.StatusOK
	}
	c.JSON(status, out)
}

// read takes what a request brings.
func (u *batchUpload) read(c *gin.Context) error {
	mediaType, params, err := contentType(c)
	if err != nil {
		return err
	}
	for _, name := range []string{"on_duplicate", "duplicate_by", "chunking", "callback_url", "record_text", "record_id", "record_title", "record_metadata"} {
		if value := c.Query(name); value != "" {
			if err := u.set(c.Request.Context(), name, []byte(value)); err != nil {
				return err
			}
		}
	}
	body, done := uploadBody(c)
	defer done()
	source := &wire{r: body}
	switch mediaType {
	case "multipart/form-data":
		err = u.form(c.Request.Context(), newForm(source, params["boundary"]))
	case "application/zip", "application/x-tar", "application/gzip", "application/x-gzip", "application/octet-stream":
		if err = u.ready(); err == nil {
			err = u.archive(c.Request.Context(), "the archive", source)
		}
	case "application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
		if err = u.ready(); err == nil {
			err = u.recordFile(c.Request.Context(), "records", source)
		}
	default:
		return &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported_media_type", Message: "send a batch as multipart/form-data, an archive as application/zip, application/x-tar or application/gzip, or records as application/x-ndjson"}
	}
	var problem *rag.Problem
	if err != nil && (!errors.As(err, &problem) || source.err != nil) && (source.err != nil || errors.Is(err, io.ErrUnexpectedEOF)) {
		return &rag.Problem{Kind: rag.ErrInvalid, Code: ingest.CodeBroken, Message: ingest.MessageBroken, Err: err}
	}
	return err
}

// wire is a request's body that remembers why it ended too early.
type wire struct {
	r   io.Reader
	err error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// form reads a form part by part. Fields count for the files after them.
func (u *batchUpload) form(ctx context.Context, form form) error {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return formError(err)
		}
		if part.FileName() == "" {
			raw, err := io.ReadAll(io.LimitReader(part, maxFormField+1))
			if err != nil {
				return formError(err)
			}
			if err := u.set(ctx, part.FormName(), raw); err != nil {
				return err
			}
			continue
		}
		if err := u.ready(); err != nil {
			return err
		}
		switch part.FormName() {
		case "archive":
			err = u.archive(ctx, part.FileName(), part)
		case "file":
			err = u.file(ctx, part)
		case "records":
			err = u.recordFile(ctx, partPath(part), part)
		default:
			err = rag.Invalid("/"+part.FormName(), "unknown form field %q; files are called file, archives archive, and files of records records", part.FormName())
		}
		if err != nil {
			return err
		}
	}
}

// formError leaves to read what broke off, and says of the rest what is wrong.
func formError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return badForm(err)
}

// set takes a field.
func (u *batchUpload) set(ctx context.Context, name string, raw []byte) (err error) {
	if err := checkField(name, raw); err != nil {
		return err
	}
	switch name {
	case "on_duplicate":
		u.each.OnDuplicate = string(raw)
		return checkDuplicate(u.each.OnDuplicate, "")
	case "duplicate_by":
		u.each.DuplicateBy = string(raw)
		return checkDuplicate("", u.each.DuplicateBy)
	case "metadata":
		u.each.Metadata = nil
		return metadataField(raw, &u.each.Metadata)
	case "record_text":
		u.records.Text = fieldList(raw)
		return nil
	case "record_metadata":
		u.records.Metadata = fieldList(raw)
		return nil
	case "record_id":
		u.records.ID = string(raw)
		return nil
	case "record_title":
		u.records.Title = string(raw)
		return nil
	case "chunking":
		u.each.Chunking, err = u.server.chunkingField(ctx, u.collection, raw)
		return err
	case "callback_url", "callback_secret":
		if u.receipt.Entries() > 0 {
			return rag.Invalid("/"+name, "%s comes too late: send it before the files", name)
		}
		if name == "callback_url" {
			u.callback.URL = string(raw)
		} else {
			u.callback.Secret = string(raw)
		}
		return nil
	}
	return rag.Invalid("/"+name, "unknown form field %q; a batch takes file, archive, records, record_text, record_id, record_title, record_metadata, metadata, chunking, on_duplicate, duplicate_by, callback_url and callback_secret", name)
}

// fieldList reads names with commas between them.
func fieldList(raw []byte) []string {
	var out []string
	for name := range strings.SplitSeq(string(raw), ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// recordFile takes a document from each line of a file.
func (u *batchUpload) recordFile(ctx context.Context, name string, body io.Reader) error {
	clean, problem := archive.CleanPath(name)
	if problem != nil {
		return u.Refuse(ctx, name, problem)
	}
	return u.receipt.AddRecords(ctx, clean, body, u.server.options.Archives.Size, u.records, u.each)
}

// ready checks, before a file is read, what came before it.
func (u *batchUpload) ready() error {
	if u.receipt.Entries() > 0 || u.callback.URL == "" && u.callback.Secret == "" {
		return nil
	}
	return u.server.deps.Callbacks.Check(*u.callback)
}

// partPath is a part's name with its folders, which Part.FileName would cut.
func partPath(part *multipart.Part) string {
	if _, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	return part.FileName()
}

// file takes one file of a form. Its path is the document's id.
func (u *batchUpload) file(ctx context.Context, part *multipart.Part) error {
	name := partPath(part)
	if u.receipt.Entries() >= ingest.MaxEntries {
		return &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_many_files", Message: fmt.Sprintf("a batch has at most %d files; send the rest as another", ingest.MaxEntries)}
	}
	clean, problem := archive.CleanPath(name)
	switch {
	case problem != nil:
		return u.Refuse(ctx, name, problem)
	case clean == "":
		return nil
	}
	return u.take(ctx, clean, part)
}

func (u *batchUpload) take(ctx context.Context, clean string, body io.Reader) error {
	one := u.each
	one.ExternalID, one.Filename, one.Body = clean, path.Base(clean), body
	return u.receipt.Add(ctx, one)
}

// Refuse notes a file that is not taken.
func (u *batchUpload) Refuse(ctx context.Context, name string, reason *rag.Problem) error {
	return u.receipt.Refuse(ctx, name, reason)
}

// archive takes the files of an archive. One that is no archive at all is a refused entry beside others, and an error
// where it is all there is.
func (u *batchUpload) archive(ctx context.Context, name string, body io.Reader) error {
	limits := u.server.options.Archives
	limits.Entries = ingest.MaxEntries - u.receipt.Entries()
	before := u.receipt.Entries()
	err := archive.Walk(ctx, body, name, limits, &visitor{ctx, u})
	var problem *rag.Problem
	if before > 0 && errors.As(err, &problem) && (errors.Is(err, rag.ErrInvalid) || errors.Is(err, rag.ErrUnsupported) || errors.Is(err, rag.ErrTooLarge)) {
		return u.Refuse(ctx, name, problem)
	}
	return err
}

// visitor takes what an archive holds.
type visitor struct {
	ctx    context.Context
	upload *batchUpload
}

// Take takes a file.
func (v *visitor) Take(path string, body io.Reader) error { return v.upload.take(v.ctx, path, body) }

// Refuse notes a file that can't be taken.
func (v *visitor) Refuse(path string, reason *rag.Problem) error {
	return v.upload.Refuse(v.ctx, path, reason)
}
