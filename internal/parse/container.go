package parse

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// The limits of a container. They count the bytes that come out, whatever its headers say, and of the parts that are
// read: pictures, say, are never unpacked.
const (
	mostParts     = 20_000   // entries
	mostDirectory = 8 << 20  // bytes of the list of entries, which is held in memory
	mostUnpacked  = 2 << 30  // bytes of all parts together
	mostPart      = 1 << 30  // bytes of a part that is read as a stream
	mostHeld      = 16 << 20 // bytes of a part whose content is kept in memory, such as a list of styles
	mostRatio     = 200      // of a part's bytes to those it is packed in, once freeRatio bytes have come out
	freeRatio     = 8 << 20
)

// container is a ZIP that nobody vouches for. Nothing of it is written to a disk: the names of its parts are only keys.
type container struct {
	ctx       context.Context
	mediaType string
	parts     map[string]*zip.File // by partName
	left      int64                // bytes that may still come out
}

// openContainer reads the list of entries.
func openContainer(ctx context.Context, o rag.Original) (*container, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	source := &seekingReaderAt{r: o, left: mostDirectory}
	archive, err := zip.NewReader(source, o.Size)
	switch {
	case source.left < 0, archive != nil && len(archive.File) > mostParts:
		return nil, tooLarge("the file is a container of more than %d parts, far more than a document has; save it anew from the program that made it", mostParts)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, unreadable(o.MediaType, err)
	}
	source.left = 1 << 62
	c := &container{ctx: ctx, mediaType: o.MediaType, parts: map[string]*zip.File{}, left: mostUnpacked}
	for _, f := range archive.File {
		name := partName(f.Name)
		if _, again := c.parts[name]; !again && !strings.HasSuffix(name, "/") {
			c.parts[name] = f
		}
	}
	return c, nil
}

// partName makes one spelling of a part's name: formats compare them without regard to case, and some writers put a
// slash before them or backslashes into them.
func partName(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	if strings.HasSuffix(name, "/") {
		return name
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// resolve gives the name of the part that a reference in another part means.
func resolve(from, reference string) string {
	if strings.HasPrefix(reference, "/") {
		return partName(reference)
	}
	return partName(path.Join(path.Dir(from), reference))
}

func (c *container) has(name string) bool { return c.parts[partName(name)] != nil }

// open gives the bytes of a part, at most so many. A limit that is met is a rag.Problem.
func (c *container) open(name string, most int64) (io.ReadCloser, error) {
	f := c.parts[partName(name)]
	switch {
	case f == nil:
		return nil, unreadable(c.mediaType, fmt.Errorf("no part %q", name))
	case f.Flags&1 != 0:
		return nil, passwordProtected()
	}
	unpacked, err := f.Open()
	if err != nil {
		return nil, unreadable(c.mediaType, fmt.Errorf("open part %q: %w", name, err))
	}
	return &part{ReadCloser: unpacked, container: c, name: name, left: most, packed: int64(f.CompressedSize64)}, nil
}

// read gives a whole part.
func (c *container) read(name string, most int64) ([]byte, error) {
	opened, err := c.open(name, most)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	raw, err := io.ReadAll(opened)
	if err != nil {
		return nil, c.damaged(fmt.Errorf("read part %q: %w", name, err))
	}
	return raw, nil
}

// damaged leaves an error that says what to do as it is, and makes such a one of any other.
func (c *container) damaged(err error) error {
	var p *rag.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	return unreadable(c.mediaType, err)
}

// part counts the bytes that come out of a container.
type part struct {
	io.ReadCloser
	container *container
	name      string
	left      int64
	packed    int64
	unpacked  int64
}

func (p *part) Read(into []byte) (int, error) {
	if err := p.container.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.ReadCloser.Read(into)
	p.unpacked += int64(n)
	p.left -= int64(n)
	p.container.left -= int64(n)
	switch {
	case p.left < 0:
		return 0, tooLarge("the file's part %q is larger than what is read of such a part; split the document", p.name)
	case p.container.left < 0:
		return 0, tooLarge("the file unpacks to more than %d bytes; split the document", int64(mostUnpacked))
	case p.unpacked > freeRatio && p.unpacked > mostRatio*max(1, p.packed):
		return 0, tooLarge("the file's part %q unpacks to more than %d times its size, as documents do not; save it anew from the program that made it", p.name, mostRatio)
	}
	return n, err
}

// seekingReaderAt reads at places, one after the other. It lets so many bytes be read.
type seekingReaderAt struct {
	r    io.ReadSeeker
	left int64
}

func (s *seekingReaderAt) ReadAt(into []byte, at int64) (int, error) {
	if s.left -= int64(len(into)); s.left < 0 {
		return 0, errors.New("the list of entries is too long")
	}
	if _, err := s.r.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.r, into)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// passwordProtected says that a document can't be read without its password.
func passwordProtected() error {
	return &rag.Problem{Kind: rag.ErrInvalid, Code: "encrypted", Message: "the document is protected by a password; remove the password and upload it again"}
}
