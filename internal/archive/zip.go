package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/redkite/redkite/internal/rag"
)

// maxList bounds the bytes of a ZIP's list of entries: the list is held in memory, and the count that the file gives of
// it can't be trusted.
const maxList = 8 << 20

// zip reads a ZIP, which must be there whole: its list of entries is at its end.
func (w *walk) zip(source io.Reader) error {
	file, err := os.CreateTemp(w.limits.Folder, ".archive-*")
	if err != nil {
		return fmt.Errorf("keep archive: %w", err)
	}
	defer file.Close()
	// Without a name the file goes when it is closed, or the process dies.
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("keep archive: %w", err)
	}
	size, err := io.Copy(file, source)
	if err != nil {
		return w.sourceError(fmt.Errorf("keep archive: %w", err))
	}
	w.base = size
	list := &allowance{r: file}
	list.left.Store(maxList)
	archive, err := zip.NewReader(list, size)
	switch {
	case list.left.Load() < 0:
		return &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_many_files", Message: fmt.Sprintf("%s lists far more than the %d files that a batch may have; split it", w.name, w.limits.Entries)}
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return w.damaged(err)
	}
	list.left.Store(1 << 62)
	for _, f := range archive.File {
		if f.FileInfo().IsDir() {
			continue
		}
		more, err := w.zipped(f)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// zipped visits one entry of a ZIP.
func (w *walk) zipped(f *zip.File) (bool, error) {
	var opened io.ReadCloser
	defer func() {
		if opened != nil {
			_ = opened.Close() // it was only read
		}
	}()
	return w.file(zipName(f), func() (io.Reader, *rag.Problem) {
		if !f.Mode().IsRegular() {
			return nil, noFile()
		}
		const encrypted = 0x1
		if f.Flags&encrypted != 0 {
			return nil, &rag.Problem{Kind: rag.ErrUnsupported, Code: "encrypted", Message: "the file is encrypted in the archive; send it without a password"}
		}
		r, err := f.Open()
		switch {
		case errors.Is(err, zip.ErrAlgorithm):
			return nil, &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported_compression", Message: fmt.Sprintf("the file is compressed in a way that can't be read (method %d); use deflate", f.Method)}
		case err != nil:
			return nil, &rag.Problem{Kind: rag.ErrInvalid, Code: "damaged_file", Message: fmt.Sprintf("the file is damaged in the archive: %v", err)}
		}
		opened = r
		return r, nil
	})
}

// zipName decodes a name that is no UTF-8: programs that write such mean the old code page.
func zipName(f *zip.File) string {
	if utf8.ValidString(f.Name) {
		return f.Name
	}
	name, err := charmap.CodePage437.NewDecoder().String(f.Name)
	if err != nil {
		return f.Name
	}
	return name
}

// allowance lets so many bytes be read.
type allowance struct {
	r    io.ReaderAt
	left atomic.Int64
}

func (a *allowance) ReadAt(p []byte, at int64) (int, error) {
	if a.left.Add(-int64(len(p))) < 0 {
		return 0, errors.New("the list of entries is too long")
	}
	return a.r.ReadAt(p, at)
}
