package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// stageJSON takes documents written as JSON: a list, or for PUT one.
func (s *Server) stageJSON(c *gin.Context, u *upload, body io.Reader) error {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, io.NopCloser(body), maxDocumentsJSON))
	if err != nil {
		return err
	}
	var request api.NewDocuments
	base := "/documents/%d"
	if u.id != "" {
		var one api.NewDocument
		if err := s.decode(raw, &one); err != nil {
			return err
		}
		if one.ID != "" && one.ID != u.id {
			return rag.Invalid("/id", "the id in the body is not the one in the address")
		}
		one.ID = u.id
		request.Documents, base = []api.NewDocument{one}, ""
	} else if err := s.decode(raw, &request); err != nil {
		return err
	}
	if request.OnDuplicate != "" {
		u.onDuplicate = request.OnDuplicate
	}
	if request.DuplicateBy != "" {
		u.duplicateBy = request.DuplicateBy
	}
	if err := u.checkDuplicate(c.Request.Method); err != nil {
		return err
	}
	if request.Chunking != nil {
		if u.chunking, err = s.chunking(c.Request.Context(), u.collection, request.Chunking, ""); err != nil {
			return err
		}
	}
	for i, d := range request.Documents {
		at := base
		if at != "" {
			at = fmt.Sprintf(base, i)
		}
		staged, err := s.stageDocument(c, u, d, at)
		if err != nil {
			return err
		}
		u.staged = append(u.staged, staged)
	}
	return nil
}

func (s *Server) stageDocument(c *gin.Context, u *upload, d api.NewDocument, at string) (ingest.Staged, error) {
	if (d.Text != "") == (d.Chunks != nil) {
		return ingest.Staged{}, &rag.Problem{Kind: rag.ErrInvalid, Code: "empty_document", Pointer: at, Message: "a document has either text or chunks, and neither may be empty"}
	}
	if d.Chunks != nil && d.Chunking != nil {
		return ingest.Staged{}, rag.Invalid(at+"/chunking", "chunks of your own are not cut: leave chunking out, or send text")
	}
	chunking, err := s.chunking(c.Request.Context(), u.collection, d.Chunking, at)
	if err != nil {
		return ingest.Staged{}, err
	}
	up := ingest.Upload{Chunking: cmp.Or(chunking, u.chunking), ExternalID: d.ID, Title: d.Title, MediaType: d.MediaType, Metadata: d.Metadata, OnDuplicate: u.onDuplicate, DuplicateBy: u.duplicateBy, Text: d.Text}
	for _, ch := range d.Chunks {
		up.Chunks = append(up.Chunks, ingest.GivenChunk{Text: ch.Text, Headings: ch.Headings, Page: ch.Page})
	}
	staged, err := s.deps.Intake.Stage(c.Request.Context(), u.collection, up)
	return staged, below(at, err)
}

// decode reads JSON as a type of the API and checks it against the type's schema, as huma does for other requests.
func (s *Server) decode(raw []byte, into any) error {
	var loose any
	if err := unmarshal(raw, "", &loose); err != nil {
		return err
	}
	schema := s.schemas.Schema(reflect.TypeOf(into).Elem(), true, "")
	result := &huma.ValidateResult{}
	huma.Validate(s.schemas, schema, huma.NewPathBuffer([]byte("body"), 4), huma.ModeWriteToServer, loose, result)
	if len(result.Errors) > 0 {
		var detail huma.ErrorDetailer
		if errors.As(result.Errors[0], &detail) {
			d := detail.ErrorDetail()
			return rag.Invalid(pointer(d.Location), "%s at %s", d.Message, pointer(d.Location))
		}
		return rag.Invalid("", "%v", result.Errors[0])
	}
	return unmarshal(raw, "", into)
}
