package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/redkite/redkite/internal/rag"
)

// S3 stores blobs as objects of one bucket, below a prefix if the address names one. What can't be done because the
// store is away is a rag.Problem of kind rag.ErrUnavailable; so is what it refuses, and that is ErrSetup too.
type S3 struct {
	bucket *blob.Bucket
	name   string // of the bucket
	spool  string
}

const (
	// partBytes and partsAtOnce bound what one upload holds in memory: 16 MiB before it is sent in parts, then these.
	partBytes   = 5 << 20
	partsAtOnce = 2
	// shortCall bounds a call that moves no content, its repetitions included.
	shortCall = 30 * time.Second
	// takeBack is the time to remove what a canceled upload has sent.
	takeBack = 10 * time.Second
	// probe is a key that no blob has.
	probe = "probe"
)

// Put stores what r gives under key. When it returns without an error the store has acknowledged the whole object. On an
// error nothing is left, unless the store goes away between taking the last byte and saying so; no document names such
// an object.
func (s *S3) Put(ctx context.Context, key string, r io.Reader) error {
	from := &source{ctx: ctx, r: r}
	longer, cancel := outlast(ctx, takeBack) // the source ends with ctx, then sent parts are removed from the store
	defer cancel()
	err := s.bucket.Upload(longer, key, from, &blob.WriterOptions{
		ContentType: "application/octet-stream", BufferSize: partBytes, MaxConcurrency: partsAtOnce,
	})
	switch {
	case err == nil:
		return nil
	case from.err != nil:
		return fmt.Errorf("put blob %s: %w", key, from.err)
	case from.drained: // whole in the store, perhaps
		_ = s.Delete(context.WithoutCancel(ctx), key)
	}
	return s.explain(ctx, "put blob "+key, err)
}

// outlast gives a context that ends a while after ctx does.
func outlast(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(while, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() { stop(); cancel() }
}

// Open gives a blob and its size in bytes. It is copied to the spool folder first, since parsers jump around in it. A
// missing one is rag.ErrNotFound.
func (s *S3) Open(ctx context.Context, key string) (io.ReadSeekCloser, int64, error) {
	operation := "open blob " + key
	r, err := s.bucket.NewReader(ctx, key, nil)
	if isMissing(err) {
		return nil, 0, missing(key)
	}
	if err != nil {
		return nil, 0, s.explain(ctx, operation, err)
	}
	defer r.Close()
	f, err := os.CreateTemp(s.spool, "original-*")
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", operation, err)
	}
	from := &source{ctx: ctx, r: r}
	err = os.Remove(f.Name()) // it lives as long as it is open
	var size int64
	if err == nil {
		size, err = io.Copy(f, from)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		return f, size, nil
	}
	_ = f.Close()
	if from.err != nil {
		return nil, 0, s.explain(ctx, operation, from.err)
	}
	return nil, 0, fmt.Errorf("%s: %w", operation, err)
}

// Delete removes a blob; one that is not there is no error.
func (s *S3) Delete(ctx context.Context, key string) error {
	limited, cancel := context.WithTimeout(ctx, shortCall)
	defer cancel()
	if err := s.bucket.Delete(limited, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return s.explain(ctx, "delete blob "+key, err)
	}
	return nil
}

// List visits the keys, as NewKey makes them, of the blobs that were last written before a time.
func (s *S3) List(ctx context.Context, before time.Time, visit func(key string) error) error {
	for objects := s.bucket.List(nil); ; {
		limited, cancel := context.WithTimeout(ctx, shortCall)
		object, err := objects.Next(limited)
		cancel()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.explain(ctx, "list blobs", err)
		}
		if !original(object.Key) || !object.ModTime.Before(before) {
			continue
		}
		if err := visit(object.Key); err != nil {
			return err
		}
	}
}

// Ping asks whether the bucket is there and lets itself be read.
func (s *S3) Ping(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, shortCall)
	defer cancel()
	r, err := s.bucket.NewReader(limited, probe, nil)
	if err == nil {
		return r.Close()
	}
	if isMissing(err) {
		return nil
	}
	return s.explain(ctx, "read from bucket "+s.name, err)
}

// Check does once all that S3 does to blobs, so that a missing permission is found before an upload needs it.
func (s *S3) Check(ctx context.Context) error {
	key := probe + "-" + strings.ReplaceAll(NewKey(), "/", "-")
	if err := s.Put(ctx, key, strings.NewReader("redkite asks whether it may write here")); err != nil {
		return err
	}
	f, _, err := s.Open(ctx, key)
	if err == nil {
		err = f.Close()
	}
	if err := errors.Join(err, s.Delete(ctx, key)); err != nil {
		return err
	}
	switch _, _, err := s.Open(ctx, key); {
	case errors.Is(err, rag.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("check bucket %s: a deleted object is still there", s.name)
}

// Close releases the bucket.
func (s *S3) Close() error { return s.bucket.Close() }
