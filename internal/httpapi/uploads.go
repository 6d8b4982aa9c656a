package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// Limits on uploads.
const (
	maxDocumentsJSON = 64 << 20 // bytes of a JSON upload, which is held in memory
	maxFormField     = 1 << 20  // bytes of a form field that is no file
	maxFormFiles     = 1000     // files in one form
	uploadIdle       = time.Minute
)

// upload is one request that brings documents.
type upload struct {
	collection  rag.Collection
	wait        time.Duration
	id          string // of the document, for PUT
	onDuplicate string // empty where the request does not say
	duplicateBy string
	title       string
	metadata    rag.Metadata
	chunking    *rag.Chunking // nil for the collection's
	staged      []ingest.Staged
	refused     []api.RefusedFile
	firstErr    error
}

// postDocuments takes many documents: a form with files, or JSON.
func (s *Server) postDocuments(c *gin.Context) { s.takeUpload(c, "") }

// putDocument takes one document under the client's id: a form with one file, JSON, or the bare bytes.
func (s *Server) putDocument(c *gin.Context) {
	id := c.Param("document")
	if id == "" || len(id) > 512 {
		s.fail(c, rag.Invalid("", "a document's id has 1 to 512 bytes"))
		return
	}
	s.takeUpload(c, id)
}

func (s *Server) takeUpload(c *gin.Context, id string) {
	u := &upload{id: id}
	err := s.begin(c, u)
	if err == nil {
		err = s.stage(c, u)
	}
	if err == nil && len(u.staged) == 0 {
		if err = u.firstErr; err == nil {
			err = rag.Invalid("", "the request brings no document: send 'file' parts, or JSON with 'documents'")
		}
	}
	if err != nil {
		s.deps.Intake.Discard(c.Request.Context(), u.staged)
		discard(c.Request.Body)
		s.fail(c, tooLarge(err))
		return
	}
	accepted, err := s.deps.Intake.Commit(c.Request.Context(), u.collection, u.staged)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.answerUpload(c, u, accepted)
}

// begin reads what an upload's address says.
func (s *Server) begin(c *gin.Context, u *upload) error {
	ctx := c.Request.Context()
	var err error
	if u.wait, err = (Waiting{Wait: c.Query("wait")}).duration(); err != nil {
		return err
	}
	u.onDuplicate, u.duplicateBy = c.Query("on_duplicate"), c.Query("duplicate_by")
	if u.collection, err = s.deps.Collections.Collection(ctx, tenant(ctx), c.Param("collection")); err != nil {
		return err
	}
	u.chunking, err = s.chunkingField(ctx, u.collection, []byte(c.Query("chunking")))
	return err
}

// stage makes the bytes of a request's documents durable.
func (s *Server) stage(c *gin.Context, u *upload) error {
	mediaType, params, err := contentType(c)
	if err != nil {
		return err
	}
	body, done := uploadBody(c)
	defer done()
	switch {
	case mediaType == "multipart/form-data":
		return s.stageForm(c, u, newForm(body, params["boundary"]))
	case mediaType == "application/json":
		return s.stageJSON(c, u, body)
	case u.id != "":
		return s.stageFile(c, u, fileName(c), body)
	}
	return &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported_media_type", Message: "send documents as multipart/form-data or application/json"}
}

// contentType reads that header; an upload without one has an empty type.
func contentType(c *gin.Context) (mediaType string, params map[string]string, err error) {
	mediaType, params, err = mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil && c.GetHeader("Content-Type") != "" {
		return "", nil, rag.Invalid("", "the Content-Type header can't be read")
	}
	return mediaType, params, nil
}

// uploadBody is a body that may take any time as long as bytes come. done must be called when it is read.
func uploadBody(c *gin.Context) (body io.Reader, done func()) {
	controller := http.NewResponseController(c.Writer)
	extend := func() { _ = controller.SetReadDeadline(time.Now().Add(uploadIdle)) }
	return &progressReader{r: c.Request.Body, extend: extend}, func() { _ = controller.SetReadDeadline(time.Time{}) }
}

// fileName is what a bare body is called: its Content-Disposition's name, or the last part of the document's id.
func fileName(c *gin.Context) string {
	if _, params, err := mime.ParseMediaType(c.GetHeader("Content-Disposition")); err == nil && params["filename"] != "" {
		return path.Base(params["filename"])
	}
	return path.Base(c.Param("document"))
}

// stageForm reads a form part by part. Fields count for the files after them.
func (s *Server) stageForm(c *gin.Context, u *upload, form form) error {
	for files := 0; ; {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badForm(err)
		}
		if part.FileName() == "" {
			if err := s.field(c, u, part); err != nil {
				return err
			}
			continue
		}
		if files++; files > maxFormFiles {
			return &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_many_files", Message: fmt.Sprintf("a request brings at most %d files", maxFormFiles)}
		}
		if u.id != "" && files > 1 {
			return rag.Invalid("", "one document has one file; send several without an id")
		}
		if err := s.stageFile(c, u, part.FileName(), part); err != nil {
			return err
		}
	}
}

// badForm tells a damaged form from a client that is gone or too slow.
func badForm(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return rag.Invalid("", "the form ends too early")
	}
	return rag.Invalid("", "the form can't be read: %v", err)
}

