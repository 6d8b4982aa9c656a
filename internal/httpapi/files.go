package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/rag"
)

// Files finds and removes files of a tenant.
type Files interface {
	File(ctx context.Context, tenant string, id rag.FileID) (rag.File, error)
	Files(ctx context.Context, tenant, purpose string, at rag.Cursor) ([]rag.File, error)
	// DeleteFile takes a file away, with the documents that it became. A blob that is given is nobody's any more.
	DeleteFile(ctx context.Context, tenant string, id rag.FileID) (blob string, err error)
}

// FileIntake takes files.
type FileIntake interface {
	StageFile(ctx context.Context, name string, body io.Reader) (rag.File, error)
	KeepFile(ctx context.Context, f rag.File) (rag.File, error)
	DiscardFile(ctx context.Context, blob string)
	// CheckMetadata refuses what a collection can't hold.
	CheckMetadata(c rag.Collection, m rag.Metadata) error
}

// Originals opens what was uploaded, by its key.
type Originals interface {
	Open(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
}

// mostFiles is how many files OpenAI lists at most, and without a limit.
const mostFiles = 10_000

func (s *Server) fileRoutes() []route {
	text := &huma.Schema{Type: huma.TypeString}
	form := &huma.Schema{Type: huma.TypeObject, Required: []string{"file", "purpose"}, Properties: map[string]*huma.Schema{
		"file":    {Type: huma.TypeString, Format: "binary", Description: "A file of any type; which ones can be read is said in docs/formats.md."},
		"purpose": {Type: huma.TypeString, Description: "One of " + strings.Join(openai.Purposes(), ", ") + "; it changes nothing."},
	}}
	return []route{
		{
			method: http.MethodPost, path: "/v1/files", id: "openai-upload-file", tag: "openai", summary: "Upload a file",
			about: "It is durable when the answer comes. To be searched it is attached to vector stores.",
			form:  form, response: reflect.TypeFor[openai.FileObject](), handle: s.postFile,
		},
		{
			method: http.MethodGet, path: "/v1/files", id: "openai-list-files", tag: "openai", summary: "List files",
			query:    pageQuery(mostFiles, mostFiles, &huma.Param{Name: "purpose", In: "query", Description: "Only files of this purpose.", Schema: text}),
			response: reflect.TypeFor[openai.Page[openai.FileObject]](), handle: s.listFiles,
		},
		{
			method: http.MethodGet, path: "/v1/files/:file", id: "openai-get-file", tag: "openai", summary: "Show a file",
			response: reflect.TypeFor[openai.FileObject](), handle: func(c *gin.Context) (any, error) {
				f, err := s.file(c)
				return openai.FileOf(f), err
			},
		},
		{
			method: http.MethodGet, path: "/v1/files/:file/content", id: "openai-file-content", tag: "openai", summary: "Read a file's bytes",
			handle: s.fileContent,
		},
		{
			method: http.MethodDelete, path: "/v1/files/:file", id: "openai-delete-file", tag: "openai", summary: "Delete a file",
			about:    "And take it out of every vector store: search stops returning it at once.",
			response: reflect.TypeFor[openai.Deleted](), handle: s.deleteFile,
		},
	}
}

// postFile takes a form with a file and its purpose, in any order.
func (s *Server) postFile(c *gin.Context) (any, error) {
	mediaType, params, err := contentType(c)
	if err != nil {
		return nil, err
	}
	if mediaType != "multipart/form-data" {
		return nil, rag.Invalid("/file", "send the file as multipart/form-data, with file and purpose")
	}
	ctx := c.Request.Context()
	body, done := uploadBody(c)
	defer done()
	f, err := s.readFile(ctx, newForm(body, params["boundary"]))
	if err == nil && f.Blob == "" {
		err = rag.Invalid("/file", "the form brings no file")
	}
	if err == nil && !slices.Contains(openai.Purposes(), f.Purpose) {
		err = rag.Invalid("/purpose", "purpose is one of %s, not %q", strings.Join(openai.Purposes(), ", "), clipped(f.Purpose))
	}
	if err != nil {
		if f.Blob != "" {
			s.deps.OpenAI.FileIntake.DiscardFile(ctx, f.Blob)
		}
		return nil, err
	}
	f.Tenant = tenant(ctx)
	if f, err = s.deps.OpenAI.FileIntake.KeepFile(ctx, f); err != nil {
		return nil, err
	}
	return openai.FileOf(f), nil
}

// readFile reads a form to its end. On an error, too, the file that is given may have been staged.
func (s *Server) readFile(ctx context.Context, form form) (f rag.File, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, badForm(err)
		}
		name := part.FormName()
		switch {
		case name == "file" && f.Blob != "":
			return f, rag.Invalid("/file", "the form brings more than one file; upload one at a time")
		case name == "file":
			purpose := f.Purpose
			if f, err = s.deps.OpenAI.FileIntake.StageFile(ctx, path.Base(fileNamed(part.FileName())), part); err != nil {
				return rag.File{}, err
			}
			f.Purpose = purpose
		case name == "purpose":
			raw, err := io.ReadAll(io.LimitReader(part, maxFormField))
			if err != nil {
				return f, badForm(err)
			}
			f.Purpose = string(raw)
		case strings.HasPrefix(name, "expires_after"):
			return f, noExpiry("files")
		}
	}
}

