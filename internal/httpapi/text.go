package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// Texts opens the normalised texts of documents.
type Texts interface {
	// OpenText opens the text of a document's live version. Where there is none that is rag.ErrNotFound.
	OpenText(ctx context.Context, c rag.CollectionID, externalID string) (rag.Text, error)
}

// textRoutes adds the route of a document's text and describes it.
func (s *Server) textRoutes(service huma.API, group *gin.RouterGroup) {
	group.GET(apiBase+"/collections/:collection/documents/:document/text", s.documentText)
	problem := service.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	text := &huma.Schema{Type: huma.TypeString}
	place := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(float64)}
	plain := map[string]*huma.MediaType{"text/plain; charset=utf-8": {Schema: text}}
	service.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "document-text", Method: http.MethodGet, Path: apiBase + "/collections/{collection}/documents/{document}/text", Summary: "Read a document's text",
		Description: "The normalised text of the live version, as it was parsed: what the spans of chunks and hits are places in. 404 before a version is live.",
		Tags:        []string{"documents"},
		Parameters: []*huma.Param{
			{Name: "collection", In: "path", Required: true, Description: "Name of the collection.", Schema: text},
			{Name: "document", In: "path", Required: true, Description: "Your id of the document, or the one it was given; slashes written as %2F.", Schema: text},
			{Name: "start", In: "query", Description: "The first code point wanted, as a span says it.", Schema: place},
			{Name: "end", In: "query", Description: "The code point before which to end; the text's end where that comes first.", Schema: place},
			{Name: "Range", In: "header", Description: "Bytes of what is asked for.", Schema: text},
			{Name: "If-None-Match", In: "header", Description: "The ETag that the client has.", Schema: text},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The text. Its ETag changes with the document's version.", Content: plain},
			"206":     {Description: "The bytes that Range asked for.", Content: plain},
			"304":     {Description: "The client has it."},
			"416":     {Description: "Range asks for what there is not."},
			"default": {Description: "Refused.", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}},
		},
	})
}

// What a client is given to take a text: some time, and more for a long one.
const (
	leastTextTime    = 30 * time.Second
	textBytesASecond = 64 << 10
)

func (s *Server) documentText(c *gin.Context) {
	ctx := c.Request.Context()
	start, end, err := wantedSpan(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	collection, err := s.deps.Collections.Collection(ctx, tenant(ctx), c.Param("collection"))
	if err != nil {
		s.fail(c, err)
		return
	}
	text, err := s.deps.Texts.OpenText(ctx, collection.ID, c.Param("document"))
	if err != nil {
		s.fail(c, err)
		return
	}
	defer text.Content.Close()
	from, to := int64(0), text.Size
	if start > 0 || end >= 0 {
		if from, to, err = spanBytes(text.Content, start, end); err != nil {
			s.fail(c, err)
			return
		}
	}
	deadline := time.Now().Add(leastTextTime + time.Duration(to-from)*time.Second/textBytesASecond)
	if err := http.NewResponseController(c.Writer).SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.fail(c, fmt.Errorf("bound the time of a text: %w", err))
		return
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "private, no-cache")
	header.Set("ETag", fmt.Sprintf(`"%d-%d"`, text.Document, text.Version))
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, io.NewSectionReader(&readerAt{text.Content}, from, to-from))
}

// wantedSpan reads start and end; end is -1 where it is left out.
func wantedSpan(c *gin.Context) (start, end int64, err error) {
	end = -1
	for name, place := range map[string]*int64{"start": &start, "end": &end} {
		text, given := c.GetQuery(name)
		if !given {
			continue
		}
		if *place, err = strconv.ParseInt(text, 10, 64); err != nil || *place < 0 {
			return 0, 0, rag.Invalid("?"+name, "%s must be a number of code points from 0 on, not %q", name, text)
		}
	}
	if end >= 0 && end < start {
		return 0, 0, rag.Invalid("?end", "end must not be before start")
	}
	return start, end, nil
}

// spanBytes gives where the code points from start up to and without end lie; an end of -1, or beyond the text, is its end.
func spanBytes(text io.Reader, start, end int64) (from, to int64, err error) {
	from = -1
	buffer := make([]byte, 64<<10)
	at, points := int64(0), int64(0) // bytes, and the characters that begin in them
	for {
		n, err := text.Read(buffer)
		for _, b := range buffer[:n] {
			if b&0xC0 != 0x80 { // a character begins
				if points == start {
					from = at
				}
				if points == end {
					return from, at, nil
				}
				points++
			}
			at++
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read text: %w", err)
		}
	}
	if points == start {
		from = at
	}
	if from < 0 {
		return 0, 0, rag.Invalid("?start", "the text has %d code points, and start is beyond them", points)
	}
	return from, at, nil
}

// readerAt reads at any place, for one reader at a time.
type readerAt struct{ io.ReadSeeker }

// ReadAt implements io.ReaderAt.
func (r *readerAt) ReadAt(p []byte, off int64) (int, error) {
	if _, err := r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r.ReadSeeker, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}
