package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
)

// form reads a multipart form that must come whole. multipart.Reader takes one that is cut in the head of a part for
// one that has ended; this one gives io.ErrUnexpectedEOF.
type form struct {
	*multipart.Reader
	body *closing
}

func newForm(body io.Reader, boundary string) form {
	c := &closing{r: body, mark: []byte("--" + boundary + "--")}
	return form{multipart.NewReader(c, boundary), c}
}

// NextPart gives the next part, and io.EOF after the last.
func (f form) NextPart() (*multipart.Part, error) {
	part, err := f.Reader.NextPart()
	if errors.Is(err, io.EOF) && !f.body.seen {
		return nil, io.ErrUnexpectedEOF
	}
	return part, err
}

// closing looks for the mark that closes a form.
type closing struct {
	r    io.Reader
	mark []byte
	tail []byte // the end of what was read, shorter than the mark
	seen bool
}

func (c *closing) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.seen || n == 0 {
		return n, err
	}
	keep := min(n, len(c.mark)-1)
	c.tail = append(c.tail, p[:keep]...)
	c.seen = bytes.Contains(c.tail, c.mark) || bytes.Contains(p[:n], c.mark)
	if n >= len(c.mark)-1 {
		c.tail = append(c.tail[:0], p[n-keep:n]...)
	} else if extra := len(c.tail) - (len(c.mark) - 1); extra > 0 {
		c.tail = append(c.tail[:0], c.tail[extra:]...)
	}
	return n, err
}