// field reads a form field that is no file.
func (s *Server) field(c *gin.Context, u *upload, part *multipart.Part) error {
	raw, err := io.ReadAll(io.LimitReader(part, maxFormField+1))
	if err != nil {
		return badForm(err)
	}
	if err := checkField(part.FormName(), raw); err != nil {
		return err
	}
	switch part.FormName() {
	case "id":
		u.id = string(raw)
	case "title":
		u.title = string(raw)
	case "on_duplicate":
		u.onDuplicate = string(raw)
	case "duplicate_by":
		u.duplicateBy = string(raw)
	case "metadata":
		return metadataField(raw, &u.metadata)
	case "chunking":
		u.chunking, err = s.chunkingField(c.Request.Context(), u.collection, raw)
		return err
	default:
		return rag.Invalid("/"+part.FormName(), "unknown form field %q; a form takes file, id, title, metadata, chunking, on_duplicate and duplicate_by", part.FormName())
	}
	return nil
}

// checkField refuses a form field that is too large.
func checkField(name string, raw []byte) error {
	if len(raw) > maxFormField {
		return &rag.Problem{Kind: rag.ErrTooLarge, Code: "field_too_large", Message: fmt.Sprintf("form field %q is larger than %d bytes", name, maxFormField)}
	}
	return nil
}

// metadataField adds what the form field of that name holds.
func metadataField(raw []byte, to *rag.Metadata) error {
	if err := json.Unmarshal(raw, to); err != nil {
		return rag.Invalid("/metadata", "form field \"metadata\" must be a JSON object")
	}
	return nil
}

// stageFile makes one file durable. One that is refused is noted, and the others go on; any other error ends the upload.
func (s *Server) stageFile(c *gin.Context, u *upload, name string, body io.Reader) error {
	if err := u.checkDuplicate(c.Request.Method); err != nil {
		return err
	}
	staged, err := s.deps.Intake.Stage(c.Request.Context(), u.collection, ingest.Upload{
		ExternalID: u.id, Title: u.title, Filename: path.Base(name), Metadata: u.metadata, Chunking: u.chunking, OnDuplicate: u.onDuplicate, DuplicateBy: u.duplicateBy, Body: body,
	})
	var problem *rag.Problem
	switch {
	case err == nil:
		u.staged = append(u.staged, staged)
		return nil
	case errors.As(err, &problem) && !errors.Is(err, rag.ErrUnavailable):
		u.refused = append(u.refused, api.RefusedFile{File: name, Code: problem.Code, Detail: problem.Message})
		if u.firstErr == nil {
			u.firstErr = err
		}
		return nil
	}
	return err
}

// checkDuplicate refuses values that there are not; empty ones leave it to the intake.
func checkDuplicate(on, by string) error {
	if !slices.Contains([]string{"", ingest.DuplicateReplace, ingest.DuplicateSkip, ingest.DuplicateError}, on) {
		return rag.Invalid("/on_duplicate", "on_duplicate is replace, skip or error, not %q", on)
	}
	if !slices.Contains([]string{"", ingest.DuplicateByID, ingest.DuplicateByContent}, by) {
		return rag.Invalid("/duplicate_by", "duplicate_by is id or content, not %q", by)
	}
	return nil
}

// checkDuplicate refuses what an upload can't say of duplicates. A PUT names its document, so its bytes can't name another.
func (u *upload) checkDuplicate(method string) error {
	if err := checkDuplicate(u.onDuplicate, u.duplicateBy); err != nil {
		return err
	}
	if method == http.MethodPut && u.duplicateBy == ingest.DuplicateByContent {
		return rag.Invalid("/duplicate_by", "PUT names a document by its id; for duplicate_by=content upload with POST")
	}
	return nil
}

func tooLarge(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return &rag.Problem{Kind: rag.ErrTooLarge, Code: "body_too_large", Message: fmt.Sprintf("a JSON upload has at most %d bytes; send files as multipart/form-data, or fewer documents a request", limit.Limit)}
	}
	return err
}

// answerUpload waits if it was asked to, and says what became of each document: 200 where all is over, else 202.
func (s *Server) answerUpload(c *gin.Context, u *upload, accepted []ingest.Accepted) {
	ctx := c.Request.Context()
	var ids []rag.JobID
	for _, a := range accepted {
		if a.Job.ID != 0 && !a.Job.State.Final() {
			ids = append(ids, a.Job.ID)
		}
	}
	status := http.StatusAccepted
	jobs := map[rag.JobID]rag.Job{}
	if u.wait > 0 {
		var err error
		if jobs, err = s.awaitJobs(ctx, ids, u.wait); err != nil {
			s.fail(c, err)
			return
		}
	}
	out := api.Uploaded{Documents: []api.UploadedDocument{}, Errors: listOf(u.refused)}
	over := true
	for _, a := range accepted {
		d := api.UploadedDocument{DocumentID: a.Document.ExternalID, Filename: a.Document.Filename, JobID: a.Job.ID, Status: a.Document.Status, Unchanged: a.Unchanged}
		if job, waited := jobs[a.Job.ID]; waited {
			over = over && job.State.Final()
			if now, err := s.deps.Documents.Document(ctx, u.collection.ID, a.Document.ExternalID); err == nil {
				d.Status, d.Error, d.Warnings = now.Status, now.Error, now.Warnings
			}
		} else if a.Job.ID != 0 && !a.Job.State.Final() {
			over = false
		}
		out.Documents = append(out.Documents, d)
	}
	if over {
		status = http.StatusOK
	}
	switch {
	case len(accepted) == 1 && accepted[0].Job.ID != 0:
		c.Header("Location", location(accepted[0].Job.ID))
	default:
		c.Header("Location", apiBase+"/collections/"+url.PathEscape(u.collection.Name)+"/documents")
	}
	c.JSON(status, out)
}

// progressReader gives the client more time whenever bytes arrive, so that a slow upload goes on and a stalled one ends.
type progressReader struct {
	r      io.Reader
	extend func()
}

func (p *progressReader) Read(b []byte) (int, error) {
	p.extend()
	return p.r.Read(b)
}
