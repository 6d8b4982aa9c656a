// Package archive reads ZIP and TAR archives that nobody vouches for: entry by entry, within limits that count the bytes
// that really come out, whatever the headers say. An archive in an archive is an entry like any other.
package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/redkite/redkite/internal/rag"
)

// Limits bound what an archive may cost.
type Limits struct {
	Entries int    // files, those refused included
	Size    int64  // bytes of the archive itself
	Bytes   int64  // bytes that come out of it, those of refused files included
	Ratio   int64  // of bytes that come out to bytes that went in, once freeRatio bytes have come out
	Folder  string // where a ZIP, whose list of entries is at its end, lies while it is read
}

// freeRatio is how many bytes may come out at any ratio.
const freeRatio = 8 << 20

// Visitor is given an archive's files. An error of either method ends the walk.
type Visitor interface {
	// Take gets a file. Reading its body may give a rag.Problem, because the file is damaged or a limit is met; then,
	// and only then, the file is refused too, by whoever reads.
	Take(path string, body io.Reader) error
	// Refuse gets a file that can't be taken, or the archive's own name where reading has to end before its end.
	Refuse(path string, reason *rag.Problem) error
}

// Walk reads an archive, called name in messages. Folders, hidden files and what macOS adds are left out. An error is
// the visitor's, that of the source, or a rag.Problem of an archive that can't be read at all.
func Walk(ctx context.Context, source io.Reader, name string, limits Limits, v Visitor) error {
	w := &walk{ctx: ctx, name: name, limits: limits, visitor: v}
	w.in = &input{r: source, left: limits.Size}
	head := bufio.NewReaderSize(w.in, 4096)
	start, err := head.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return w.sourceError(err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return w.zip(head)
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		unpacked, err := gzip.NewReader(head)
		if err != nil {
			return w.sourceError(w.damaged(err))
		}
		return w.tar(unpacked)
	case len(start) == 0:
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "empty_file", Message: name + " is empty: there is no archive in it"}
	case unknown(start):
		return w.noArchive()
	}
	return w.tar(head)
}

// unknown tells compressions that are not read, so that the message can name what is.
func unknown(start []byte) bool {
	for _, magic := range []string{"BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "7z\xbc\xaf\x27\x1c", "Rar!"} {
		if bytes.HasPrefix(start, []byte(magic)) {
			return true
		}
	}
	return false
}

func (w *walk) noArchive() error {
	return &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported_archive", Message: w.name + " is no archive that can be read; send a ZIP, a TAR or a TAR compressed with gzip"}
}

// walk is one archive being read.
type walk struct {
	ctx     context.Context
	name    string
	limits  Limits
	visitor Visitor
	in      *input
	files   int
	out     int64        // bytes of files that came out
	raw     int64        // bytes that came out of a TAR's compression; a file with holes has more than it takes
	base    int64        // bytes that went in, where they are known beforehand; else those read so far count
	over    *rag.Problem // the limit that ends the walk
}

// file visits one entry that is a file. It reports whether the walk goes on.
func (w *walk) file(raw string, body func() (io.Reader, *rag.Problem)) (bool, error) {
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	path, problem := CleanPath(raw)
	if problem == nil && (path == "" || hidden(path)) {
		return true, nil
	}
	if w.files++; w.files > w.limits.Entries {
		return false, w.visitor.Refuse(w.name, tooMany(w.limits.Entries))
	}
	var r io.Reader
	if problem == nil {
		r, problem = body()
	}
	if problem != nil {
		return true, w.visitor.Refuse(printable(raw), problem)
	}
	if err := w.visitor.Take(path, &output{w: w, r: r}); err != nil {
		return false, w.sourceError(err)
	}
	return w.goesOn()
}

func tooMany(limit int) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_many_files", Message: fmt.Sprintf("a batch has at most %d files; what comes after is not taken: send it as another batch", limit)}
}

// goesOn ends the walk when a limit of the whole archive is met.
func (w *walk) goesOn() (bool, error) {
	switch {
	case w.in.err != nil:
		return false, w.in.err
	case w.over != nil:
		return false, w.visitor.Refuse(w.name, w.over)
	}
	return true, nil
}

// sourceError prefers the error of the source to what it led to.
func (w *walk) sourceError(err error) error {
	if w.in.err != nil {
		return w.in.err
	}
	return err
}

// damaged says that what was read makes no sense.
func (w *walk) damaged(err error) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrInvalid, Code: "damaged_archive", Message: fmt.Sprintf("%s is damaged or ends too early: what comes after can't be read (%v)", w.name, err)}
}

// count adds bytes that came out, and finds whether that is too much.
func (w *walk) count(total *int64, n int) *rag.Problem {
	if w.over != nil {
		return w.over
	}
	*total += int64(n)
	in := w.base
	if in == 0 {
		in = w.in.n
	}
	switch {
	case *total > w.limits.Bytes:
		w.over = &rag.Problem{Kind: rag.ErrTooLarge, Code: "archive_too_large", Message: fmt.Sprintf(
			"%s unpacks to more than the limit of %d bytes; the rest is not taken: split it or raise max_batch_bytes", w.name, w.limits.Bytes)}
	case *total > freeRatio && *total/w.limits.Ratio > in:
		w.over = &rag.Problem{Kind: rag.ErrTooLarge, Code: "archive_bomb", Message: fmt.Sprintf(
			"%s unpacks to more than %d times its size, as archives do that are made to fill disks; the rest is not taken", w.name, w.limits.Ratio)}
	}
	return w.over
}

// input counts the archive's own bytes, ends past its size, and remembers an error of the source, which is not the
// archive's fault.
type input struct {
	r    io.Reader
	n    int64
	left int64
	err  error
}

func (i *input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.n += int64(n)
	if i.left -= int64(n); i.left < 0 {
		err = &rag.Problem{Kind: rag.ErrTooLarge, Code: "archive_too_large", Message: "the archive is larger than max_archive_bytes; split it, or raise that setting"}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		i.err = fmt.Errorf("read archive: %w", err)
	}
	return n, err
}

// output is the body of one file.
type output struct {
	w *walk
	r io.Reader
}

func (o *output) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if over := o.w.count(&o.w.out, n); over != nil {
		return n, over
	}
	switch {
	case err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return n, err
	case o.w.in.err != nil:
		return n, o.w.in.err
	}
	var problem *rag.Problem
	if errors.As(err, &problem) {
		return n, err
	}
	return n, &rag.Problem{Kind: rag.ErrInvalid, Code: "damaged_file", Message: fmt.Sprintf("the file is damaged in the archive: %v", err)}
}
