package archive

import (
	"archive/tar"
	"errors"
	"io"

	"github.com/redkite/redkite/internal/rag"
)

// tar reads a TAR as it comes.
func (w *walk) tar(source io.Reader) error {
	// Every byte that is unpacked counts, also headers and what is passed over.
	unpacked := &unpacking{w: w, r: source}
	archive := tar.NewReader(unpacked)
	for first := true; ; first = false {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return w.sourceError(nil)
		case w.in.err != nil:
			return w.in.err
		case w.over != nil:
			return w.visitor.Refuse(w.name, w.over)
		case err != nil && first:
			return w.noArchive()
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return w.visitor.Refuse(w.name, w.damaged(err))
		}
		if header.Typeflag == tar.TypeDir || header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		more, err := w.file(header.Name, func() (io.Reader, *rag.Problem) {
			if header.Typeflag != tar.TypeReg {
				return nil, noFile()
			}
			return archive, nil
		})
		if err != nil || !more {
			return err
		}
	}
}

func noFile() *rag.Problem {
	return &rag.Problem{Kind: rag.ErrUnsupported, Code: "not_a_file", Message: "links and devices are not taken; send the file that is meant"}
}

// unpacking counts what is unpacked of a TAR.
type unpacking struct {
	w *walk
	r io.Reader
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if over := u.w.count(&u.w.raw, n); over != nil {
		return n, over
	}
	return n, err
}
