package model

import (
	"context"
	"crypto/sha1" //nolint:gosec // git names its contents by SHA-1
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// expected is what is known of a file before it is fetched; the zero value of each is unknown.
type expected struct {
	size   int64
	sha256 string
	blob   string // git's name of the content
}

// expect gives what a listing says of a file.
func (f listingFile) expect() expected {
	if f.LFS != nil {
		return expected{size: f.LFS.Size, sha256: f.LFS.SHA256}
	}
	e := expected{size: f.Size}
	if isHex(f.BlobID, 40) {
		e.blob = f.BlobID
	}
	return e
}

// learn adds what the headers of a hub's answer say, those of its first redirect before those of the last host.
func (e *expected) learn(res *http.Response) {
	for ; res != nil; res = res.Request.Response {
		if etag := plainETag(res.Header.Get("X-Linked-Etag")); e.sha256 == "" && isHex(etag, 64) {
			e.sha256 = etag
		}
		if n, err := strconv.ParseInt(res.Header.Get("X-Linked-Size"), 10, 64); err == nil && e.size == 0 {
			e.size = n
		}
		if etag := plainETag(res.Header.Get("ETag")); e.sha256 == "" && res.Request.Response == nil && isHex(etag, 64) {
			e.sha256 = etag
		}
	}
}

func plainETag(s string) string { return strings.Trim(strings.TrimPrefix(s, "W/"), `"`) }

// check compares a file with what is known of it.
func (e expected) check(ctx context.Context, path, what string) error {
	wrong := func(want, got string) error {
		return invalid("model_hash", "%s is not the file that it should be: expected %s, the hub sent %s; try again, and if it stays so don't trust this hub", what, want, got)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if e.size > 0 && info.Size() != e.size {
		return wrong(fmt.Sprintf("%d bytes", e.size), fmt.Sprint(info.Size()))
	}
	if e.sha256 != "" {
		got, err := hashFile(ctx, path, nil)
		if err != nil {
			return err
		}
		if got != e.sha256 {
			return wrong("sha256 "+e.sha256, got)
		}
	}
	if e.blob == "" {
		return nil
	}
	got, err := gitBlob(ctx, path, info.Size())
	if err == nil && got != e.blob {
		err = wrong("git blob "+e.blob, got)
	}
	return err
}

// gitBlob gives git's name of a file's content.
func gitBlob(ctx context.Context, path string, size int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha1.New() //nolint:gosec // as above
	fmt.Fprintf(sum, "blob %d\x00", size)
	if _, err := copyBytes(ctx, sum, f, nil); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// fetch brings a file of a commit to the path to, going on where an earlier fetch broke off. The file is there under
// its name only when it is whole and checked.
func (h *hub) fetch(ctx context.Context, ref reference, commit, path string, want expected, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return fmt.Errorf("fetch %s: %w", path, err)
	}
	if _, err := os.Stat(to); err == nil && want.check(ctx, to, path) == nil {
		return nil
	}
	part := to + ".part"
	err := h.retry(ctx, func(ctx context.Context) (bool, error) {
		return h.fetchPart(ctx, ref, commit, path, &want, part)
	})
	if err != nil {
		return fmt.Errorf("fetch %s of %s: %w", path, ref.repository(), err)
	}
	if err := want.check(ctx, part, ref.repository()+"/"+path); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, to)
}

// fetchPart makes one request for what is still missing of a file. It says whether any byte came.
func (h *hub) fetchPart(ctx context.Context, ref reference, commit, path string, want *expected, part string) (bool, error) {
	out, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return false, err
	}
	defer out.Close()
	have, err := out.Seek(0, io.SeekEnd)
	if err != nil || want.size > 0 && have == want.size {
		return false, err
	}
	ctx, alive, stop := idleLimit(ctx, h.options.IdleTimeout)
	defer stop()
	header := http.Header{}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	res, err := h.send(ctx, http.MethodGet, h.fileURL(ref, commit, path), header)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	start, total, err := placeOf(res, have, ref.repository()+"/"+path)
	if errors.Is(err, errStartOver) {
		return false, errors.Join(out.Truncate(0), retryable(err))
	}
	if err != nil {
		return false, err
	}
	want.learn(res)
	if want.size > 0 && total >= 0 && total != want.size {
		return false, errors.Join(out.Truncate(0), invalid("model_hash", "the hub announces %s with %d bytes and sends %d; try again later", path, want.size, total))
	}
	if err := out.Truncate(start); err != nil {
		return false, err
	}
	if _, err := out.Seek(start, io.SeekStart); err != nil {
		return false, err
	}
	var body io.Reader = &aliveReader{res.Body, alive}
	if want.size > 0 {
		body = io.LimitReader(body, want.size-start+1)
	}
	return h.receive(ctx, out, body, start, total, path)
}

// receive copies a body into a part. total is -1 where the hub doesn't tell it.
func (h *hub) receive(ctx context.Context, out *os.File, body io.Reader, start, total int64, path string) (bool, error) {
	got, err := copyBytes(ctx, out, body, func(done int64) {
		if h.options.Progress != nil {
			h.options.Progress(path, start+done, max(total, start+done))
		}
	})
	if syncErr := out.Sync(); syncErr != nil {
		return got > 0, syncErr
	}
	if err == nil && total >= 0 && start+got < total {
		err = io.ErrUnexpectedEOF
	}
	var disk *fs.PathError
	if err == nil || errors.As(err, &disk) {
		return got > 0, err
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return got > 0, retryable(err)
}

// placeOf says where in the file an answer's body begins and how long the whole file is (-1 unknown). An answer that
// doesn't fit what was asked for sends the next try back to the beginning of the file.
func placeOf(res *http.Response, have int64, what string) (start, total int64, err error) {
	switch res.StatusCode {
	case http.StatusOK:
		return 0, res.ContentLength, nil
	case http.StatusPartialContent:
		var end int64
		n, _ := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &start, &end, &total)
		if n == 3 && start == have && total > end {
			return start, total, nil
		}
		return 0, 0, invalid("model_hub", "%s was asked for byte %d on of %s and sends %q", res.Request.URL.Host, have, what, clip(res.Header.Get("Content-Range")))
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, 0, errStartOver
	default:
		return 0, 0, statusError(res, what)
	}
}

// errStartOver says that what is there of a file is no beginning of the hub's file.
var errStartOver = errors.New("the part that is there doesn't fit the hub's file")

// idleLimit ends the context when alive isn't called for the given time.
func idleLimit(ctx context.Context, limit time.Duration) (limited context.Context, alive, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("nothing came for %s", limit)) })
	return limited, func() { timer.Reset(limit) }, func() { timer.Stop(); cancel(nil) }
}

type aliveReader struct {
	io.Reader
	alive func()
}

func (r *aliveReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.alive()
	return n, err
}
