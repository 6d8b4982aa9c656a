package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/rag"
)

// contentPiece is how many bytes of a text are written at once.
const contentPiece = 64 << 10

// storeFileContent writes a document's text in pieces, since it may be large.
func (s *Server) storeFileContent(c *gin.Context, collection rag.Collection) (any, error) {
	text, err := s.deps.Texts.OpenText(c.Request.Context(), collection.ID, c.Param("file"))
	if err != nil {
		return nil, err
	}
	defer text.Content.Close()
	deadline := time.Now().Add(leastTextTime + time.Duration(text.Size)*time.Second/textBytesASecond)
	if err := http.NewResponseController(c.Writer).SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("bound the time of a text: %w", err)
	}
	c.Header("Content-Type", "application/json; charset=utf-8")
	if err := writeContent(c.Writer, text); err != nil { // the client has the head already: it sees that the rest is missing
		s.log.WarnContext(c.Request.Context(), "a text broke off", "request_id", requestID(c), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil, nil
}

// writeContent writes an openai.StoreFileContent piece by piece.
func writeContent(w io.Writer, text rag.Text) error {
	if _, err := io.WriteString(w, `{"object":"vector_store.file_content.page","data":[`); err != nil {
		return err
	}
	r := bufio.NewReaderSize(text.Content, 2*contentPiece)
	for n := 0; ; n++ {
		piece, err := nextPiece(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read text: %w", err)
		}
		raw, err := json.Marshal(openai.TextContent{Type: "text", Text: piece})
		if err != nil {
			return fmt.Errorf("write text: %w", err)
		}
		if n > 0 {
			raw = append([]byte{','}, raw...)
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, `],"has_more":false,"next_page":null}`)
	return err
}

// nextPiece reads some text that ends with a whole character; io.EOF when there is none left.
func nextPiece(r *bufio.Reader) (string, error) {
	raw, err := r.Peek(contentPiece)
	if len(raw) == 0 {
		return "", err
	}
	end := len(raw)
	if err == nil { // more follows
		for back := 1; back < utf8.UTFMax && back < end; back++ {
			if utf8.RuneStart(raw[end-back]) {
				if !utf8.FullRune(raw[end-back:]) {
					end -= back
				}
				break
			}
		}
	} else if !errors.Is(err, io.EOF) {
		return "", err
	}
	piece := string(raw[:end])
	_, err = r.Discard(end)
	return piece, err
}