// fileNamed is a part's name of a file, or one for those without.
func fileNamed(name string) string {
	if name == "" {
		return "upload"
	}
	return name
}

// noExpiry refuses what would have to be deleted later.
func noExpiry(what string) error {
	return &rag.Problem{
		Kind: rag.ErrInvalid, Code: "expiry_unsupported", Pointer: "/expires_after",
		Message: what + " don't expire here: leave expires_after out, and delete what is not wanted any more",
	}
}

// fileID reads the id of a file; one that can be none is one that there is not.
func fileID(text, at string) (rag.FileID, error) {
	if id, ok := rag.ParseFileID(text); ok {
		return id, nil
	}
	return 0, &rag.Problem{Kind: rag.ErrNotFound, Code: "file_not_found", Pointer: at, Message: fmt.Sprintf("there is no file %q; check the id", clipped(text))}
}

func (s *Server) file(c *gin.Context) (rag.File, error) {
	id, err := fileID(c.Param("file"), "")
	if err != nil {
		return rag.File{}, err
	}
	return s.deps.OpenAI.Files.File(c.Request.Context(), tenant(c.Request.Context()), id)
}

func (s *Server) listFiles(c *gin.Context) (any, error) {
	ctx := c.Request.Context()
	at, limit, err := cursor(c, mostFiles, mostFiles, func(id string) (int64, error) {
		n, err := fileID(id, "")
		return int64(n), err
	})
	if err != nil {
		return nil, err
	}
	found, err := s.deps.OpenAI.Files.Files(ctx, tenant(ctx), c.Query("purpose"), at)
	if err != nil {
		return nil, err
	}
	return pageOf(found, limit, at, openai.FileOf, func(f openai.FileObject) string { return f.ID }), nil
}

// pageOf writes a page of what a cursor found.
func pageOf[F, T any](found []F, limit int, at rag.Cursor, of func(F) T, id func(T) string) openai.Page[T] {
	list := make([]T, len(found))
	for i, f := range found {
		list[i] = of(f)
	}
	return openai.PageOf(list, limit, at.Before != 0 && at.After == 0, id)
}

func (s *Server) fileContent(c *gin.Context) (any, error) {
	f, err := s.file(c)
	if err != nil {
		return nil, err
	}
	original, size, err := s.deps.OpenAI.Originals.Open(c.Request.Context(), f.Blob)
	if err != nil {
		return nil, err
	}
	defer original.Close()
	deadline := time.Now().Add(leastTextTime + time.Duration(size)*time.Second/textBytesASecond)
	if err := http.NewResponseController(c.Writer).SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("bound the time of a file: %w", err)
	}
	c.Header("Content-Type", "application/octet-stream")
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": url.PathEscape(f.Filename)}))
	http.ServeContent(c.Writer, c.Request, "", f.CreatedAt, original)
	return nil, nil
}

func (s *Server) deleteFile(c *gin.Context) (any, error) {
	ctx := c.Request.Context()
	id, err := fileID(c.Param("file"), "")
	if err != nil {
		return nil, err
	}
	blob, err := s.deps.OpenAI.Files.DeleteFile(ctx, tenant(ctx), id)
	if err != nil {
		return nil, err
	}
	if blob != "" {
		s.deps.OpenAI.FileIntake.DiscardFile(ctx, blob)
	}
	return openai.Deleted{ID: id.String(), Object: "file", Deleted: true}, nil
}
